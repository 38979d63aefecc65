// Valence and arousal of each face, with the trail of the last seconds.
import { byId, keep, setAttributes, setText, svg } from "./dom.js";
import { signed, text } from "./texts.js";

/** How long a trail is, in milliseconds. */
const TRAIL = 8000;

/** Maximum number of points kept per face: five views a second. */
const MOST_POINTS = (TRAIL / 1000) * 6;

const RADIUS = 100;

/** Points of each track, the oldest first. */
const trails = new Map();

/** Draws the axes, which do not change. */
export function drawAxes() {
  const label = (x, y, anchor, key) => svg("text", { class: "pole", x, y, "text-anchor": anchor }, text(key));
  byId("circumplex").append(
    svg("circle", { class: "ring", r: RADIUS }),
    svg("path", { class: "axis", d: `M${-RADIUS} 0H${RADIUS}M0 ${-RADIUS}V${RADIUS}` }),
    label(RADIUS + 6, 4, "start", "circumplex.pleasant"),
    label(-RADIUS - 6, 4, "end", "circumplex.unpleasant"),
    label(0, -RADIUS - 7, "middle", "circumplex.excited"),
    label(0, RADIUS + 14, "middle", "circumplex.calm"),
    svg("g"),
  );
}

/** Adds a view's points. */
export function drawCircumplex(view, now) {
  const faces = view.frame.faces.filter((face) => face.valence !== null && face.arousal !== null);
  const present = new Set(faces.map((face) => face.track));
  for (const track of trails.keys()) if (!present.has(track)) trails.delete(track);
  for (const face of faces) {
    const trail = trails.get(face.track) ?? [];
    trail.push({ at: now, x: face.valence * RADIUS, y: -face.arousal * RADIUS });
    while (trail.length > MOST_POINTS || now - trail[0].at > TRAIL) trail.shift();
    trails.set(face.track, trail);
  }
  draw(faces, now);
}

/** Clears all trails. */
export function clearCircumplex() {
  trails.clear();
  draw([], 0);
}

function draw(faces, now) {
  const root = byId("circumplex");
  keep(root.lastChild, faces, (face) => face.track, makeFace, (group, face) => drawFace(group, face, now));
  const points = faces.map(({ track, valence, arousal }) =>
    text("circumplex.point", { face: track, valence: signed(valence), arousal: signed(arousal) }),
  );
  const label = text("circumplex.label", { points: points.join(" ") || text("circumplex.none") });
  setAttributes(root, { "aria-label": label });
}

function makeFace() {
  return svg("g", {}, svg("g"), svg("circle", { class: "point", r: 6 }), svg("text", { class: "point-number" }));
}

function drawFace(group, face, now) {
  const trail = trails.get(face.track);
  const [lines, point, name] = group.children;
  setAttributes(group, { "data-category": face.category });
  const steps = trail.slice(1).map((to, index) => ({ from: trail[index], to }));
  keep(lines, steps, ({ to }) => to.at, () => svg("line", { class: "trail" }), (line, { from, to }) => {
    const opacity = Math.max(0, 1 - (now - to.at) / TRAIL).toFixed(2);
    setAttributes(line, { x1: from.x, y1: from.y, x2: to.x, y2: to.y, "stroke-opacity": opacity });
  });
  const { x, y } = trail.at(-1);
  setAttributes(point, { cx: x, cy: y });
  setAttributes(name, { x: x + 9, y: y + 4 });
  setText(name, String(face.track));
}

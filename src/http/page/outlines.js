// The view: boxes and landmarks as outlines, in the frame's proportions.
import { byId, keep, setAttributes, setText, svg } from "./dom.js";
import { list, number, percent, text, textFor } from "./texts.js";

/** Draws the faces of a view. */
export function drawOutlines(view) {
  const root = byId("outlines");
  const { width, height } = view.frame;
  setAttributes(root, {
    viewBox: `0 0 ${width} ${height}`,
    "aria-label": describeView(view),
  });
  const frame = byId("frame");
  const proportions = `${width} / ${height}`;
  if (frame.style.aspectRatio !== proportions) frame.style.aspectRatio = proportions;
  keep(root, [{ track: "thirds" }, ...view.frame.faces], (item) => item.track, makeItem, (group, item) => {
    if (item.track === "thirds") setAttributes(group.firstChild, { d: thirds(width, height) });
    else drawFace(group, item, view);
  });
  setText(byId("view-note"), text("view.size", { width: number(width), height: number(height) }));
}

/** Removes everything that was seen. */
export function clearOutlines() {
  byId("outlines").replaceChildren();
  setAttributes(byId("outlines"), { "aria-label": text("view.blank") });
  setText(byId("view-note"), "");
}

function makeItem(item) {
  if (item.track === "thirds") return svg("g", {}, svg("path", { class: "thirds" }));
  const points = item.landmarks.map(() => svg("circle", { class: "landmark" }));
  return svg("g", {}, svg("rect", { class: "box" }), ...points, svg("text", { class: "tag" }));
}

function drawFace(group, face, view) {
  const { width, height } = view.frame;
  const [x, y, w, h] = face.box;
  setAttributes(group, { "data-category": face.category, class: face.seen ? null : "lost" });
  const [box, ...rest] = group.children;
  const tag = rest.pop();
  setAttributes(box, { x, y, width: w, height: h, rx: width / 120 });
  rest.forEach((point, index) => {
    const [cx, cy] = face.landmarks[index];
    setAttributes(point, { cx, cy, r: Math.max(width / 260, w / 45) });
  });
  // The tag goes above the box, or inside it if there is no room.
  const size = width / 34;
  const above = y > size * 1.4;
  setAttributes(tag, {
    x: Math.min(Math.max(x, 2), width * 0.8),
    y: above ? y - size * 0.4 : Math.min(Math.max(y, 0) + size * 1.1, height - 2),
    "font-size": size,
  });
  setText(tag, text("view.tag", { face: face.track, width: number(face.width) }));
}

function thirds(width, height) {
  const lines = [1, 2].map((part) => {
    const [x, y] = [(width * part) / 3, (height * part) / 3];
    return `M${x} 0V${height}M0 ${y}H${width}`;
  });
  return lines.join("");
}

/** The outlines in words, for screen readers. */
function describeView(view) {
  const { width, height, faces } = view.frame;
  if (faces.length === 0) return text("view.label.none");
  const where = faces.map(({ track, box: [x, y, w, h] }) =>
    text("view.place", { face: track, x: percent((x + w / 2) / width), y: percent((y + h / 2) / height) }),
  );
  return textFor(faces.length, "view.label", { where: list(where) });
}

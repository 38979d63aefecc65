// The categories of the primary face over the last minute, as a band.
import { byId, html, keep, setAttributes, setText, svg } from "./dom.js";
import { list, percent, text } from "./texts.js";

/** How far the band reaches back, in milliseconds. */
const MINUTE = 60000;

/** Longer gaps between two views stay empty. */
const LONGEST_GAP = 2000;

/** Stretches of one category, the oldest first: `{from, to, category}`. */
let stretches = [];

/** Adds a view. */
export function addToMinute(view, now) {
  const category = view.frame.faces[0]?.category ?? "none";
  const last = stretches.at(-1);
  const continues = last && now - last.to <= LONGEST_GAP;
  if (continues) last.to = now;
  if (!continues || last.category !== category) stretches.push({ from: now, to: now, category });
  stretches = stretches.filter((stretch) => now - stretch.to < MINUTE);
  draw(now);
}

/** Clears the band. */
export function clearMinute() {
  stretches = [];
  draw(0);
}

function draw(now) {
  const root = byId("minute");
  setAttributes(root, { viewBox: `0 0 ${MINUTE} 1` });
  const shown = stretches.filter(({ category }) => category !== "none");
  keep(root, shown, (stretch) => stretch.from, () => svg("rect", { y: 0, height: 1 }), (bar, stretch) => {
    const from = Math.max(0, MINUTE - (now - stretch.from));
    const width = Math.max(0, MINUTE - (now - stretch.to) - from);
    setAttributes(bar, { x: from, width, "data-category": stretch.category });
  });
  const shares = sharesOf(shown, now);
  const words = shares.map(({ category, share }) =>
    text("minute.share", { category: text(`category.${category}`), share: percent(share) }),
  );
  setAttributes(root, { "aria-label": text("minute.label", { shares: list(words) || text("minute.none") }) });
  keep(byId("legend"), shares, (item) => item.category, () => html("li"), (entry, item) => {
    setAttributes(entry, { "data-category": item.category });
    setText(entry, words[shares.indexOf(item)]);
  });
}

/** The share of each category in the time with a face, the largest first. */
function sharesOf(shown, now) {
  const times = new Map();
  let whole = 0;
  for (const { from, to, category } of shown) {
    const time = to - Math.max(from, now - MINUTE);
    times.set(category, (times.get(category) ?? 0) + time);
    whole += time;
  }
  if (whole === 0) return [];
  return [...times]
    .map(([category, time]) => ({ category, share: time / whole }))
    .sort((a, b) => b.share - a.share);
}

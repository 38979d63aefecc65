// One card for each face.
import { byId, html, keep, setAttributes, setText, setVariable } from "./dom.js";
import { list, number, percent, signed, text, textFor } from "./texts.js";

/** Shows the faces and the scene of a view. */
export function showFaces(view) {
  keep(byId("faces"), view.frame.faces, (face) => face.track, makeCard, fillCard);
  setText(byId("scene"), sceneInWords(view.scene));
}

/** Removes every card. */
export function clearFaces() {
  byId("faces").replaceChildren();
  setText(byId("scene"), text("view.blank"));
}

/** The figures of a card, in order. */
const FACTS = {
  width: (face) => text("unit.px", { value: number(face.width) }),
  minimum: (face) => face.needed_width && text("unit.px", { value: number(face.needed_width) }),
  distance: (face) => face.distance && text("unit.m", { value: number(face.distance, 1) }),
  yaw: (face) => face.pose && `${signed(face.pose.yaw, 0)}°`,
  pitch: (face) => face.pose && `${signed(face.pose.pitch, 0)}°`,
  attending: (face) => text(face.attending ? "face.yes" : "face.no"),
  valence: (face) => signed(face.valence),
  arousal: (face) => signed(face.arousal),
  quality: (face) => number(face.quality?.value, 2),
};

/** The parts of the quality, and the flaw reported when each of them is too low. */
const PARTS = { size: "small", sharpness: "blurred", frontal: "turned", light: "dark", presence: "cut_off" };

function makeCard() {
  const figures = (names) =>
    names.map((name) => html("div", {}, html("dt", {}, text(`face.${name}`)), html("dd", { class: name })));
  return html(
    "li",
    { class: "face" },
    html("h3", {}, document.createTextNode(""), html("span")),
    html("p", { class: "reasons" }),
    html("dl", { class: "facts" }, ...figures(Object.keys(FACTS))),
    html("dl", { class: "facts parts" }, ...figures(Object.keys(PARTS))),
    html("div", { class: "bars" }),
  );
}

function fillCard(card, face) {
  const part = (name) => card.querySelector(`.${name}`);
  setAttributes(card, { "data-category": face.category });
  const [category, track] = card.querySelector("h3").childNodes;
  setText(category, text(`category.${face.category}`));
  setText(track, text("face.number", { face: face.track }));
  setText(part("reasons"), qualityInWords(face));
  const isGood = face.seen && face.quality?.reasons.length === 0;
  setAttributes(part("reasons"), { "data-level": isGood ? "good" : "change" });
  for (const [name, figure] of Object.entries(FACTS)) setText(part(name), figure(face) ?? "–");
  for (const [name, reason] of Object.entries(PARTS)) {
    const isFlaw = face.quality?.reasons.includes(reason);
    setText(part(name), number(face.quality?.[name], 2));
    setAttributes(part(name), { "data-level": isFlaw ? "change" : null });
  }
  fillBars(part("bars"), face.probabilities);
}

function qualityInWords(face) {
  if (!face.seen) return text("face.lost");
  if (face.quality === null) return text("face.unknown");
  const reasons = face.quality.reasons.map((reason) => text(`reason.${reason}`));
  return reasons.length > 0 ? text("face.flaw", { reasons: list(reasons) }) : text("face.good");
}

/** A bar for each category, in the model's order: sorted bars would jump. */
function fillBars(bars, probabilities) {
  keep(bars, probabilities, (share) => share.category, makeBar, (row, { probability }) => {
    setVariable(row, "--share", `${(probability * 100).toFixed(1)}%`);
    setText(row.lastChild, percent(probability));
  });
}

function makeBar({ category }) {
  const track = html("span", { class: "track" }, html("span", { class: "fill", "data-category": category }));
  return html("div", {}, html("span", {}, text(`category.${category}`)), track, html("span"));
}

function sceneInWords(scene) {
  if (scene.faces === null) return text("scene.withheld");
  if (scene.faces === 0) return text("faces.none");
  const category = text(`category.${scene.category}`);
  const { attending, smiling } = scene;
  return textFor(scene.faces, "scene", { attending, smiling, category });
}

// Light and sharpness of the frame: a scale, a needle, and a hint in words.
import { byId, html, setAttributes, setText, setVariable } from "./dom.js";
import { number, text } from "./texts.js";

/** Makes both gauges, empty. */
export function makeGauges() {
  for (const name of ["light", "sharpness"]) {
    byId(`gauge-${name}`).append(
      html("p", { class: "label" }, html("span", { id: `gauge-${name}-name` }), html("span", { class: "word" })),
      html(
        "div",
        { class: "scale", role: "meter", "aria-labelledby": `gauge-${name}-name`, "aria-valuemin": 0, "aria-valuemax": 100 },
        html("span", { class: "needle" }),
      ),
      html("p", { class: "muted hint" }),
    );
    setText(byId(`gauge-${name}-name`), text(`gauge.${name}`));
  }
}

/** The daemon's hints for each, the most important first. */
const HINTS = { light: ["dark", "bright", "backlit"], sharpness: ["blurred"] };

/** Shows a frame's light and sharpness; `null` if they were not measured. */
export function showGauges(quality) {
  for (const name of ["light", "sharpness"]) show(name, quality);
}

function show(name, quality) {
  const gauge = byId(`gauge-${name}`);
  const scale = gauge.querySelector(".scale");
  const hint = HINTS[name].find((candidate) => quality?.hints.includes(candidate));
  const word = text(`gauge.${quality === null ? "unknown" : (hint ?? "good")}`);
  const value = quality === null ? 0 : Math.round(quality[name] * 100);
  setText(gauge.querySelector(".word"), word);
  setAttributes(gauge, { "data-level": quality === null ? null : hint ? "change" : "good" });
  setAttributes(scale, { "aria-valuenow": value, "aria-valuetext": `${number(value)}, ${word}` });
  setVariable(scale, "--at", `${value}%`);
  scale.querySelector(".needle").hidden = quality === null;
  setText(gauge.querySelector(".hint"), hint ? text(`advice.${hint}.text`) : "");
}

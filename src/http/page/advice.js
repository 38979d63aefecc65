// What the person at the camera should do next: the most important fault of the view, in words.
import { number, text, textFor } from "./texts.js";

/** Faults of a face, the most important first. */
const FACE_FAULTS = ["small", "cut_off", "dark", "blurred", "turned"];

/** `{level, title, text}` for a view; the level is good, change or stop. */
export function advise(view) {
  if (view.privacy.on) return advice("stop", "private", { reason: view.privacy.reason });
  if (view.camera.status !== "ok") {
    const status = text(`camera.status.${view.camera.status}`);
    return advice("stop", "camera", { status, reason: view.camera.reason });
  }
  if (view.frame === null) return advice("none", view.camera.frames > 0 ? "stopped" : "waiting");
  // Do not aim at a face that is leaving.
  const seen = view.frame.faces.filter((face) => face.seen);
  const faces = (seen.length > 0 ? seen : view.frame.faces).filter((face) => face.quality !== null);
  const hints = view.frame.quality?.hints ?? [];
  // If a face is good, a dark or plain wall is irrelevant.
  if (!faces.some((face) => face.quality.reasons.length === 0)) {
    const hint = ["dark", "bright", "backlit"].find((name) => hints.includes(name));
    if (hint) return advice("change", hint);
  }
  if (view.frame.withheld) return advice("none", "withheld");
  if (view.frame.faces.length === 0) return advice("change", hints.includes("blurred") ? "blurred" : "nobody");
  if (faces.length === 0) return advice("none", "waiting");
  for (const name of FACE_FAULTS) {
    const face = faces.find((candidate) => candidate.quality.reasons.includes(name));
    if (face) {
      const values = { face: face.track, width: number(face.width), minimum: number(face.needed_width) };
      return advice("change", name === "dark" ? "backlit" : name, values);
    }
  }
  return { level: "good", title: text("advice.good.title"), text: textFor(faces.length, "advice.good.text") };
}

/** The advice with this name. */
export function advice(level, name, values = {}) {
  return { level, title: text(`advice.${name}.title`, values), text: text(`advice.${name}.text`, values) };
}

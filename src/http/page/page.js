// The live page: shows each view that arrives, and says so when the figures are out of date.
import { advice, advise } from "./advice.js";
import { Aim } from "./aim.js";
import { clearCircumplex, drawAxes, drawCircumplex } from "./circumplex.js";
import { Connection } from "./connection.js";
import { byId, setAttributes, setText } from "./dom.js";
import { clearFaces, showFaces } from "./faces.js";
import { makeGauges, showGauges } from "./gauges.js";
import { addToMinute, clearMinute } from "./minute.js";
import { clearOutlines, drawOutlines } from "./outlines.js";
import { showPanels } from "./panels.js";
import { PrivacyButton } from "./privacy.js";
import { number, loadTexts, text } from "./texts.js";

/** Figures older than this are marked as old, in milliseconds. */
const OLD = 2500;

/** Figures older than this are removed. */
const GONE = 8000;

/** How long advice must hold before it is shown, and before it is announced: faces move. */
const HELD = 600;
const STEADY = 2500;

/** Milliseconds of a monotonic clock. */
const now = () => performance.now();

const state = {
  /** When the last view arrived; `null` before the first one and after everything was removed. */
  viewed: null,
  /** Titles: what was found last and since when, what is shown, and what was announced. */
  advice: { found: "", since: 0, shown: "", isUrgent: true, announced: "" },
};

await loadTexts();
makeGauges();
drawAxes();
clearSeen();
showGauges(null);
const privacy = new PrivacyButton();
const aim = new Aim({
  onAsked: () => status("closed", text("status.closed")),
  onOpened: () => connection.open(),
});
const connection = new Connection({ onView: show, onLost: lost });
status("connecting", text("status.connecting"));
showAdvice(advice("none", "connecting"));
if (!(await aim.begin())) connection.open();
setInterval(checkAge, 500);

function show(view) {
  state.viewed = now();
  aim.hideForm();
  setText(byId("device"), view.device);
  document.title = text("title", { device: view.device });
  document.body.classList.remove("old");
  status("live", text("status.live"));
  showAdvice(advise(view));
  privacy.show(view.privacy);
  showPanels(view);
  if (view.privacy.on || view.camera.status !== "ok" || view.frame === null) {
    clearSeen();
    setText(byId("frame-note"), byId("advice-title").textContent);
    showGauges(null);
  } else {
    setText(byId("frame-note"), "");
    drawOutlines(view);
    showGauges(view.frame.quality);
    showFaces(view);
    drawCircumplex(view, now());
    addToMinute(view, now());
  }
  aim.show(view);
}

/** The stream has ended, because the daemon is gone or because a code is needed. */
async function lost() {
  status("gone", text("status.gone"));
  if (await aim.isClosed()) {
    connection.close();
    remove();
    aim.ask();
  }
}

/** Removes everything about people. */
function clearSeen() {
  clearOutlines();
  clearFaces();
  clearCircumplex();
  clearMinute();
}

/** Removes everything, because nothing is known any longer. */
function remove() {
  state.viewed = null;
  clearSeen();
  showGauges(null);
  aim.hidePicture();
  privacy.disable();
  document.body.classList.add("old");
  setText(byId("frame-note"), text("view.blank"));
}

function checkAge() {
  aim.tick();
  if (state.viewed === null) return;
  const age = now() - state.viewed;
  if (age < OLD) return;
  document.body.classList.add("old");
  if (byId("status").dataset.state === "live") {
    status("old", text("status.old", { seconds: number(age / 1000) }));
  }
  if (age >= GONE) {
    remove();
    showAdvice(advice("stop", "gone"));
  }
}

function status(name, words) {
  setAttributes(byId("status"), { "data-state": name });
  setText(byId("status"), words);
}

/** Shows advice once it holds, or immediately if there is nothing to see. */
function showAdvice(found) {
  const told = state.advice;
  if (found.title !== told.found) Object.assign(told, { found: found.title, since: now() });
  const isUrgent = found.level === "stop" || found.level === "none";
  const held = now() - told.since;
  if (found.title !== told.shown && held < HELD && !isUrgent && !told.isUrgent) return;
  Object.assign(told, { shown: found.title, isUrgent });
  setAttributes(byId("advice"), { "data-level": found.level });
  setText(byId("advice-title"), found.title);
  setText(byId("advice-text"), found.text);
  if (found.title !== told.announced && held >= STEADY) {
    told.announced = found.title;
    setText(byId("announcer"), `${found.title}. ${found.text}`);
  }
}

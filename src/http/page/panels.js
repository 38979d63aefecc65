// Figures of the camera, the board, MQTT, the visits and the stages.
import { byId, describe, html, keep, setText, setVariable } from "./dom.js";
import { duration, hasText, number, percent, text } from "./texts.js";

/** Shows every figure that is not about what the camera sees. */
export function showPanels(view) {
  showCamera(view);
  showBoard(view);
  showMqtt(view.mqtt);
  showVisits(view.visits);
  showLatency(view.stages);
  const { version, model } = view;
  setText(byId("program"), text("program", { version, model: model.name, sha256: model.sha256 }));
}

function showCamera({ camera, frame, board }) {
  const isOk = camera.status === "ok";
  describe(byId("camera"), [
    [text("camera.status"), text(`camera.status.${camera.status}`), isOk ? "ok" : "bad"],
    [text("camera.mode"), camera.reason, "text"],
    [text("camera.delivered"), text("unit.per_s", { value: number(camera.fps, 1) })],
    [text("camera.sensed"), text("unit.per_s", { value: number(board.fps, 1) })],
    [text("camera.dropped"), number(camera.dropped)],
    [text("camera.unusable"), number(camera.unusable), camera.unusable > 0 ? "warn" : ""],
    [text("camera.age"), frame && text("unit.ms", { value: number(frame.age * 1000) })],
  ]);
}

function showBoard({ board, uptime }) {
  const isFull = board.shed_reason === null;
  const shed = isFull
    ? text("board.full")
    : text("board.shed", { share: percent(board.shed), reason: text(`board.reason.${board.shed_reason}`) });
  describe(byId("board"), [
    [text("board.temperature"), board.temperature && text("unit.c", { value: number(board.temperature, 1) })],
    [text("board.work"), shed, isFull ? "ok" : "warn"],
    [text("board.load"), percent(board.load)],
    [text("board.memory"), board.rss && text("unit.mib", { value: number(board.rss / 2 ** 20) })],
    [text("board.uptime"), duration(uptime)],
  ]);
}

function showMqtt({ state, address, connected_s: seconds, messages, reason }) {
  const kinds = { off: "", connected: "ok", disconnected: "warn" };
  describe(byId("mqtt"), [
    [text("mqtt.state"), text(`mqtt.state.${state}`), kinds[state]],
    [text("mqtt.address"), address || null, "text"],
    [text("mqtt.connected"), seconds === null ? null : duration(seconds)],
    [text("mqtt.messages"), number(messages)],
    [text("mqtt.reason"), reason || null, "text"],
  ]);
}

const VISIT_ROWS = ["visits", "attended", "smiled", "mean_s", "longest_s"];

function showVisits(visits) {
  const table = byId("visits");
  if (!table.tHead) {
    const titles = ["visits.today", "visits.since_start"].map((key) => html("th", { scope: "col" }, text(key)));
    table.append(html("thead", {}, html("tr", {}, html("td"), ...titles)), html("tbody"));
  }
  const shown = (counters, row) => {
    if (!row.endsWith("_s")) return number(counters[row]);
    return counters[row] === null ? "–" : text("unit.s", { value: number(counters[row], 1) });
  };
  const makeRow = (row) =>
    html("tr", {}, html("th", { scope: "row" }, text(`visits.${row}`)), html("td"), html("td"));
  keep(table.tBodies[0], VISIT_ROWS, (row) => row, makeRow, (element, row) => {
    setText(element.children[1], shown(visits.today, row));
    setText(element.children[2], shown(visits.since_start, row));
  });
}

function showLatency(stages) {
  const table = byId("latency");
  if (!table.tHead) {
    const titles = ["stage", "p50", "p95", "p99"].map((key) => html("th", { scope: "col" }, text(`latency.${key}`)));
    table.append(html("thead", {}, html("tr", {}, ...titles)), html("tbody"));
    titles[0].after(html("td", { class: "bar-cell" }));
  }
  const total = stages.find((stage) => stage.stage === "total")?.p95 ?? 0;
  const makeRow = ({ stage }) => {
    const bar = html("div", { class: "track", "aria-hidden": "true" }, html("div", { class: "fill" }));
    const name = hasText(`stage.${stage}`) ? text(`stage.${stage}`) : stage;
    const cells = [html("td", { class: "bar-cell" }, bar), html("td"), html("td"), html("td")];
    return html("tr", {}, html("th", { scope: "row" }, name), ...cells);
  };
  keep(table.tBodies[0], stages, (stage) => stage.stage, makeRow, (row, stage) => {
    const [, bar, ...cells] = row.children;
    const share = total > 0 ? Math.min(1, stage.p95 / total) : 0;
    setVariable(bar.firstChild.firstChild, "--share", `${(share * 100).toFixed(1)}%`);
    ["p50", "p95", "p99"].forEach((name, index) => setText(cells[index], number(stage[name], 1)));
  });
}

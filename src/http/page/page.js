// Shows the events of the daemon: outlines of the faces in the frame, and what else was measured.

const texts = await (await fetch("texts/en.json")).json();
const at = (id) => document.getElementById(id);
const canvas = at("frame");
let isPrivate = true;

function drawFrame(frame) {
  canvas.width = frame ? frame.width : 640;
  canvas.height = frame ? frame.height : 480;
  const context = canvas.getContext("2d");
  context.strokeStyle = context.fillStyle = getComputedStyle(canvas).color;
  context.lineWidth = 2;
  for (const face of frame ? frame.faces : []) {
    context.strokeRect(...face.box);
    for (const [x, y] of face.landmarks) {
      context.fillRect(x - 2, y - 2, 4, 4);
    }
  }
}

function item(face) {
  const line = document.createElement("li");
  const distance = face.distance === null ? "" : ` ${face.distance.toFixed(1)} m`;
  const reasons = face.quality ? face.quality.reasons.join(", ") : "";
  line.textContent = `${face.track}: ${face.category}, ${face.width.toFixed(0)} px${distance} ${reasons}`;
  return line;
}

function show(view) {
  isPrivate = view.privacy.on;
  at("device").textContent = view.device;
  at("connection").textContent = view.privacy.on ? `${texts.private}: ${view.privacy.reason}` : texts.connected;
  at("camera").textContent = `${texts.camera}: ${view.camera.status} ${view.camera.reason}`;
  at("broker").textContent = `${texts.broker}: ${view.mqtt.state} ${view.mqtt.address}`;
  at("privacy").textContent = isPrivate ? texts.privacyOff : texts.privacyOn;
  drawFrame(view.frame);
  at("faces").replaceChildren(...(view.frame ? view.frame.faces : []).map(item));
}

canvas.setAttribute("aria-label", texts.frame);
at("privacy").addEventListener("click", async () => {
  const body = isPrivate ? "OFF" : "ON";
  const answer = await fetch("privacy", { method: "POST", headers: { "X-Affectd": "1" }, body });
  if (!answer.ok) {
    at("connection").textContent = await answer.text();
  }
});

const events = new EventSource("events");
events.addEventListener("message", (event) => show(JSON.parse(event.data)));
events.addEventListener("error", () => {
  at("connection").textContent = texts.disconnected;
  drawFrame(null);
  at("faces").replaceChildren();
});

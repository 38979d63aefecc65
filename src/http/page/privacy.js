// The privacy button.
import { byId, setAttributes, setText } from "./dom.js";
import { text } from "./texts.js";

/** Turns privacy on and off at the daemon; shows the state that the daemon reports, not the one requested. */
export class PrivacyButton {
  constructor() {
    this.button = byId("privacy");
    this.isOn = null;
    this.button.addEventListener("click", () => this.change());
    this.disable();
  }

  /** Shows a view's privacy. A command given elsewhere can only be revoked there. */
  show({ on, revocable }) {
    this.isOn = on;
    this.button.disabled = on && !revocable;
    setAttributes(this.button, { "aria-pressed": on });
    setText(this.button, text(on ? "privacy.turn_off" : "privacy.turn_on"));
  }

  /** Disables the button while the daemon's state is unknown. */
  disable() {
    this.button.disabled = true;
    setText(this.button, text("privacy.turn_on"));
  }

  async change() {
    const response = await fetch("privacy", {
      method: "POST",
      headers: { "X-Affectd": "1" },
      body: this.isOn ? "OFF" : "ON",
    }).catch(() => null);
    if (response?.ok) return;
    const reason = response ? (await response.text()).trim() : text("status.gone");
    setText(byId("announcer"), text("privacy.failed", { reason }));
  }
}

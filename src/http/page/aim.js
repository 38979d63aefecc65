// Aiming: the code printed by `affectd aim` opens the page and, with --preview, the camera's picture.
import { byId, setText } from "./dom.js";
import { duration, text } from "./texts.js";

/** Pause between two pictures in milliseconds; the daemon gives two a second. */
const PICTURE_PAUSE = 500;

/** Milliseconds of a monotonic clock. */
const now = () => performance.now();

export class Aim {
  /** Calls `onAsked()` when a code is needed, and `onOpened()` when it is accepted. */
  constructor({ onAsked, onOpened }) {
    Object.assign(this, { onAsked, onOpened });
    /** What the code opened: `{preview, until}`; `null` without a code. */
    this.opened = null;
    this.isShowing = false;
    this.pictureTimer = null;
    const picture = byId("picture");
    picture.alt = text("view.picture");
    picture.addEventListener("load", () => {
      picture.hidden = false;
      this.nextPictureLater();
    });
    // There is no picture yet, or no longer.
    picture.addEventListener("error", () => {
      picture.hidden = true;
      this.isClosed();
      this.nextPictureLater();
    });
    byId("code").addEventListener("submit", (event) => {
      event.preventDefault();
      this.send(byId("code-input").value);
    });
  }

  /** Uses a code in the page's address, or asks for one if it is needed. Returns whether it did either. */
  async begin() {
    const code = new URLSearchParams(location.hash.slice(1)).get("code");
    if (code) {
      // It is valid only once, and must not stay in the history.
      history.replaceState(null, "", location.pathname);
      await this.send(code);
      return true;
    }
    const isClosed = await this.isClosed();
    if (isClosed) this.ask();
    return isClosed;
  }

  /** Asks the daemon what is open. Returns whether the daemon responds but requires a code. */
  async isClosed() {
    const response = await fetch("aim", { cache: "no-store" }).catch(() => null);
    const answer = response?.ok ? await response.json() : null;
    if (answer?.opened) this.start(answer.opened);
    return Boolean(answer?.needs_code) && !answer.opened;
  }

  /** Asks for a code. */
  ask() {
    this.stop();
    this.onAsked();
    byId("live").hidden = true;
    byId("code").hidden = false;
    byId("code-input").focus();
  }

  /** A view has arrived, so the page is open. */
  hideForm() {
    byId("code").hidden = true;
    byId("live").hidden = false;
  }

  /** Shows or hides the picture according to a view. */
  show(view) {
    const wanted = this.opened?.preview && !view.privacy.on && view.camera.status === "ok";
    if (!wanted) this.hidePicture();
    else if (!this.isShowing) {
      this.isShowing = true;
      this.nextPictureLater();
    }
  }

  /** Hides the picture. */
  hidePicture() {
    clearTimeout(this.pictureTimer);
    this.isShowing = false;
    byId("picture").hidden = true;
    byId("picture").removeAttribute("src");
  }

  /** Begins the next request only after the last one has ended, so a slow link shows pictures too. */
  nextPictureLater() {
    if (this.isShowing) this.pictureTimer = setTimeout(nextPicture, PICTURE_PAUSE);
  }

  /** Updates the remaining time. */
  tick() {
    if (this.opened === null) return;
    const left = (this.opened.until - now()) / 1000;
    if (left <= 0) {
      this.stop();
      return;
    }
    const words = this.opened.preview ? "aim.picture" : "aim.page";
    setText(byId("aim"), text(words, { time: duration(left) }));
  }

  async send(code) {
    setText(byId("code-error"), "");
    const response = await fetch("aim", {
      method: "POST",
      headers: { "X-Affectd": "1" },
      body: code,
    }).catch(() => null);
    if (response?.ok) {
      byId("code-input").value = "";
      this.start(await response.json());
      this.onOpened();
      return;
    }
    this.ask();
    setText(byId("code-error"), text(response?.status === 429 ? "code.wait" : "code.refused"));
  }

  start({ preview, seconds_left }) {
    this.opened = { preview, until: now() + seconds_left * 1000 };
    byId("aim").hidden = false;
    this.tick();
  }

  stop() {
    this.opened = null;
    byId("aim").hidden = true;
    this.hidePicture();
  }
}

function nextPicture() {
  // The number keeps the browser from showing a cached picture.
  byId("picture").src = `aim/picture?${Math.round(now())}`;
}

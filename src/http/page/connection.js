// The stream of views from the daemon. It is reopened whenever it ends, until the page is closed.

/** Backoff delays in milliseconds; the last one repeats. */
const PAUSES = [500, 1000, 2000, 4000];

/** Calls `onView(view)` for each view, and `onLost()` when the stream ends or cannot be opened. */
export class Connection {
  constructor({ onView, onLost }) {
    Object.assign(this, { onView, onLost });
    this.failures = 0;
    this.source = null;
    this.timer = null;
    // A phone stops the stream of a hidden page.
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "visible" && this.timer !== null) this.open();
    });
  }

  /** Opens the stream now. */
  open() {
    clearTimeout(this.timer);
    this.timer = null;
    this.source?.close();
    this.source = new EventSource("events");
    this.source.onmessage = (message) => {
      this.failures = 0;
      this.onView(JSON.parse(message.data));
    };
    this.source.onerror = () => this.lost();
  }

  /** Closes the stream and does not reopen it. */
  close() {
    clearTimeout(this.timer);
    this.timer = null;
    this.source?.close();
  }

  lost() {
    this.source.close();
    const pause = PAUSES[Math.min(this.failures, PAUSES.length - 1)];
    this.failures += 1;
    this.timer = setTimeout(() => this.open(), pause);
    this.onLost();
  }
}

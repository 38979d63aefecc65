//! Decides when a retained message about what is seen is due.

use std::time::Duration;

/// Paces one topic: at most one message per interval, and one at least every refresh.
#[derive(Debug)]
pub struct Pace {
    interval: Duration,
    refresh: Duration,
    /// Whether a message is due even if nothing has changed.
    forced: bool,
    last: Option<LastMessage>,
}

#[derive(Debug, Clone, Copy)]
struct LastMessage {
    at: Duration,
    was_sensing: bool,
}

impl Pace {
    /// A message is due at once.
    pub fn new(interval: Duration, refresh: Duration) -> Self {
        Self {
            interval: interval.min(refresh),
            refresh,
            forced: true,
            last: None,
        }
    }

    /// At most one message per `interval` from now on.
    pub fn set_interval(&mut self, interval: Duration) {
        self.interval = interval.min(self.refresh);
    }

    /// Makes a message due at once.
    pub fn force(&mut self) {
        self.forced = true;
    }

    /// When the next message is due: at once if it is forced or if sensing has just ended, at the rate limit
    /// if what it says has changed, otherwise at the refresh.
    pub fn due(&self, has_changed: bool, is_sensing: bool) -> Duration {
        match self.last {
            Some(last) if !self.forced => {
                if last.was_sensing && !is_sensing {
                    Duration::ZERO
                } else if has_changed {
                    last.at.saturating_add(self.interval)
                } else {
                    last.at.saturating_add(self.refresh)
                }
            }
            _ => Duration::ZERO,
        }
    }

    /// A message was sent at `now`.
    pub fn record(&mut self, now: Duration, is_sensing: bool) {
        self.forced = false;
        self.last = Some(LastMessage {
            at: now,
            was_sensing: is_sensing,
        });
    }
}

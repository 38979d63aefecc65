//! Limits how often privacy is published, so a flood of commands causes no flood of answers.

use std::time::Duration;

/// At most this many messages within [`WINDOW`], besides those that turn privacy on.
const BURST: usize = 4;

const WINDOW: Duration = Duration::from_secs(2);

/// When privacy was last published, and what.
#[derive(Debug, Default)]
pub(super) struct PrivacyLimit {
    /// The oldest time first.
    times: [Option<Duration>; BURST],
    last: Option<bool>,
}

impl PrivacyLimit {
    /// When privacy may be published again. That it was turned on is never delayed.
    pub fn due(&self, is_on: bool) -> Duration {
        if is_on && self.last != Some(true) {
            return Duration::ZERO;
        }
        self.times[0].map_or(Duration::ZERO, |oldest| oldest + WINDOW)
    }

    /// Privacy was published at `now`.
    pub fn published(&mut self, is_on: bool, now: Duration) {
        self.times.rotate_left(1);
        self.times[BURST - 1] = Some(now);
        self.last = Some(is_on);
    }
}

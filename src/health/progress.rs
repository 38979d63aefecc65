//! Whether the daemon makes progress.

use std::time::Duration;

/// Records when the daemon last finished something, or had nothing to do.
#[derive(Debug, Clone, Copy, Default)]
pub struct Progress {
    finished: u64,
    at: Duration,
}

impl Progress {
    /// Records at `now` how much was `finished` so far, and whether there is nothing to do (`idle`: privacy,
    /// no camera).
    pub fn note(&mut self, now: Duration, finished: u64, idle: bool) {
        if idle || finished != self.finished {
            *self = Self { finished, at: now };
        }
    }

    /// How long there has been work without any being finished.
    #[must_use]
    pub fn stuck_for(&self, now: Duration) -> Duration {
        now.saturating_sub(self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_work_that_is_not_finished_counts_as_stuck() {
        let second = Duration::from_secs(1);
        let mut progress = Progress::default();
        progress.note(10 * second, 1, false);
        progress.note(25 * second, 1, false);
        assert_eq!(progress.stuck_for(25 * second), 15 * second);
        progress.note(26 * second, 1, true);
        assert_eq!(progress.stuck_for(26 * second), Duration::ZERO);
        progress.note(30 * second, 2, false);
        assert_eq!(progress.stuck_for(31 * second), second);
    }
}

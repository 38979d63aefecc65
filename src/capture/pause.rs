//! Detects that this process did not run for a while.
//!
//! While the process is stopped or the machine is suspended, frames wait in pipes and in drivers' buffers. Whoever
//! reads them afterwards must not take them for new.

use std::{sync::Arc, time::Duration};

use crate::clock::Clock;

/// Longest wait for a frame in one piece. A wait that took much longer was paused.
pub(super) const LONGEST_WAIT: Duration = Duration::from_millis(250);

/// Time without a sign of life that counts as a pause; a busy board delays a thread for less.
const PAUSE: Duration = Duration::from_millis(750);

/// Compares the clock's time from call to call.
pub(super) struct PauseDetector {
    clock: Arc<dyn Clock>,
    last: Duration,
}

impl PauseDetector {
    /// The process is running now.
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        let last = clock.now();
        Self { clock, last }
    }

    /// When a pause began that has ended since the last call, if there was one. To be called after each wait.
    pub(super) fn check(&mut self) -> Option<Duration> {
        let now = self.clock.now();
        let last = std::mem::replace(&mut self.last, now);
        (now.saturating_sub(last) >= PAUSE).then_some(last)
    }
}

//! Detects that this process was not running for a while.
//!
//! While the process is stopped or the machine is suspended, frames wait in pipes and in driver buffers. They
//! must not be taken for new when they are read afterwards.

use std::{sync::Arc, time::Duration};

use crate::clock::Clock;

/// Longest single wait for a frame. A wait that took much longer contained a pause.
pub(super) const LONGEST_WAIT: Duration = Duration::from_millis(250);

/// Time between two checks that counts as a pause; a busy board delays a thread by less.
const PAUSE: Duration = Duration::from_millis(750);

/// Compares the clock's time between calls.
pub(super) struct PauseDetector {
    clock: Arc<dyn Clock>,
    last: Duration,
}

impl PauseDetector {
    /// A detector for a process that is running now.
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        let last = clock.now();
        Self { clock, last }
    }

    /// The start of a pause that has ended since the last call, if there was one. Must be called after each
    /// wait.
    pub(super) fn check(&mut self) -> Option<Duration> {
        let now = self.clock.now();
        let last = std::mem::replace(&mut self.last, now);
        (now.saturating_sub(last) >= PAUSE).then_some(last)
    }
}

//! What the publisher's handles and its thread share.

use std::sync::Arc;

use super::{dispatch::Now, outbox::Outbox};
use crate::clock::Clock;

/// The newest values, and the time.
pub struct Shared {
    /// Filled by the handles, emptied by the thread.
    pub outbox: Outbox,
    /// Where the thread reads the time from.
    pub clock: Arc<dyn Clock>,
}

impl Shared {
    /// The time now, on both clocks.
    pub fn now(&self) -> Now {
        Now {
            monotonic: self.clock.now(),
            wall: self.clock.wall(),
        }
    }
}

//! The state that the publisher's handles and its thread share.

use std::{sync::Arc, time::Duration};

use jiff::{Timestamp, civil::Date};

use super::outbox::Outbox;
use crate::{clock::Clock, health::BrokerLink};

/// The time on both clocks, and the date.
#[derive(Debug, Clone, Copy)]
pub struct Now {
    /// Of [`crate::clock::Clock::now`].
    pub monotonic: Duration,
    /// Of [`crate::clock::Clock::wall`].
    pub wall: Timestamp,
    /// Of [`crate::clock::Clock::local_date`].
    pub date: Date,
}

/// The newest values, and the time.
pub struct Shared {
    /// Filled by the handles, emptied by the thread.
    pub outbox: Outbox,
    /// Where the thread reads the time from.
    pub clock: Arc<dyn Clock>,
    /// The connection's status for the rest of the daemon.
    pub link: Arc<BrokerLink>,
}

impl Shared {
    /// The time and the date now.
    pub fn now(&self) -> Now {
        Now {
            monotonic: self.clock.now(),
            wall: self.clock.wall(),
            date: self.clock.local_date(),
        }
    }
}

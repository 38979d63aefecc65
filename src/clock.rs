//! The clock, injected so that a test can replay a day in a second.

use std::time::{Duration, Instant};

use jiff::{Timestamp, civil::Date, tz::TimeZone};

/// The source of time of every part of the daemon.
pub trait Clock: Send + Sync {
    /// Monotonic time since an arbitrary, fixed start.
    fn now(&self) -> Duration;
    /// Wall-clock time, for payloads and logs only, because it may jump.
    fn wall(&self) -> Timestamp;
    /// The date here: a day begins at local midnight.
    fn local_date(&self) -> Date;
}

/// The system's clocks.
#[derive(Debug)]
pub struct SystemClock {
    start: Instant,
    time_zone: TimeZone,
}

impl SystemClock {
    /// A clock whose monotonic time starts now.
    #[must_use]
    pub fn new() -> Self {
        Self {
            start: Instant::now(),
            time_zone: TimeZone::system(),
        }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    fn wall(&self) -> Timestamp {
        Timestamp::now()
    }

    fn local_date(&self) -> Date {
        self.time_zone.to_datetime(self.wall()).date()
    }
}

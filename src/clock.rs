//! Time, handed in so that a test can replay a day in a second.

use std::time::{Duration, Instant};

use jiff::{Timestamp, civil::Date, tz::TimeZone};

/// Where every part of the daemon reads the time from.
pub trait Clock: Send + Sync {
    /// Monotonic time since an arbitrary fixed start; never goes back.
    fn now(&self) -> Duration;
    /// Wall-clock time, for payloads and logs only: it may jump.
    fn wall(&self) -> Timestamp;
    /// The date here: a day begins at local midnight.
    fn local_date(&self) -> Date;
}

/// The machine's own clocks.
#[derive(Debug)]
pub struct SystemClock {
    start: Instant,
    time_zone: TimeZone,
}

impl SystemClock {
    /// A clock whose monotonic zero is now.
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

//! The clock, injected so that a test can replay a day in a second.

use std::time::Duration;

use jiff::{Timestamp, civil::Date, tz::TimeZone};
use rustix::time::{ClockId, clock_gettime};

/// The source of time of every part of the daemon.
pub trait Clock: Send + Sync {
    /// Monotonic time since an arbitrary, fixed start. Includes time during which the machine was suspended.
    fn now(&self) -> Duration;
    /// Wall-clock time, for payloads and logs only, because it may jump.
    fn wall(&self) -> Timestamp;
    /// The local date: a day begins at local midnight.
    fn local_date(&self) -> Date;
}

/// The system's clocks.
#[derive(Debug)]
pub struct SystemClock {
    /// The start on the kernel's clock.
    start: Duration,
    time_zone: TimeZone,
}

impl SystemClock {
    /// A clock whose monotonic time starts now.
    #[must_use]
    pub fn new() -> Self {
        Self {
            start: since_boot(),
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
        since_boot().saturating_sub(self.start)
    }

    fn wall(&self) -> Timestamp {
        Timestamp::now()
    }

    fn local_date(&self) -> Date {
        self.time_zone.to_datetime(self.wall()).date()
    }
}

/// Time since the machine booted. `Instant` stops while the machine is suspended, so results from before
/// would count as recent afterwards.
fn since_boot() -> Duration {
    let now = clock_gettime(ClockId::Boottime);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(now.tv_nsec).unwrap_or(0))
}

//! A clock that a test can advance.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use affectd::clock::{Clock, SystemClock};

/// The system clock plus an offset that a test can advance.
#[derive(Default)]
pub struct Skewed {
    system: SystemClock,
    seconds: AtomicU64,
}

impl Skewed {
    /// Advances it.
    pub fn forward(&self, seconds: u64) {
        self.seconds.fetch_add(seconds, Ordering::SeqCst);
    }
}

impl Clock for Skewed {
    fn now(&self) -> Duration {
        self.system.now() + Duration::from_secs(self.seconds.load(Ordering::SeqCst))
    }

    fn wall(&self) -> jiff::Timestamp {
        self.system.wall() + Duration::from_secs(self.seconds.load(Ordering::SeqCst))
    }

    fn local_date(&self) -> jiff::civil::Date {
        self.system.local_date()
    }
}

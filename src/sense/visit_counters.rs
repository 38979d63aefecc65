//! Counters of the visits that have ended.

use std::time::Duration;

use jiff::civil::Date;

use super::visit::Visit;

/// Visits that have ended.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct VisitCounters {
    /// Number of visits.
    pub visits: u64,
    /// Visits in which the face looked towards the camera.
    pub attended: u64,
    /// Visits in which the face smiled for at least `visit.smile_s`.
    pub smiled: u64,
    /// Total length of all visits, in seconds.
    pub seconds: f64,
    /// Length of the longest visit, in seconds.
    pub longest_s: f32,
}

impl VisitCounters {
    /// Mean length in seconds; `None` without visits.
    #[must_use]
    pub fn mean_s(&self) -> Option<f32> {
        (self.visits > 0).then(|| (self.seconds / self.visits as f64) as f32)
    }

    /// Length of the longest visit in seconds; `None` without visits.
    #[must_use]
    pub fn longest_s(&self) -> Option<f32> {
        (self.visits > 0).then_some(self.longest_s)
    }

    /// Counts a visit. It is one with a smile if the face smiled for `smile`.
    pub(super) fn add(&mut self, visit: &Visit, smile: Duration) {
        self.visits += 1;
        self.attended += u64::from(visit.attended_s > 0.0);
        self.smiled += u64::from(visit.smiled_s > 0.0 && visit.smiled_s >= smile.as_secs_f32());
        self.seconds += f64::from(visit.seconds);
        self.longest_s = self.longest_s.max(visit.seconds);
    }
}

/// The counters at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct VisitTotals {
    /// Since the daemon's start.
    pub since_start: VisitCounters,
    /// Since local midnight of `day`.
    pub today: VisitCounters,
    /// The local date that `today` covers; `None` before the first frame.
    pub day: Option<Date>,
}

impl VisitTotals {
    /// The counters of the local date `day`; those of an earlier day do not count.
    #[must_use]
    pub fn of_day(&self, day: Date) -> VisitCounters {
        if self.day == Some(day) {
            self.today
        } else {
            VisitCounters::default()
        }
    }
}

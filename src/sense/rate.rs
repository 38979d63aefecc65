//! Limits how often a piece of work is done, to a mean rate that does not depend on when frames arrive.

use std::time::Duration;

/// Limits one piece of work to a mean rate.
#[derive(Debug, Clone, Copy)]
pub struct RateLimiter {
    interval: Duration,
    due: Duration,
}

impl RateLimiter {
    /// Due at once, then once every `interval` on average.
    #[must_use]
    pub fn new(interval: Duration) -> Self {
        Self {
            interval,
            due: Duration::ZERO,
        }
    }

    /// Sets the mean interval.
    pub fn set_interval(&mut self, interval: Duration) {
        self.interval = interval;
    }

    /// Whether the work is due at `now`.
    #[must_use]
    pub fn is_due(&self, now: Duration) -> bool {
        now >= self.due
    }

    /// Records that the work was done at `now`. Work missed during a gap is not made up for.
    pub fn record(&mut self, now: Duration) {
        let next = self.due + self.interval;
        self.due = if next > now { next } else { now + self.interval };
    }

    /// As [`RateLimiter::record`], or [`RateLimiter::restart`] if the work was done before it was due.
    pub fn advance(&mut self, now: Duration) {
        if self.is_due(now) {
            self.record(now);
        } else {
            self.restart(now);
        }
    }

    /// Makes the work due one interval after `now`.
    pub fn restart(&mut self, now: Duration) {
        self.due = now + self.interval;
    }

    /// When the work is due next, if that is after `now`.
    #[must_use]
    pub fn next_due(&self, now: Duration) -> Option<Duration> {
        (self.due > now).then_some(self.due)
    }

    /// Brings the next time forward to `due`, if that is earlier. Limiters with equal intervals stay aligned
    /// from then on.
    pub fn align_to(&mut self, due: Duration) {
        self.due = self.due.min(due);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aligned_limiters_stay_aligned() {
        let interval = Duration::from_millis(100);
        let (mut first, mut second) = (RateLimiter::new(interval), RateLimiter::new(interval));
        first.record(Duration::from_millis(1000));
        second.record(Duration::from_millis(1060));
        assert_eq!(
            first.next_due(Duration::from_millis(1060)),
            Some(Duration::from_millis(1100))
        );
        second.align_to(Duration::from_millis(1100));
        for frame in 17..200 {
            let now = Duration::from_millis(frame * 66);
            assert_eq!(first.is_due(now), second.is_due(now), "{now:?}");
            if first.is_due(now) {
                first.record(now);
                second.record(now);
            }
        }
    }

    /// How often the work is done within `seconds` of a camera that delivers `rate` frames a second.
    fn count(limiter: &mut RateLimiter, rate: u32, from: u32, seconds: u32) -> usize {
        let frames =
            (from * rate..(from + seconds) * rate).map(|frame| Duration::from_secs(1) * frame / rate);
        frames
            .filter(|now| {
                let due = limiter.is_due(*now);
                if due {
                    limiter.record(*now);
                }
                due
            })
            .count()
    }

    #[test]
    fn the_mean_rate_does_not_depend_on_the_camera_s() {
        for rate in [11, 15, 30, 60] {
            let mut limiter = RateLimiter::new(Duration::from_secs_f32(1.0 / 10.5));
            let done = count(&mut limiter, rate, 0, 20);
            assert!((208..=211).contains(&done), "at {rate}: {done}");
        }
    }

    #[test]
    fn the_interval_may_change_and_a_gap_is_not_made_up_for() {
        let mut limiter = RateLimiter::new(Duration::from_millis(100));
        assert_eq!(count(&mut limiter, 30, 0, 10), 100);
        limiter.set_interval(Duration::from_millis(400));
        assert_eq!(count(&mut limiter, 30, 10, 20), 50);
        assert_eq!(count(&mut limiter, 30, 500, 4), 10);
    }
}

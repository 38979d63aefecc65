//! How often to do a piece of work: at a mean rate, however frames fall, and at a part of it when the board is strained.

use std::time::Duration;

/// The rhythm of one piece of work.
#[derive(Debug, Clone, Copy)]
pub struct Rhythm {
    pause: Duration,
    due: Duration,
}

impl Rhythm {
    /// Due at once, and then every `pause` on the mean.
    #[must_use]
    pub fn new(pause: Duration) -> Self {
        Self {
            pause,
            due: Duration::ZERO,
        }
    }

    /// Sets the mean pause.
    pub fn set_pause(&mut self, pause: Duration) {
        self.pause = pause;
    }

    /// Whether the work is due at `now`.
    #[must_use]
    pub fn is_due(&self, now: Duration) -> bool {
        now >= self.due
    }

    /// The work was done at `now`. After a gap the rate is not made up for.
    pub fn done(&mut self, now: Duration) {
        let next = self.due + self.pause;
        self.due = if next > now { next } else { now + self.pause };
    }

    /// When the work is due next, if it is not due at `now`.
    #[must_use]
    pub fn next(&self, now: Duration) -> Option<Duration> {
        (self.due > now).then_some(self.due)
    }

    /// Brings the next time forward to this one, if that is earlier: once, so that works of one pause then meet.
    pub fn meet(&mut self, due: Duration) {
        self.due = self.due.min(due);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn works_that_meet_stay_together() {
        let pause = Duration::from_millis(100);
        let (mut first, mut second) = (Rhythm::new(pause), Rhythm::new(pause));
        first.done(Duration::from_millis(1000));
        second.done(Duration::from_millis(1060));
        assert_eq!(
            first.next(Duration::from_millis(1060)),
            Some(Duration::from_millis(1100))
        );
        second.meet(Duration::from_millis(1100));
        for frame in 17..200 {
            let now = Duration::from_millis(frame * 66);
            assert_eq!(first.is_due(now), second.is_due(now), "{now:?}");
            if first.is_due(now) {
                first.done(now);
                second.done(now);
            }
        }
    }

    /// How often the work is done in `seconds` of a camera of `rate` frames a second.
    fn count(rhythm: &mut Rhythm, rate: u32, from: u32, seconds: u32) -> usize {
        let frames =
            (from * rate..(from + seconds) * rate).map(|frame| Duration::from_secs(1) * frame / rate);
        frames
            .filter(|now| {
                let due = rhythm.is_due(*now);
                if due {
                    rhythm.done(*now);
                }
                due
            })
            .count()
    }

    #[test]
    fn the_mean_rate_is_kept_whatever_the_camera_s_is() {
        for rate in [11, 15, 30, 60] {
            let mut rhythm = Rhythm::new(Duration::from_secs_f32(1.0 / 10.5));
            let done = count(&mut rhythm, rate, 0, 20);
            assert!((208..=211).contains(&done), "at {rate}: {done}");
        }
    }

    #[test]
    fn a_pause_may_change_and_a_gap_is_not_made_up_for() {
        let mut rhythm = Rhythm::new(Duration::from_millis(100));
        assert_eq!(count(&mut rhythm, 30, 0, 10), 100);
        rhythm.set_pause(Duration::from_millis(400));
        assert_eq!(count(&mut rhythm, 30, 10, 20), 50);
        assert_eq!(count(&mut rhythm, 30, 500, 4), 10);
    }
}

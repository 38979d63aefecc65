//! The time between usable frames, from which a slow camera is recognized.

use std::time::Duration;

/// The last two gaps between usable frames.
#[derive(Debug, Default)]
pub(super) struct FrameGaps {
    /// When the last usable frame was finished.
    finished: Option<Duration>,
    /// From the end of one usable frame to the decoding of the next, the older one first.
    gaps: [Duration; 2],
}

impl FrameGaps {
    /// A usable frame was decoded at `now`.
    pub fn decoded(&mut self, now: Duration) {
        if let Some(finished) = self.finished {
            self.gaps = [self.gaps[1], now.saturating_sub(finished)];
        }
    }

    /// All work on a usable frame ended at `now`.
    pub fn finished(&mut self, now: Duration) {
        self.finished = Some(now);
    }

    /// How long there has been no usable frame at `now`; `None` if there never was one.
    pub fn since(&self, now: Duration) -> Option<Duration> {
        Some(now.saturating_sub(self.finished?))
    }

    /// The usual gap: the shorter of the last two, because an outage makes a single one long.
    pub fn usual(&self) -> Duration {
        self.gaps[0].min(self.gaps[1])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_long_gaps_show_a_slow_camera_and_one_does_not() {
        let mut gaps = FrameGaps::default();
        let second = Duration::from_secs;
        assert_eq!(gaps.since(second(1)), None);
        for (now, usual) in [(10, 0), (13, 0), (16, 3), (17, 1), (600, 1), (603, 3)] {
            gaps.decoded(second(now));
            gaps.finished(second(now));
            assert_eq!(gaps.usual(), second(usual), "at {now} s");
        }
        assert_eq!(gaps.since(second(605)), Some(second(2)));
    }
}

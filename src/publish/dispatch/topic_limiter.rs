//! Decides when a retained message about what is seen is due.

use std::time::Duration;

/// Changes that are published without delay after a pause, so a short visit is reported as it happens.
pub const BURST: u32 = 3;

/// A change in occupancy (somebody has come, everybody has left, or the room counts as empty) is published
/// once this time has passed since the last message, whatever the rate: a subscriber must not believe that a
/// room is empty, or occupied, until the rate permits a message.
const OCCUPANCY_INTERVAL: Duration = Duration::from_secs(1);

/// Limits the rate of one topic: in the long run at most one change per interval, at most [`BURST`] changes
/// in succession, and at least one message per refresh interval.
///
/// The rate limiter is the generic cell rate algorithm (ITU-T I.371) with a tolerance of `BURST - 1`
/// intervals.
#[derive(Debug)]
pub struct TopicLimiter {
    interval: Duration,
    refresh: Duration,
    /// Whether a message is due even if nothing has changed.
    forced: bool,
    last: Option<LastMessage>,
    /// The theoretical arrival time: when the published changes would be used up at exactly one per interval.
    spent_until: Duration,
}

/// What makes a message urgent when it changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Presence {
    /// Whether the camera looks.
    pub is_sensing: bool,
    /// Whether anybody is in view.
    pub is_in_view: bool,
    /// Whether the topic says that the room is occupied although nobody is in view.
    pub is_bridged: bool,
}

#[derive(Debug, Clone, Copy)]
struct LastMessage {
    at: Duration,
    presence: Presence,
}

impl TopicLimiter {
    /// A message is due at once.
    pub fn new(interval: Duration, refresh: Duration) -> Self {
        Self {
            interval,
            refresh,
            forced: true,
            last: None,
            spent_until: Duration::ZERO,
        }
    }

    /// One message per `interval` from now on.
    pub fn set_interval(&mut self, interval: Duration) {
        self.interval = interval;
        self.spent_until = Duration::ZERO;
    }

    /// Makes a message due at once.
    pub fn force(&mut self) {
        self.forced = true;
    }

    /// When the next message is due: at once if it is forced or if sensing has just ended; within a second if
    /// somebody has come, everybody has left, or the room counts as empty; at the rate limit if anything else
    /// has changed; otherwise at the refresh.
    pub fn due(&self, has_changed: bool, presence: Presence) -> Duration {
        match self.last {
            Some(last) if !self.forced => {
                let refresh = last.at.saturating_add(self.refresh);
                if last.presence.is_sensing && !presence.is_sensing {
                    return Duration::ZERO;
                }
                let mut due = refresh;
                if presence != last.presence {
                    due = due.min(last.at.saturating_add(OCCUPANCY_INTERVAL));
                }
                if has_changed {
                    let tolerance = self.interval.saturating_mul(BURST - 1);
                    due = due.min(self.spent_until.saturating_sub(tolerance));
                }
                due
            }
            _ => Duration::ZERO,
        }
    }

    /// A message was sent at `now`. Only a message with new content counts towards the rate limit, so a
    /// refresh delays no change.
    pub fn record(&mut self, now: Duration, has_changed: bool, presence: Presence) {
        self.forced = false;
        self.last = Some(LastMessage { at: now, presence });
        if has_changed {
            self.spent_until = self.spent_until.max(now).saturating_add(self.interval);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOMEBODY: Presence = Presence {
        is_sensing: true,
        is_in_view: true,
        is_bridged: false,
    };

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// When messages are sent if there is a change in each of these seconds and every due message is sent.
    fn sent(limiter: &mut TopicLimiter, changes: std::ops::Range<u64>) -> Vec<u64> {
        let mut sent = Vec::new();
        for second in changes {
            if limiter.due(true, SOMEBODY) <= seconds(second) {
                limiter.record(seconds(second), true, SOMEBODY);
                sent.push(second);
            }
        }
        sent
    }

    #[test]
    fn changes_in_succession_are_limited_in_the_long_run() {
        let mut limiter = TopicLimiter::new(seconds(10), seconds(30));
        assert_eq!(sent(&mut limiter, 100..150), [100, 101, 102, 110, 120, 130, 140]);
        // A pause of twenty seconds earns two messages.
        assert_eq!(sent(&mut limiter, 160..172), [160, 161, 170]);
        // A longer one earns no more than a burst.
        assert_eq!(sent(&mut limiter, 1000..1012), [1000, 1001, 1002, 1010]);
    }

    #[test]
    fn a_refresh_delays_no_change() {
        let mut limiter = TopicLimiter::new(seconds(10), seconds(30));
        assert_eq!(sent(&mut limiter, 100..101), [100]);
        assert_eq!(limiter.due(false, SOMEBODY), seconds(130));
        limiter.record(seconds(130), false, SOMEBODY);
        assert_eq!(sent(&mut limiter, 131..135), [131, 132, 133]);
    }

    #[test]
    fn occupancy_and_the_end_of_sensing_are_not_delayed() {
        let mut limiter = TopicLimiter::new(seconds(10), seconds(30));
        assert_eq!(sent(&mut limiter, 100..110).len(), 3);
        let nobody = Presence {
            is_in_view: false,
            ..SOMEBODY
        };
        assert_eq!(limiter.due(true, nobody), seconds(103));
        limiter.record(seconds(110), true, nobody);
        assert_eq!(limiter.due(true, SOMEBODY), seconds(111));
        limiter.record(seconds(111), true, SOMEBODY);
        // They count like any other change.
        assert_eq!(sent(&mut limiter, 112..145), [130, 140]);
        let blind = Presence {
            is_sensing: false,
            is_in_view: false,
            is_bridged: false,
        };
        assert_eq!(limiter.due(false, blind), Duration::ZERO);
    }

    #[test]
    fn an_interval_longer_than_the_refresh_does_not_delay_the_refresh() {
        let mut limiter = TopicLimiter::new(seconds(60), seconds(30));
        assert_eq!(sent(&mut limiter, 0..3).len(), 3);
        assert_eq!(limiter.due(true, SOMEBODY), seconds(32));
    }

    #[test]
    fn a_new_rate_applies_at_once() {
        let mut limiter = TopicLimiter::new(seconds(10), seconds(30));
        sent(&mut limiter, 100..110);
        limiter.set_interval(seconds(1));
        assert_eq!(sent(&mut limiter, 110..113), [110, 111, 112]);
    }
}

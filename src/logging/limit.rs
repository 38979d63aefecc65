//! Limits the log of the running daemon to a few lines per minute for each kind of message.
//!
//! A kind is a location in the source code, never a text, because texts contain times, process IDs and byte
//! counts. The first messages of a kind are logged at once. From then on, and for as long as messages of this
//! kind keep coming, only the last one of each minute is logged, with the number of messages that it
//! represents.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use tracing::callsite::Identifier;

/// Length of a counting period.
const PERIOD: Duration = Duration::from_secs(60);

/// Messages of a kind that are logged at once, in a period that does not follow a flood.
const BURST: u32 = 3;

/// Counts messages by kind. Memory is bounded by the number of log statements in the program.
#[derive(Debug)]
pub(super) struct RateLimit<T> {
    kinds: HashMap<Identifier, Kind<T>>,
}

#[derive(Debug)]
struct Kind<T> {
    period_start: Instant,
    /// Messages logged at once in this period.
    passed: u32,
    /// The newest message that was held back in this period.
    held: Option<Held<T>>,
}

/// A message that represents all messages held back in a period.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Held<T> {
    pub(super) newest: T,
    pub(super) count: u64,
}

impl<T> RateLimit<T> {
    pub(super) fn new() -> Self {
        Self {
            kinds: HashMap::new(),
        }
    }

    /// Returns the message if it is to be logged now.
    pub(super) fn admit(&mut self, kind: Identifier, message: T, now: Instant) -> Option<T> {
        let kind = self.kinds.entry(kind).or_insert(Kind {
            period_start: now,
            passed: 0,
            held: None,
        });
        if kind.held.is_none() && now.saturating_duration_since(kind.period_start) >= PERIOD {
            kind.period_start = now;
            kind.passed = 0;
        }
        if kind.passed < BURST {
            kind.passed += 1;
            return Some(message);
        }
        let count = kind.held.take().map_or(0, |held| held.count) + 1;
        kind.held = Some(Held {
            newest: message,
            count,
        });
        None
    }

    /// The held messages whose period is over. Their kinds stay limited for the next period.
    pub(super) fn due(&mut self, now: Instant) -> impl Iterator<Item = Held<T>> {
        self.kinds.values_mut().filter_map(move |kind| {
            if now.saturating_duration_since(kind.period_start) < PERIOD {
                return None;
            }
            let held = kind.held.take()?;
            kind.period_start = now;
            Some(held)
        })
    }

    /// All held messages, for the end of the process.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = Held<T>> {
        self.kinds.values_mut().filter_map(|kind| kind.held.take())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::fmt::Debug;

    use tracing::{Callsite, Metadata, subscriber::Interest};

    use super::*;

    struct Place(u8);

    impl Callsite for Place {
        fn set_interest(&self, _: Interest) {}

        fn metadata(&self) -> &Metadata<'_> {
            unreachable!("only its identity is used")
        }
    }

    static CAMERA: Place = Place(1);
    static BROKER: Place = Place(2);

    fn place(place: &'static Place) -> Identifier {
        assert!(place.0 > 0, "not of size zero, so that each has its own address");
        Identifier(place)
    }

    fn all<T: Debug>(held: impl Iterator<Item = Held<T>>) -> Vec<(T, u64)> {
        held.map(|held| (held.newest, held.count)).collect()
    }

    #[test]
    fn a_flood_costs_a_burst_and_then_one_line_a_period() {
        let mut limit = RateLimit::new();
        let start = Instant::now();
        let second = |n: u64| start + Duration::from_secs(n);
        let mut lines = Vec::new();
        for n in 0..600 {
            lines.extend(limit.admit(place(&CAMERA), n, second(n)).map(|n| (n, 1)));
            lines.extend(all(limit.due(second(n))));
        }
        assert_eq!(lines[..3], [(0, 1), (1, 1), (2, 1)]);
        // From second 3 on: seconds 3 to 60, then 61 to 120, ...
        assert_eq!(lines[3..6], [(60, 58), (120, 60), (180, 60)]);
        assert_eq!(lines.len(), 3 + 9);
        assert_eq!(all(limit.drain()), [(599, 59)]);
    }

    #[test]
    fn kinds_are_counted_separately() {
        let mut limit = RateLimit::new();
        let now = Instant::now();
        for n in 0..10 {
            limit.admit(place(&CAMERA), n, now);
        }
        assert_eq!(limit.admit(place(&BROKER), 0, now), Some(0));
    }

    #[test]
    fn after_a_quiet_period_messages_are_logged_at_once_again() {
        let mut limit = RateLimit::new();
        let start = Instant::now();
        for n in 0..4 {
            limit.admit(place(&CAMERA), n, start);
        }
        assert_eq!(all(limit.due(start + PERIOD)), [(3, 1)]);
        let quiet = start + PERIOD * 2;
        assert_eq!(limit.admit(place(&CAMERA), 4, quiet), Some(4));
        assert_eq!(all(limit.due(quiet + PERIOD)), []);
    }
}

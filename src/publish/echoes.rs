//! Finds topics that this device may not publish to, and messages that are too large, with MQTT 3.1.1.
//!
//! MQTT 5 answers a rejected message with a reason. MQTT 3.1.1 acknowledges it like any other (section
//! 3.3.5.2). So on the first connection the daemon subscribes to its own results for a while. A broker that
//! returns some of them but not others rejects the others; if it returns the small ones of a topic but not
//! the largest, they are too large. If none returns, nothing is known, because reading may be forbidden.

use std::time::Duration;

use super::topics::Topics;

/// A message that was acknowledged this soon after the start must have returned by the end.
const COUNTED: Duration = Duration::from_secs(10);

/// How long the daemon listens.
const LISTENS: Duration = Duration::from_secs(20);

/// What was acknowledged, and what returned.
#[derive(Debug)]
pub struct Echoes {
    topics: [Echo; 6],
    begun: Duration,
}

#[derive(Debug)]
struct Echo {
    topic: String,
    /// The largest payload that was acknowledged, in bytes.
    acknowledged: Option<usize>,
    /// The largest payload that has returned, in bytes.
    returned: Option<usize>,
}

impl Echoes {
    /// Listens from `now` on.
    pub fn new(topics: &Topics, now: Duration) -> Self {
        let topics = Self::topics(topics).map(|topic| Echo {
            topic: topic.to_owned(),
            acknowledged: None,
            returned: None,
        });
        Self { topics, begun: now }
    }

    /// The topics to subscribe to. None of them is a command topic, because commands would then arrive twice.
    pub fn topics(topics: &Topics) -> [&str; 6] {
        [
            &topics.availability,
            &topics.state,
            &topics.scene,
            &topics.visits,
            &topics.camera,
            &topics.privacy,
        ]
    }

    /// The broker has acknowledged a message of this many bytes on `topic` at `now`.
    pub fn acknowledged(&mut self, topic: &str, bytes: usize, now: Duration) {
        if now < self.begun + COUNTED
            && let Some(echo) = self.topics.iter_mut().find(|echo| echo.topic == topic)
        {
            echo.acknowledged = echo.acknowledged.max(Some(bytes));
        }
    }

    /// A message of this many bytes that was not retained has arrived on `topic`. Returns whether it is one
    /// of the device's own.
    pub fn returned(&mut self, topic: &[u8], bytes: usize) -> bool {
        let echo = self.topics.iter_mut().find(|echo| echo.topic.as_bytes() == topic);
        echo.map(|echo| echo.returned = echo.returned.max(Some(bytes)))
            .is_some()
    }

    /// How much longer to listen at `now`; `None` if that is over.
    pub fn remaining(&self, now: Duration) -> Option<Duration> {
        (self.begun + LISTENS)
            .checked_sub(now)
            .filter(|wait| !wait.is_zero())
    }

    /// The topics on which the broker does not accept all messages, separated by commas, and the bytes of the
    /// largest of these; `None` if there are none.
    pub fn missing(&self) -> Option<(String, usize)> {
        if self.topics.iter().all(|echo| echo.returned.is_none()) {
            return None;
        }
        let missing = self
            .topics
            .iter()
            .filter(|echo| echo.returned < echo.acknowledged);
        let missing: Vec<&Echo> = missing.collect();
        let largest = missing.iter().filter_map(|echo| echo.acknowledged).max()?;
        let topics: Vec<&str> = missing.iter().map(|echo| &*echo.topic).collect();
        Some((topics.join(", "), largest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::publish::samples;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn an_acknowledged_message_that_is_not_echoed_is_missing() {
        let topics = samples::topics();
        let mut echoes = Echoes::new(&topics, s(100));
        echoes.acknowledged(&topics.availability, 6, s(101));
        echoes.acknowledged(&topics.state, 700, s(101));
        assert_eq!(echoes.missing(), None, "nothing returns: it may not read");
        assert!(echoes.returned(topics.availability.as_bytes(), 6));
        assert!(!echoes.returned(topics.home_assistant.as_bytes(), 6));
        echoes.acknowledged(&topics.scene, 900, s(110));
        let missing = echoes.missing();
        assert_eq!(
            missing,
            Some((topics.state, 700)),
            "the scene came too late to count"
        );
        assert_eq!(echoes.remaining(s(119)), Some(s(1)));
        assert_eq!(echoes.remaining(s(120)), None);
    }

    #[test]
    fn the_largest_message_of_a_topic_must_return() {
        let topics = samples::topics();
        let mut echoes = Echoes::new(&topics, s(0));
        for bytes in [300, 500, 350] {
            echoes.acknowledged(&topics.state, bytes, s(1));
        }
        echoes.returned(topics.state.as_bytes(), 300);
        echoes.returned(topics.state.as_bytes(), 350);
        assert_eq!(echoes.missing(), Some((topics.state.clone(), 500)));
        echoes.returned(topics.state.as_bytes(), 500);
        assert_eq!(echoes.missing(), None);
    }
}

//! Finds topics that this device may not publish to, with MQTT 3.1.1.
//!
//! MQTT 5 answers a forbidden message with a reason. MQTT 3.1.1 acknowledges it like any other (section
//! 3.3.5.2). So on the first connection the daemon subscribes to its own results for a while. A broker that
//! returns some of them but not others rejects the others. If none returns, nothing is known, because reading
//! may be forbidden.

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
    acknowledged: bool,
    returned: bool,
}

impl Echoes {
    /// Listens from `now` on.
    pub fn new(topics: &Topics, now: Duration) -> Self {
        let topics = Self::topics(topics).map(|topic| Echo {
            topic: topic.to_owned(),
            acknowledged: false,
            returned: false,
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

    /// The broker has acknowledged a message on `topic` at `now`.
    pub fn acknowledged(&mut self, topic: &str, now: Duration) {
        if now < self.begun + COUNTED
            && let Some(echo) = self.topics.iter_mut().find(|echo| echo.topic == topic)
        {
            echo.acknowledged = true;
        }
    }

    /// A message that was not retained has arrived on `topic`. Returns whether it is one of the device's own.
    pub fn returned(&mut self, topic: &[u8]) -> bool {
        let echo = self.topics.iter_mut().find(|echo| echo.topic.as_bytes() == topic);
        echo.map(|echo| echo.returned = true).is_some()
    }

    /// How much longer to listen at `now`; `None` if that is over.
    pub fn remaining(&self, now: Duration) -> Option<Duration> {
        (self.begun + LISTENS)
            .checked_sub(now)
            .filter(|wait| !wait.is_zero())
    }

    /// The topics on which the broker does not accept messages, separated by commas; empty if there are none.
    pub fn missing(&self) -> String {
        if !self.topics.iter().any(|echo| echo.returned) {
            return String::new();
        }
        let missing = self
            .topics
            .iter()
            .filter(|echo| echo.acknowledged && !echo.returned);
        let missing: Vec<&str> = missing.map(|echo| &*echo.topic).collect();
        missing.join(", ")
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
        echoes.acknowledged(&topics.availability, s(101));
        echoes.acknowledged(&topics.state, s(101));
        assert_eq!(echoes.missing(), "", "nothing returns: it may not read");
        assert!(echoes.returned(topics.availability.as_bytes()));
        assert!(!echoes.returned(topics.home_assistant.as_bytes()));
        echoes.acknowledged(&topics.scene, s(110));
        assert_eq!(echoes.missing(), topics.state, "the scene came too late to count");
        assert_eq!(echoes.remaining(s(119)), Some(s(1)));
        assert_eq!(echoes.remaining(s(120)), None);
    }
}

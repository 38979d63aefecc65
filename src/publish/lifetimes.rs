//! How long a broker keeps messages (MQTT 5, message expiry).

use std::time::Duration;

use super::topics::Topics;

/// The messages that expire: what is seen, unless it is published again. A device that the broker has lost
/// without noticing leaves no stale result behind.
#[derive(Debug)]
pub struct Lifetimes {
    topics: [String; 3],
    seconds: u32,
}

impl Lifetimes {
    /// State, scene and visits expire when they have missed three times their refresh.
    pub fn new(topics: &Topics, refresh: Duration) -> Self {
        Self {
            topics: [&topics.state, &topics.scene, &topics.visits].map(String::clone),
            seconds: (3.0 * refresh.as_secs_f64()).ceil() as u32,
        }
    }

    /// After how many seconds a message of `topic` expires; `None`: never.
    pub fn of(&self, topic: &str) -> Option<u32> {
        self.topics
            .iter()
            .any(|expiring| expiring == topic)
            .then_some(self.seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::publish::samples;

    #[test]
    fn what_is_seen_expires_and_what_holds_does_not() {
        let topics = samples::topics();
        let lifetimes = Lifetimes::new(&topics, Duration::from_millis(1500));
        assert_eq!(lifetimes.of(&topics.state), Some(5));
        assert_eq!(lifetimes.of(&topics.scene), Some(5));
        assert_eq!(lifetimes.of(&topics.privacy), None);
        assert_eq!(lifetimes.of(&topics.discovery), None);
    }
}

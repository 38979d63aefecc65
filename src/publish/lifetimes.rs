//! How long a broker keeps messages (MQTT 5, message expiry).

use std::time::Duration;

use super::topics::Topics;

/// An unchanged message about visits is published again after this long, or after `mqtt.refresh_s` if that is
/// longer. Home Assistant's statistics have periods of the same length.
pub const VISITS_REFRESH: Duration = Duration::from_secs(300);

/// The messages about what is seen, which expire unless they are published again. If a device is lost and the
/// broker does not notice, no stale result is left behind.
#[derive(Debug)]
pub struct Lifetimes {
    /// The topics, and after how many seconds their messages expire.
    topics: [(String, u32); 3],
}

impl Lifetimes {
    /// State, scene and visits expire after three times their refresh interval.
    pub fn new(topics: &Topics, refresh: Duration) -> Self {
        let refreshes = [
            (&topics.state, refresh),
            (&topics.scene, refresh),
            (&topics.visits, refresh.max(VISITS_REFRESH)),
        ];
        Self {
            topics: refreshes
                .map(|(topic, refresh)| (topic.clone(), (3.0 * refresh.as_secs_f64()).ceil() as u32)),
        }
    }

    /// After how many seconds a message of `topic` expires; `None`: never.
    pub fn of(&self, topic: &str) -> Option<u32> {
        let expiring = self.topics.iter().find(|(expiring, _)| expiring == topic);
        expiring.map(|(_, seconds)| *seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::publish::samples;

    #[test]
    fn only_sensing_results_expire() {
        let topics = samples::topics();
        let lifetimes = Lifetimes::new(&topics, Duration::from_millis(1500));
        assert_eq!(lifetimes.of(&topics.state), Some(5));
        assert_eq!(lifetimes.of(&topics.scene), Some(5));
        assert_eq!(lifetimes.of(&topics.visits), Some(900));
        let lifetimes = Lifetimes::new(&topics, Duration::from_secs(600));
        assert_eq!(lifetimes.of(&topics.visits), Some(1800));
        assert_eq!(lifetimes.of(&topics.privacy), None);
        assert_eq!(lifetimes.of(&topics.discovery), None);
    }
}

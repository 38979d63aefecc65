//! Recognizes from the broker's behaviour that a message is larger than it permits.
//!
//! MQTT 3.1.1 has no way to report this, and some brokers do not report it in MQTT 5 either: they close the
//! connection. So the largest message that was unacknowledged when the connection ended is suspected. A
//! message that is suspected twice in a row is left out.

use std::time::Duration;

/// A broker that rejects a message ends the connection within this time of accepting the connection.
const EARLY: Duration = Duration::from_secs(10);

/// A message of fewer bytes is not suspected: no broker has a limit this low.
const SMALL: usize = 512;

/// Maximum number of messages that are left out.
const CAPACITY: usize = 4;

/// The suspected message, and those that are left out.
#[derive(Debug, Default)]
pub struct Oversize {
    suspect: Option<String>,
    left_out: heapless::Vec<String, CAPACITY>,
}

impl Oversize {
    /// The broker has closed a connection this long after accepting it. `largest` is the topic and size in
    /// bytes of the largest unacknowledged message. Returns whether that message is left out from now on.
    pub fn closed(&mut self, after: Duration, largest: Option<(&str, usize)>) -> bool {
        let suspect = largest
            .filter(|(_, bytes)| after < EARLY && *bytes >= SMALL)
            .map(|(topic, _)| topic.to_owned());
        let again = suspect.is_some() && suspect == self.suspect;
        self.suspect = suspect;
        match &self.suspect {
            Some(topic) if again => self.left_out.push(topic.clone()).is_ok(),
            _ => false,
        }
    }

    /// Whether the size of a message explains that the broker closes connections.
    pub fn explains(&self) -> bool {
        self.suspect.is_some() || !self.left_out.is_empty()
    }

    /// The broker has answered a message on this topic.
    pub fn survived(&mut self, topic: &str) {
        if self.suspect.as_deref() == Some(topic) {
            self.suspect = None;
        }
    }

    /// Whether messages on this topic are left out.
    pub fn contains(&self, topic: &str) -> bool {
        self.left_out.iter().any(|left_out| left_out == topic)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(1);
    const DISCOVERY: Option<(&str, usize)> = Some(("discovery", 9000));

    #[test]
    fn two_closings_in_a_row_exclude_the_message() {
        let mut oversize = Oversize::default();
        assert!(!oversize.closed(SOON, DISCOVERY));
        assert!(!oversize.closed(SOON, Some(("state", 900))));
        assert!(!oversize.closed(SOON, DISCOVERY));
        assert!(!oversize.closed(SOON, None));
        assert!(!oversize.closed(SOON, DISCOVERY));
        assert!(!oversize.contains("discovery") && oversize.explains());
        assert!(oversize.closed(SOON, DISCOVERY));
        assert!(oversize.contains("discovery") && !oversize.contains("state"));
        assert!(!oversize.closed(SOON, None));
        assert!(oversize.explains(), "other messages may be too large as well");
    }

    #[test]
    fn small_or_answered_messages_and_late_closings_do_not_count() {
        let mut oversize = Oversize::default();
        let small = Some(("availability", 100));
        assert!(!oversize.closed(SOON, small) && !oversize.closed(SOON, small));
        assert!(!oversize.explains());
        assert!(!oversize.closed(SOON, DISCOVERY));
        oversize.survived("discovery");
        assert!(!oversize.closed(SOON, DISCOVERY));
        assert!(!oversize.closed(EARLY, DISCOVERY));
        assert!(!oversize.closed(SOON, DISCOVERY));
    }
}

//! Topics on which the broker does not accept messages. Each is logged once when that begins and once when it
//! ends.

/// Maximum number of topics that are remembered; there are about ten.
const CAPACITY: usize = 16;

/// The topics on which messages are denied.
#[derive(Debug, Default)]
pub struct Denials(heapless::Vec<String, CAPACITY>);

impl Denials {
    /// A message on `topic` was denied. Returns the topic's name for the log if that is new.
    pub fn denied(&mut self, topic: &str) -> Option<String> {
        let name = name(topic);
        if self.0.contains(&name) {
            return None;
        }
        self.0.push(name.clone()).ok()?;
        Some(name)
    }

    /// A message on `topic` was accepted. Returns the topic's name for the log if messages on it were denied
    /// before.
    pub fn taken(&mut self, topic: &str) -> Option<String> {
        if self.0.is_empty() {
            return None;
        }
        let name = name(topic);
        let index = self.0.iter().position(|denied| *denied == name)?;
        Some(self.0.swap_remove(index))
    }
}

/// The topics of all faces share one name.
fn name(topic: &str) -> String {
    match topic.rsplit_once('/') {
        Some((above, last)) if !last.is_empty() && last.bytes().all(|byte| byte.is_ascii_digit()) => {
            format!("{above}/+")
        }
        _ => topic.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn each_denied_topic_is_reported_once() {
        let mut denials = Denials::default();
        assert_eq!(denials.denied("a/lobby/state").unwrap(), "a/lobby/state");
        assert_eq!(denials.denied("a/lobby/state"), None);
        assert_eq!(denials.denied("a/lobby/face/7").unwrap(), "a/lobby/face/+");
        assert_eq!(denials.denied("a/lobby/face/8"), None);
        assert_eq!(denials.taken("a/lobby/scene"), None);
        assert_eq!(denials.taken("a/lobby/state").unwrap(), "a/lobby/state");
        assert!(denials.denied("a/lobby/state").is_some());
    }

    #[test]
    fn denials_are_bounded() {
        let mut denials = Denials::default();
        for number in 0..100 {
            denials.denied(&format!("topic{number}"));
        }
        assert!(denials.taken("topic15").is_some());
        assert_eq!(denials.taken("topic16"), None);
    }
}

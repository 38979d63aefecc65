//! The names of all topics, in one place.

use super::error::PublishError;

/// Longest device name in a topic, in bytes.
const MAX_DEVICE: usize = 64;

/// Every topic of one device. `base` stands for `<mqtt.base>/<device>`, e.g. `affectd/lobby`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topics {
    /// `base/availability`, retained, also the last will: `online`, `offline` or `stopped`.
    pub availability: String,
    /// `base/state`, retained: [`super::payload::StatePayload`].
    pub state: String,
    /// `base/event`, never retained: [`super::payload::EventPayload`].
    pub event: String,
    /// `base/camera`, retained: [`super::payload::CameraPayload`].
    pub camera: String,
    /// `base/health`, not retained: [`super::payload::HealthPayload`].
    pub health: String,
    /// `base/privacy`, retained: `ON` or `OFF`.
    pub privacy: String,
    /// `base/privacy/set`, subscribed: `ON` or `OFF`.
    pub privacy_set: String,
    /// `base/privacy/commanded`, retained: `ON` or `OFF`, the last command, kept for the next start.
    pub privacy_command: String,
    /// `<discovery_prefix>/device/<device>/config`, retained: Home Assistant's device discovery.
    pub discovery: String,
    /// `<discovery_prefix>/status`, subscribed: Home Assistant publishes `online` when it has started.
    pub home_assistant: String,
    face: String,
}

impl Topics {
    /// The topics of `device`, a name made legal by [`sanitise`].
    ///
    /// # Errors
    /// Of kind [`super::PublishErrorKind::Config`] if `base` or `discovery_prefix` is no legal topic.
    pub fn new(base: &str, device: &str, discovery_prefix: &str) -> Result<Self, PublishError> {
        check("mqtt.base", base)?;
        check("mqtt.discovery_prefix", discovery_prefix)?;
        let base = format!("{base}/{device}");
        Ok(Self {
            availability: format!("{base}/availability"),
            state: format!("{base}/state"),
            event: format!("{base}/event"),
            camera: format!("{base}/camera"),
            health: format!("{base}/health"),
            privacy: format!("{base}/privacy"),
            privacy_set: format!("{base}/privacy/set"),
            privacy_command: format!("{base}/privacy/commanded"),
            discovery: format!("{discovery_prefix}/device/{device}/config"),
            home_assistant: format!("{discovery_prefix}/status"),
            face: format!("{base}/face/"),
        })
    }

    /// Writes `base/face/<track>` into `topic`, reusing its buffer.
    pub fn face(&self, track: u32, topic: &mut String) {
        use std::fmt::Write;
        topic.clear();
        topic.push_str(&self.face);
        // Writing to a string cannot fail.
        let _ = write!(topic, "{track}");
    }
}

/// Makes a device name one legal topic level that Home Assistant also takes as an identifier: ASCII letters,
/// digits, `_` and `-`; every run of other characters becomes one `-`. At most 64 bytes; a name without any
/// legal character becomes `affectd`.
#[must_use]
pub fn sanitise(device: &str) -> String {
    let mut name = String::with_capacity(device.len().min(MAX_DEVICE));
    for c in device.chars() {
        let legal = c.is_ascii_alphanumeric() || c == '_' || c == '-';
        let c = if legal { c } else { '-' };
        if (!legal && (name.is_empty() || name.ends_with('-'))) || name.len() == MAX_DEVICE {
            continue;
        }
        name.push(c);
    }
    let name = name.trim_end_matches('-');
    if name.is_empty() {
        "affectd".into()
    } else {
        name.into()
    }
}

fn check(key: &str, topic: &str) -> Result<(), PublishError> {
    let legal = !topic.starts_with(['/', '$'])
        && !topic.ends_with('/')
        && !topic.contains("//")
        && !topic.chars().any(|c| matches!(c, '+' | '#') || c.is_control())
        && (1..=256).contains(&topic.len());
    if legal {
        return Ok(());
    }
    Err(PublishError::config(format!(
        "{key} is {topic:?}; allowed are 1 to 256 bytes of topic levels parted by '/', \
         none of them empty, without '+', '#', control characters or a leading '$'"
    )))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn topics_follow_the_contract() {
        let topics = Topics::new("affectd", "lobby", "homeassistant").unwrap();
        assert_eq!(topics.availability, "affectd/lobby/availability");
        assert_eq!(topics.privacy_set, "affectd/lobby/privacy/set");
        assert_eq!(topics.discovery, "homeassistant/device/lobby/config");
        assert_eq!(topics.home_assistant, "homeassistant/status");
        let mut face = String::from("left over");
        topics.face(7, &mut face);
        assert_eq!(face, "affectd/lobby/face/7");
    }

    #[test]
    fn names_become_one_level() {
        assert_eq!(sanitise("kiosk-01_A"), "kiosk-01_A");
        assert_eq!(sanitise("Foyer / Süd #1"), "Foyer-S-d-1");
        assert_eq!(sanitise("+/#\0"), "affectd");
        assert_eq!(sanitise(""), "affectd");
    }

    #[test]
    fn an_illegal_base_is_refused_by_name() {
        for base in ["", "/a", "a/", "a//b", "a/+", "a/#", "$SYS", "a\0b"] {
            let error = Topics::new(base, "x", "homeassistant").unwrap_err();
            assert!(error.to_string().contains("mqtt.base"), "{error}");
        }
        assert!(Topics::new("site/floor 1/affectd", "x", "ha").is_ok());
    }

    proptest! {
        #[test]
        fn any_name_is_legal_afterwards(name in ".*") {
            let name = sanitise(&name);
            prop_assert!((1..=MAX_DEVICE).contains(&name.len()));
            prop_assert!(name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-'));
            prop_assert_eq!(sanitise(&name), name);
        }
    }
}

//! The names of all topics, in one place.

use crate::config::{DeviceId, TopicPrefix};

/// Every topic of one device. `base` is `<mqtt.base>/<device>`, e.g. `affectd/lobby`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topics {
    /// `base/availability`, retained, also the last will: `online`, `offline` or `stopped`.
    pub availability: String,
    /// `base/state`, retained: [`super::payload::StatePayload`].
    pub state: String,
    /// `base/scene`, retained: [`super::payload::ScenePayload`].
    pub scene: String,
    /// `base/visits`, retained: [`super::payload::VisitsPayload`].
    pub visits: String,
    /// `base/event`, never retained: [`super::payload::EventPayload`].
    pub event: String,
    /// `base/camera`, retained: [`super::payload::CameraPayload`].
    pub camera: String,
    /// `base/health`, retained: [`super::payload::HealthPayload`].
    pub health: String,
    /// `base/privacy`, retained: `ON` or `OFF`.
    pub privacy: String,
    /// `base/privacy/set`, subscribed: `ON` or `OFF`.
    pub privacy_set: String,
    /// `base/privacy/commanded`, retained: `ON` or `OFF`, the last command, kept for the next start.
    pub privacy_command: String,
    /// `base/command`, subscribed: a command as JSON.
    pub command: String,
    /// `base/result`, never retained: [`super::payload::ResultPayload`].
    pub result: String,
    /// `<discovery_prefix>/device/<device>/config`, retained: Home Assistant's device discovery.
    pub discovery: String,
    /// `<discovery_prefix>/status`, subscribed: Home Assistant publishes `online` when it has started.
    pub home_assistant: String,
    base: String,
    face: String,
}

impl Topics {
    /// The topics of `device` below `base` and `discovery_prefix`.
    #[must_use]
    pub fn new(base: &TopicPrefix, device: &DeviceId, discovery_prefix: &TopicPrefix) -> Self {
        let base = format!("{base}/{device}");
        Self {
            availability: format!("{base}/availability"),
            state: format!("{base}/state"),
            scene: format!("{base}/scene"),
            visits: format!("{base}/visits"),
            event: format!("{base}/event"),
            camera: format!("{base}/camera"),
            health: format!("{base}/health"),
            privacy: format!("{base}/privacy"),
            privacy_set: format!("{base}/privacy/set"),
            privacy_command: format!("{base}/privacy/commanded"),
            command: format!("{base}/command"),
            result: format!("{base}/result"),
            discovery: format!("{discovery_prefix}/device/{device}/config"),
            home_assistant: format!("{discovery_prefix}/status"),
            face: format!("{base}/face/"),
            base,
        }
    }

    /// The filter for every topic below `base`.
    #[must_use]
    pub fn everything(&self) -> String {
        format!("{}/#", self.base)
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

#[cfg(test)]
mod tests {
    #[test]
    fn topics_are_as_documented() {
        let topics = crate::publish::samples::topics();
        assert_eq!(topics.availability, "affectd/lobby/availability");
        assert_eq!(topics.privacy_set, "affectd/lobby/privacy/set");
        assert_eq!(topics.discovery, "homeassistant/device/lobby/config");
        assert_eq!(topics.home_assistant, "homeassistant/status");
        let mut face = String::from("left over");
        topics.face(7, &mut face);
        assert_eq!(face, "affectd/lobby/face/7");
    }
}

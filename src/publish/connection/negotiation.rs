//! Which version of MQTT to speak.

use super::version::Version;
use crate::{config::MqttVersion, publish::disconnect::DisconnectReason};

/// Finds the version that a broker speaks: 5 first, and 3.1.1 if it is refused.
#[derive(Debug, Clone)]
pub struct Negotiation {
    setting: MqttVersion,
    current: Version,
}

impl Negotiation {
    /// Nothing is known about the broker yet.
    pub fn new(setting: MqttVersion) -> Self {
        let current = match setting {
            MqttVersion::Auto | MqttVersion::V5 => Version::V5,
            MqttVersion::V311 => Version::V311,
        };
        Self { setting, current }
    }

    /// The version of the next attempt.
    pub fn version(&self) -> Version {
        self.current
    }

    /// The broker did not accept the connection, for this reason. Returns whether to try the other version at
    /// once: at most one more attempt, so an unreachable broker is not flooded.
    ///
    /// Brokers without MQTT 5 should say so, but some close the connection without giving a reason.
    pub fn failed(&mut self, reason: &DisconnectReason) -> bool {
        if self.setting != MqttVersion::Auto || !reason.may_be_about_the_version() {
            return false;
        }
        match self.current {
            Version::V5 => {
                self.current = Version::V311;
                true
            }
            Version::V311 => {
                self.current = Version::V5;
                false
            }
        }
    }

    /// A stable connection has ended: the broker may have been upgraded when it returns.
    pub fn ended(&mut self) {
        *self = Self::new(self.setting);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_version_is_tried_once_in_a_round() {
        let mut negotiation = Negotiation::new(MqttVersion::Auto);
        assert_eq!(negotiation.version(), Version::V5);
        assert!(negotiation.failed(&DisconnectReason::WrongVersion));
        assert_eq!(negotiation.version(), Version::V311);
        assert!(!negotiation.failed(&DisconnectReason::Closed(None)));
        assert_eq!(negotiation.version(), Version::V5);
    }

    #[test]
    fn the_fallback_is_kept_until_a_stable_connection_has_ended() {
        let mut negotiation = Negotiation::new(MqttVersion::Auto);
        assert!(negotiation.failed(&DisconnectReason::Closed(None)));
        assert!(
            !negotiation.failed(&DisconnectReason::Silence),
            "says nothing about the version"
        );
        assert_eq!(negotiation.version(), Version::V311);
        negotiation.ended();
        assert_eq!(negotiation.version(), Version::V5);
    }

    #[test]
    fn a_configured_version_is_the_only_one() {
        for (setting, version) in [(MqttVersion::V5, Version::V5), (MqttVersion::V311, Version::V311)] {
            let mut negotiation = Negotiation::new(setting);
            assert!(!negotiation.failed(&DisconnectReason::WrongVersion));
            negotiation.ended();
            assert_eq!(negotiation.version(), version);
        }
    }
}

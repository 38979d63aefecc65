//! Which broker is tried next, with which version of MQTT.

use super::{
    connection::{negotiation::Negotiation, version::Version},
    destination::Destination,
    disconnect::DisconnectReason,
};
use crate::config::MqttVersion;

/// The configured brokers, tried in order. A broker that accepts the connection is used until it ends; then
/// the first broker is tried again.
pub struct Rotation {
    brokers: Vec<(Destination, Negotiation)>,
    current: usize,
    /// Whether every broker of this round has refused the credentials so far.
    all_refused: bool,
}

impl Rotation {
    /// Starts with the first of `destinations`, of which there is at least one.
    pub fn new(destinations: Vec<Destination>, version: MqttVersion) -> Self {
        let brokers = destinations
            .into_iter()
            .map(|destination| (destination, Negotiation::new(version)))
            .collect();
        Self {
            brokers,
            current: 0,
            all_refused: true,
        }
    }

    /// What to try now.
    pub fn current(&self) -> (&Destination, Version) {
        let (destination, negotiation) = &self.brokers[self.current];
        (destination, negotiation.version())
    }

    /// The current broker was not reached, or did not accept the connection. Returns whether to go on at
    /// once, with another version or another broker; otherwise the round is over.
    pub fn failed(&mut self, reason: &DisconnectReason) -> bool {
        if self.brokers[self.current].1.failed(reason) {
            return true;
        }
        self.all_refused &= reason.refused_credentials().is_some();
        self.current = (self.current + 1) % self.brokers.len();
        self.current != 0
    }

    /// Whether every broker has refused the credentials in the completed round.
    pub fn all_refused(&self) -> bool {
        self.all_refused
    }

    /// The next round begins.
    pub fn restart(&mut self) {
        self.current = 0;
        self.all_refused = true;
    }

    /// A connection that the current broker had accepted has ended; `is_stable` says whether it lasted.
    pub fn lost(&mut self, is_stable: bool) {
        if is_stable {
            self.brokers[self.current].1.ended();
        }
        self.restart();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config,
        publish::{connection::reasons::Refusal, samples},
    };

    fn rotation(hosts: &[&str]) -> Rotation {
        let settings = config::Mqtt {
            host: hosts.iter().map(|host| (*host).to_owned()).collect(),
            ..samples::settings()
        };
        Rotation::new(Destination::all(&settings), MqttVersion::Auto)
    }

    fn current(rotation: &Rotation) -> (&str, Version) {
        let (destination, version) = rotation.current();
        (&destination.server_name, version)
    }

    const REFUSED: DisconnectReason = DisconnectReason::Refused(Refusal::credentials(""));

    #[test]
    fn every_broker_is_tried_once_a_round() {
        let mut rotation = rotation(&["one", "two"]);
        assert_eq!(current(&rotation), ("one", Version::V5));
        assert!(rotation.failed(&DisconnectReason::Silence));
        assert_eq!(current(&rotation), ("two", Version::V5));
        assert!(rotation.failed(&DisconnectReason::WrongVersion));
        assert_eq!(current(&rotation), ("two", Version::V311));
        assert!(!rotation.failed(&DisconnectReason::Silence));
        assert_eq!(current(&rotation), ("one", Version::V5));
    }

    #[test]
    fn after_a_loss_the_first_is_tried_again() {
        let mut rotation = rotation(&["one", "two"]);
        rotation.failed(&DisconnectReason::Silence);
        rotation.failed(&DisconnectReason::WrongVersion);
        rotation.lost(false);
        assert_eq!(current(&rotation), ("one", Version::V5));
        rotation.failed(&DisconnectReason::Silence);
        assert_eq!(current(&rotation), ("two", Version::V311), "remembered");
        rotation.lost(true);
        rotation.failed(&DisconnectReason::Silence);
        assert_eq!(current(&rotation), ("two", Version::V5));
    }

    #[test]
    fn credentials_are_wrong_only_if_all_brokers_refuse() {
        let mut rotation = rotation(&["one", "two"]);
        assert!(rotation.failed(&REFUSED) && !rotation.failed(&REFUSED));
        assert!(rotation.all_refused());
        rotation.restart();
        assert!(rotation.failed(&REFUSED) && !rotation.failed(&DisconnectReason::Silence));
        assert!(!rotation.all_refused());
    }
}

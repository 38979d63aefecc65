//! What a broker does not permit: large messages, and messages on topics that its access list forbids.

use affectd::{
    config::{Mqtt, MqttVersion},
    sense::face::Category,
};

use crate::common::{
    broker::{Broker, until},
    publisher::{AVAILABILITY, DISCOVERY, Daemon, PRIVACY_SET, STATE, health, logged, showing},
};

/// Asserts that the daemon works at a broker with this limit, but is not announced.
fn works_without_discovery(limit: &str, version: MqttVersion, words: &str) {
    let broker = Broker::with_plain_lines(&format!("{limit} 5000\n"));
    let daemon = Daemon::live(&Mqtt {
        version,
        ..broker.settings()
    });
    daemon.report(Category::Happiness, &[]);
    until("the state is out", || {
        broker.retained_at(STATE).contains(&showing(Category::Happiness))
    });
    until("online", || broker.retained_at(AVAILABILITY) == "online");
    assert_eq!(broker.retained_at(DISCOVERY), "");
    assert!(logged(words) >= 1, "{limit} {version:?}");
    daemon.stop();
}

#[test]
fn a_limit_that_mqtt_5_announces_is_obeyed() {
    let words = "homeassistant/device/lobby/config is not published";
    works_without_discovery("max_packet_size", MqttVersion::V5, words);
}

#[test]
fn a_message_that_the_broker_does_not_survive_is_left_out() {
    let words = "the broker closes the connection whenever homeassistant/device/lobby/config";
    works_without_discovery("max_packet_size", MqttVersion::V311, words);
    works_without_discovery("message_size_limit", MqttVersion::V5, words);
}

/// A broker where this device may write neither its state, visits and camera nor its discovery.
fn forbidding() -> Broker {
    Broker::with_access(
        "pattern readwrite affectd/lobby/privacy/#\npattern write affectd/lobby/availability\n\
         pattern write affectd/lobby/scene\npattern readwrite test/#\npattern read #\n",
    )
}

#[test]
fn a_topic_that_may_not_be_written_is_named() {
    let broker = forbidding();
    let daemon = Daemon::live(&Mqtt {
        version: MqttVersion::V5,
        ..broker.settings()
    });
    let words = |topic: &str| {
        format!("the broker does not take what this device publishes on {topic}: not authorised")
    };
    until("the topic is named", || logged(&words(STATE)) >= 1);
    until("the others too", || logged(&words(DISCOVERY)) >= 1);
    assert_eq!(logged(&words("affectd/lobby/scene")), 0);
    assert_eq!(broker.retained_at(AVAILABILITY), "online");
    daemon.stop();
}

#[test]
fn mqtt_3_1_1_finds_refused_topics_by_reading_them_back() {
    let broker = forbidding();
    let daemon = Daemon::live(&Mqtt {
        version: MqttVersion::V311,
        ..broker.settings()
    });
    until("the last of the first results is back", || {
        let returned = "Sending PUBLISH to affectd-lobby (d0, q0, r0, m0, 'affectd/lobby/privacy'";
        broker.log().contains(returned)
    });
    let words = "the broker does not take what this device publishes on affectd/lobby/state, affectd/lobby/visits, \
                 affectd/lobby/camera: it acknowledges it, but does not pass it on";
    assert_eq!(logged(words), 0);
    // Once a command has arrived, everything before it has arrived too.
    broker.watch().publish(PRIVACY_SET, "ON", false);
    until("the command has arrived", || daemon.is_private());
    daemon.clock.forward(25);
    daemon.publisher.health(&health());
    until("the topics are named", || logged(words) == 1);
    until("it reads no longer", || {
        broker.log().contains("Received UNSUBSCRIBE from affectd-lobby")
    });
    daemon.stop();
}

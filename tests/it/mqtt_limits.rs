//! What a broker does not permit: large messages, and messages on topics that its access list forbids.

use affectd::{
    config::{Mqtt, MqttVersion},
    publish::probe_broker,
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
    let takeover = format!(
        ":{} lost, trying again: it closes the connection soon",
        broker.port
    );
    assert_eq!(logged(&takeover), 0, "{limit} {version:?}");
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
}

#[test]
fn a_message_that_the_broker_calls_too_large_is_named() {
    let words = "the broker does not take what this device publishes on homeassistant/device/lobby/config: it is larger \
                 than the broker permits";
    works_without_discovery("message_size_limit", MqttVersion::V5, words);
}

#[test]
fn mqtt_3_1_1_finds_messages_that_are_too_large_by_reading_them_back() {
    let broker = Broker::with_plain_lines("message_size_limit 100\n");
    let daemon = Daemon::live(&Mqtt {
        version: MqttVersion::V311,
        base: "small".parse().unwrap(),
        ..broker.settings()
    });
    daemon.report(Category::Happiness, &[]);
    until("the state is dropped, and a later result is back", || {
        let log = broker.log();
        let returned = "Sending PUBLISH to affectd-lobby (d0, q0, r0, m0, 'small/lobby/privacy'";
        log.contains("Dropped too large PUBLISH") && log.contains(returned)
    });
    broker.watch().publish("small/lobby/privacy/set", "ON", false);
    until("the command has arrived", || daemon.is_private());
    daemon.clock.forward(25);
    daemon.publisher.health(&health());
    until("the topics are named", || {
        logged("the broker does not take what this device publishes on small/lobby/state") == 1
    });
    daemon.stop();
}

/// What `affectd check` says about the broker.
fn check(settings: &Mqtt) -> String {
    match probe_broker(settings, &"lobby".parse().unwrap()) {
        Ok(found) => found.to_string(),
        Err(error) => format!("FAILED {error}"),
    }
}

#[test]
fn check_tells_what_it_has_proven_of_the_access_list() {
    let privacy = "pattern readwrite affectd/lobby/privacy/#\n";
    for (list, on_5, on_311) in [
        (
            privacy.to_owned(),
            "does not let this device publish on affectd/lobby/result (not authorized)",
            "affectd/lobby/result did not return, so this device may not write it or may not read it, or the broker drops \
             messages of 8192 bytes; no other topic",
        ),
        (
            format!("{privacy}pattern write affectd/lobby/result\n"),
            "it may write and read affectd/lobby/privacy/commanded and write affectd/lobby/result; no other topic",
            "affectd/lobby/result did not return",
        ),
        (
            "pattern readwrite affectd/lobby/#\n".to_owned(),
            "and write affectd/lobby/result; no other topic was tried",
            "and write affectd/lobby/result; no other topic was tried",
        ),
        (
            "pattern read affectd/lobby/#\n".to_owned(),
            "does not let this device publish on affectd/lobby/result",
            "does not return what this device publishes on affectd/lobby/privacy/commanded",
        ),
    ] {
        let broker = Broker::with_access(&list);
        for (version, expected) in [(MqttVersion::V5, on_5), (MqttVersion::V311, on_311)] {
            let line = check(&Mqtt {
                version,
                ..broker.settings()
            });
            assert!(line.contains(expected), "{list} {version:?}: {line}");
            assert_eq!(
                line.starts_with("FAILED"),
                expected.contains("does not"),
                "{line}"
            );
        }
    }
}

#[test]
fn check_fails_where_the_daemon_cannot_connect() {
    let unsaid = "a broker cannot say that it lacks QoS 1 or retained messages";
    for (lines, on_5, on_311) in [
        (
            "retain_available false\n",
            "it stores no retained messages",
            unsaid,
        ),
        ("max_qos 0\n", "it does not support QoS 1", unsaid),
        ("clientid_prefixes kiosk\n", "mqtt.client_id", "mqtt.client_id"),
    ] {
        let broker = Broker::with_plain_lines(lines);
        for (version, expected) in [
            (MqttVersion::Auto, on_5),
            (MqttVersion::V5, on_5),
            (MqttVersion::V311, on_311),
        ] {
            let settings = Mqtt {
                version,
                ..broker.settings()
            };
            let line = check(&settings);
            assert!(
                line.starts_with("FAILED") && line.contains(expected),
                "{version:?}: {line}"
            );
            assert!(!line.contains("access list"), "{version:?}: {line}");
        }
    }
}

#[test]
fn check_tells_which_messages_are_too_large() {
    let broker = Broker::with_plain_lines("max_packet_size 5000\n");
    let line = check(&broker.settings());
    assert!(
        line.contains("the broker permits only 5000 bytes a message"),
        "{line}"
    );
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
        format!("the broker does not take what this device publishes on {topic}: not authorized")
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

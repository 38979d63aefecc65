//! MQTT 5 with a real mosquitto, and 3.1.1 with brokers that speak no other version.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::Ordering,
    thread,
};

use affectd::{
    config::{Mqtt, MqttVersion},
    sense::face::Category,
};
use serde_json::Value;

use crate::common::{
    broker::{Broker, settings, until},
    proxy::{Behaviour, Proxy, Refusal},
    publisher::{
        AVAILABILITY, DISCOVERY, Daemon, PRIVACY_SET, SCENE, STATE, VISITS, logged, packets, showing,
    },
};

/// The properties of a retained message, as `mosquitto_sub` prints them with MQTT 5.
fn properties(broker: &Broker, topic: &str) -> Value {
    let output = Command::new("mosquitto_sub")
        .args(["-V", "5", "-F", r#"{"type": "%C", "expiry": "%E", "retain": %r}"#])
        .args(["-h", "127.0.0.1", "-p", &broker.port.to_string()])
        .args(["-t", topic, "-C", "1", "-W", "30"])
        .output()
        .expect("mosquitto_sub is needed (Debian package mosquitto-clients)");
    let text = String::from_utf8(output.stdout).unwrap();
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{topic}: {text:?}: {error}"))
}

#[test]
fn messages_have_a_content_type_and_an_expiry() {
    let broker = Broker::without_tls();
    let daemon = Daemon::live(&broker.settings());
    daemon.report(Category::Happiness, &[]);
    until("the state is out", || {
        broker.retained_at(STATE).contains(&showing(Category::Happiness))
    });
    // The broker subtracts the time for which it has kept the message.
    for (topic, refresh) in [(STATE, 30), (SCENE, 30), (VISITS, 300)] {
        let properties = properties(&broker, topic);
        assert_eq!(properties["type"], "application/json", "{topic}");
        let expiry: u32 = properties["expiry"].as_str().unwrap().parse().unwrap();
        let allowed = 2 * refresh..=3 * refresh;
        assert!(
            allowed.contains(&expiry),
            "three times {refresh} s, {topic}: {expiry}"
        );
    }
    let discovery = properties(&broker, DISCOVERY);
    assert_eq!(
        (&discovery["type"], &discovery["expiry"]),
        (&"application/json".into(), &"".into())
    );
    let availability = properties(&broker, AVAILABILITY);
    assert_eq!(
        (&availability["type"], &availability["expiry"]),
        (&"text/plain".into(), &"".into())
    );
    assert!(broker.log().contains("as affectd-lobby (p5"), "{}", broker.log());
    daemon.stop();
}

/// Runs the daemon at a broker that refuses MQTT 5 in this way. Returns the number of logins with 5 and with
/// 3.1.1.
fn logins_without_5(refusal: Refusal, version: MqttVersion) -> (usize, usize) {
    let broker = Broker::without_tls();
    let proxy = Proxy::start(
        broker.port,
        Behaviour {
            without_5: Some(refusal),
            ..Behaviour::default()
        },
    );
    let daemon = Daemon::live(&Mqtt {
        port: proxy.port,
        version,
        ..broker.settings()
    });
    daemon.report(Category::Anger, &[]);
    until("the state is out", || {
        broker.retained_at(STATE).contains(&showing(Category::Anger))
    });
    assert!(packets(&broker).len() >= 10);
    assert_eq!(
        logged(&format!(":{} cannot be reached", proxy.port)),
        0,
        "no failure"
    );
    daemon.stop();
    assert_eq!(broker.retained_at(AVAILABILITY), "stopped");
    let count = |logins: &std::sync::atomic::AtomicUsize| logins.load(Ordering::SeqCst);
    (count(&proxy.logins.v5), count(&proxy.logins.v311))
}

#[test]
fn a_broker_of_3_1_1_alone_is_used_after_one_refusal() {
    assert_eq!(logins_without_5(Refusal::Answer, MqttVersion::Auto), (1, 1));
    assert_eq!(logins_without_5(Refusal::Silence, MqttVersion::Auto), (1, 1));
    assert_eq!(logins_without_5(Refusal::Answer, MqttVersion::V311), (0, 1));
}

#[test]
fn a_broker_that_does_not_speak_the_wanted_version_is_named() {
    let broker = Broker::without_tls();
    let proxy = Proxy::start(
        broker.port,
        Behaviour {
            without_5: Some(Refusal::Answer),
            ..Behaviour::default()
        },
    );
    let daemon = Daemon::start(&Mqtt {
        port: proxy.port,
        version: MqttVersion::V5,
        ..broker.settings()
    });
    let warning = format!(
        ":{} cannot be reached, trying again: it does not speak MQTT 5: set mqtt.version",
        proxy.port
    );
    until("the setting is named", || logged(&warning) == 1);
    daemon.stop();
}

/// A broker of MQTT 5 that accepts a login and then ends the connection with this packet.
fn broker_that_ends_with(disconnect: &'static [u8]) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for client in listener.incoming() {
            let mut client = client.unwrap();
            let mut bytes = [0; 4096];
            // CONNECT, then SUBSCRIBE.
            for answer in [&[0x20, 3, 0, 0, 0][..], disconnect] {
                let _ = client.read(&mut bytes);
                let _ = client.write_all(answer);
            }
            // The client closes the connection.
            let _ = client.read(&mut bytes);
        }
    });
    port
}

#[test]
fn the_reasons_of_mqtt_5_are_in_plain_words() {
    for (disconnect, words) in [
        (
            &[0xe0, 2, 0x8e, 0][..],
            "another client with the same id has connected, kiosk-7: give every board its own name with the setting \
             `device`",
        ),
        (&[0xe0, 2, 0x8b, 0], "it shuts down"),
        (&[0xe0, 2, 0x97, 0], "its quota is exceeded"),
        // Without the length of properties, as mosquitto sends it.
        (&[0xe0, 1, 0x8b], "it shuts down"),
    ] {
        let port = broker_that_ends_with(disconnect);
        let daemon = Daemon::start(&Mqtt {
            client_id: "kiosk-7".into(),
            host: vec!["127.0.0.1".into()],
            port,
            tls: false,
            ca_file: PathBuf::new(),
            username: String::new(),
            password_file: PathBuf::new(),
            ..settings(port, Path::new(""))
        });
        let warning = format!(":{port} lost, trying again: it ends the connection: {words}");
        until("the reason is named", || logged(&warning) >= 1);
        daemon.stop();
    }
}

#[test]
fn an_oversized_retained_message_does_not_disconnect() {
    for version in [MqttVersion::V5, MqttVersion::V311] {
        let broker = Broker::without_tls();
        let watcher = broker.watch();
        watcher.publish(PRIVACY_SET, vec![b'x'; 5_000_000], true);
        until("the broker has it", || broker.log().contains("5000000 bytes"));
        let daemon = Daemon::live(&Mqtt {
            version,
            ..broker.settings()
        });
        daemon.report(Category::Fear, &[]);
        watcher.wait_for(STATE, &showing(Category::Fear));
        watcher.publish(PRIVACY_SET, "ON", false);
        until("commands still arrive", || daemon.is_private());
        assert_eq!(logged(&format!(":{} lost", broker.port)), 0, "{version:?}");
        daemon.stop();
    }
}

#[test]
fn an_oversized_retained_message_does_not_end_a_websocket() {
    let (broker, port) = Broker::with_websocket(false);
    let watcher = broker.watch();
    watcher.publish(PRIVACY_SET, vec![b'x'; 5_000_000], true);
    until("the broker has it", || broker.log().contains("5000000 bytes"));
    let daemon = Daemon::start(&Mqtt {
        port,
        websocket_path: "/mqtt".into(),
        ..broker.settings()
    });
    // mosquitto needs two minutes for the message, so the recorded command does not return in time.
    watcher.wait_for(AVAILABILITY, "online");
    assert_eq!(logged(&format!(":{port} lost")), 0);
    daemon.stop();
}

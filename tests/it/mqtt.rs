//! The MQTT contract against a real broker with TLS and a password.

use affectd::{
    capture::CameraStatus,
    clock::Clock,
    config::{Mqtt, MqttVersion},
    error::{Exit, ExitClass as _},
    publish::PublishErrorKind,
    sense::{face::Category, report::Event},
};
use serde_json::Value;

use crate::common::{
    broker::{Broker, until},
    publisher::{
        AVAILABILITY, CAMERA, DISCOVERY, Daemon, EVENT, HEALTH, PRIVACY, PRIVACY_COMMANDED, SCENE, STATE,
        VISITS, health, logged, packets, showing,
    },
};

#[test]
fn a_subscriber_sees_the_contract() {
    let broker = Broker::start();
    let watcher = broker.watch();
    let daemon = Daemon::live(&broker.settings());
    until("the first messages", || packets(&broker).len() >= 10);
    let first = packets(&broker);
    let expected = [
        AVAILABILITY,
        DISCOVERY,
        STATE,
        SCENE,
        VISITS,
        CAMERA,
        PRIVACY_COMMANDED,
        PRIVACY,
    ]
    .map(|topic| format!("PUBLISH q1 r1 {topic}"));
    assert_eq!(
        first[..2],
        ["SUBSCRIBE", &format!("PUBLISH q1 r0 {PRIVACY_COMMANDED}")]
    );
    assert_eq!(first[2..10], expected);

    daemon.report(
        Category::Happiness,
        &[Event::Appeared {
            track: 7,
            continues: None,
        }],
    );
    daemon.publisher.health(&health());
    watcher.wait_for(STATE, &showing(Category::Happiness));
    watcher.wait_for("affectd/lobby/face/7", r#""box":[0.0,0.0,0.0,0.0]"#);
    watcher.wait_for(EVENT, r#""event":"appeared","track":7"#);
    watcher.wait_for(HEALTH, r#""fps":15.0"#);

    let retained = broker.retained();
    let topics: Vec<&str> = retained.iter().map(|(topic, _)| topic.as_str()).collect();
    assert_eq!(
        topics,
        [
            AVAILABILITY,
            CAMERA,
            HEALTH,
            PRIVACY,
            PRIVACY_COMMANDED,
            SCENE,
            STATE,
            VISITS,
            DISCOVERY
        ],
        "no event or face"
    );
    assert_eq!(retained[0].1, "online");
    assert_eq!((&*retained[3].1, &*retained[4].1), ("OFF", "OFF"));
    let state: Value = serde_json::from_str(&retained[6].1).unwrap();
    assert_eq!(state["faces"], 1);
    assert_eq!(state["track"], 7);
    assert_eq!(state["probabilities"]["happiness"], 0.86);
    assert_eq!(state["model"]["sha256"], "0123456789ab");
    assert_eq!(state["boot"].as_str().unwrap().len(), 16);
    let time: jiff::Timestamp = state["time"].as_str().unwrap().parse().unwrap();
    assert!(jiff::Timestamp::now().duration_since(time).as_secs() < 30);
    let discovery: Value = serde_json::from_str(&retained[8].1).unwrap();
    for key in ["dev", "o", "cmps", "availability", "state_topic"] {
        assert!(!discovery[key].is_null(), "{key}");
    }
    daemon.stop();
}

#[test]
fn a_clean_exit_says_stopped() {
    let broker = Broker::start();
    let daemon = Daemon::live(&broker.settings());
    daemon.report(Category::Anger, &[]);
    until("the state is out", || {
        broker.retained_at(STATE).contains(&showing(Category::Anger))
    });
    daemon.stop();
    assert_eq!(broker.retained_at(AVAILABILITY), "stopped");
    assert!(broker.retained_at(STATE).contains(r#""category":"none""#));
    until("a clean disconnect", || {
        broker.log().contains("Received DISCONNECT from affectd-lobby")
    });
}

#[test]
fn a_run_that_ends_at_once_is_published() {
    let broker = Broker::start();
    let daemon = Daemon::start(&broker.settings());
    daemon
        .publisher
        .camera(CameraStatus::Unsupported, "another program holds it");
    daemon.stop();
    assert!(
        broker
            .retained_at("affectd/lobby/camera")
            .contains("another program holds it")
    );
    assert_eq!(broker.retained_at(AVAILABILITY), "stopped");
}

#[test]
fn after_an_outage_the_state_is_right_and_fresh() {
    let mut broker = Broker::start();
    let daemon = Daemon::live(&broker.settings());
    daemon.report(Category::Sadness, &[]);
    until("the state is out", || {
        broker.retained_at(STATE).contains(&showing(Category::Sadness))
    });
    let before = resident();
    broker.end();

    for number in 0..100_000 {
        let event = Event::Appeared {
            track: number,
            continues: None,
        };
        daemon.report(Category::ALL[number as usize % 8], &[event]);
        daemon
            .publisher
            .camera(CameraStatus::Ok, if number % 2 == 0 { "a" } else { "b" });
        daemon.publisher.health(&health());
    }
    assert!(
        resident() < before + (4 << 20),
        "{before} bytes before, {} after",
        resident()
    );
    // All of this is long past when the broker returns.
    daemon.clock.forward(60);
    daemon.report(
        Category::Surprise,
        &[Event::Appeared {
            track: 999_999,
            continues: None,
        }],
    );
    let now = daemon.clock.wall();

    broker.run();
    let watcher = broker.watch();
    until("the new state is retained", || {
        broker.retained_at(STATE).contains(&showing(Category::Surprise))
    });
    let state: Value = serde_json::from_str(&broker.retained_at(STATE)).unwrap();
    let time: jiff::Timestamp = state["time"].as_str().unwrap().parse().unwrap();
    assert!(time >= now, "{time} is older than {now}");
    assert_eq!(broker.retained_at(AVAILABILITY), "online");
    // Shows that the events have been processed.
    daemon.publisher.health(&health());
    watcher.wait_for(HEALTH, "events_dropped");
    let events: Vec<_> = watcher
        .messages()
        .into_iter()
        .filter(|message| message.topic == EVENT)
        .collect();
    assert!(events.len() <= 1, "late events: {events:?}");
    assert!(events.iter().all(|event| event.text().contains("999999")));
    daemon.stop();
}

#[test]
fn a_broker_that_hangs_is_noticed() {
    let broker = Broker::start();
    let daemon = Daemon::live(&broker.settings());
    until("connected", || broker.retained_at(AVAILABILITY) == "online");
    broker.signal("STOP");
    daemon.report(Category::Fear, &[]);
    until("given up", || {
        // The broker does not answer, and the clock advances.
        daemon.clock.forward(31);
        daemon.report(Category::Disgust, &[]);
        logged(&format!(":{} lost, trying again: no answer", broker.port)) == 1
    });
    broker.signal("CONT");
    until("back with the newest state", || {
        broker.retained_at(STATE).contains(&showing(Category::Disgust))
    });
    until("online again", || broker.retained_at(AVAILABILITY) == "online");
    daemon.stop();
}

#[test]
fn a_wrong_password_is_permanent() {
    let broker = Broker::start();
    let settings = Mqtt {
        password_file: broker.path("wrong-password"),
        ..broker.settings()
    };
    let daemon = Daemon::start(&settings);
    until("refused", || daemon.shutdown.is_raised());
    assert_eq!(daemon.reason(), "the broker has not answered yet");
    let error = daemon.thread.stop().unwrap_err();
    assert_eq!(
        (error.kind, error.exit()),
        (PublishErrorKind::Refused, Exit::Unavailable)
    );
    assert!(
        error.to_string().contains("mqtt.password_file") && !error.to_string().contains("horse"),
        "{error}"
    );
}

#[test]
fn the_log_names_the_setting_when_two_daemons_share_a_name() {
    let broker = Broker::start();
    let settings = Mqtt {
        version: MqttVersion::V311,
        ..broker.settings()
    };
    let (_first, _second) = (Daemon::start(&settings), Daemon::start(&settings));
    let warning = format!(
        ":{} lost, trying again: it closes the connection soon after each connect, as brokers do when another client \
         has the same id, affectd-lobby",
        broker.port
    );
    until("the cause is named", || logged(&warning) >= 1);
}

#[test]
fn a_wrong_authority_is_logged_once_and_tried_again() {
    let broker = Broker::start();
    let settings = Mqtt {
        ca_file: broker.path("other-ca.pem"),
        ..broker.settings()
    };
    let daemon = Daemon::start(&settings);
    let attempts = || broker.log().matches("SSL routines").count();
    until("three attempts", || attempts() >= 3);
    let port = broker.port;
    assert_eq!(
        logged(&format!(
            "localhost:{port} cannot be reached, trying again: invalid peer certificate"
        )),
        1
    );
    assert_eq!(
        logged(&broker.path("other-ca.pem").display().to_string()),
        1,
        "the file is named"
    );
    assert!(!daemon.shutdown.is_raised());
    daemon.stop();
}

#[test]
fn home_assistant_is_answered_when_it_starts() {
    let broker = Broker::start();
    let daemon = Daemon::live(&broker.settings());
    until("the daemon is online", || {
        broker.retained_at(AVAILABILITY) == "online"
    });
    let watcher = broker.watch();
    watcher.forget();
    watcher.publish("homeassistant/status", "offline", false);
    watcher.publish("homeassistant/status", "online", false);
    watcher.wait_for(DISCOVERY, "cmps");
    watcher.wait_for(STATE, "category");
    daemon.stop();
}

#[test]
fn without_discovery_an_earlier_announcement_is_withdrawn() {
    let broker = Broker::start();
    let daemon = Daemon::live(&broker.settings());
    until("the device is announced", || {
        broker.retained_at(DISCOVERY).contains("cmps")
    });
    daemon.stop();
    let daemon = Daemon::live(&Mqtt {
        discovery: false,
        ..broker.settings()
    });
    until("the announcement is gone", || {
        broker.retained_at(DISCOVERY).is_empty()
    });
    daemon.stop();
}

/// Resident memory of this process in bytes.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<usize>().unwrap() * 1024
}

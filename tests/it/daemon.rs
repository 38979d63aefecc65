//! The daemon itself against a real broker: photographs go in, and a subscriber receives what is published.

use crate::common::{broker, daemon, models};
use std::{
    path::Path,
    thread,
    time::{Duration, Instant},
};

use broker::{Broker, Watcher, until};
use daemon::{Daemon, clip, data};
use serde_json::Value;

/// Starts `affectd run` on a folder of photographs, with the broker's settings and additional ones.
fn start(broker: &Broker, models: &Path, more: &[&str]) -> Daemon {
    let mut settings = vec![
        "device=lobby".to_owned(),
        format!("models={}", models.display()),
        format!("expression.model={}", models::TINY),
        "camera.source=files".to_owned(),
        format!("camera.path={}", data("pictures")),
        "camera.repeat=true".to_owned(),
        // Each picture is shown long enough for a face to be confirmed in it and in the next.
        "camera.rate=4".to_owned(),
        "detect.lost_s=2".to_owned(),
        "mqtt.health_s=1".to_owned(),
        "mqtt.refresh_s=2".to_owned(),
    ];
    settings.extend(broker.overrides());
    settings.extend(more.iter().map(|setting| (*setting).to_owned()));
    let mut arguments = vec!["run"];
    for setting in &settings {
        arguments.extend(["--set", setting]);
    }
    Daemon::start(&arguments)
}

fn state(watcher: &Watcher) -> Vec<Value> {
    let messages = watcher.messages();
    let states = messages
        .iter()
        .filter(|message| message.topic == "affectd/lobby/state");
    states
        .map(|message| serde_json::from_str(&message.text()).unwrap())
        .collect()
}

/// One face or two, because a face of the previous picture is kept for a while.
fn shows_a_face(state: &Value) -> bool {
    state["faces"].as_u64().is_some_and(|faces| faces > 0) && state["category"] != "none"
}

fn a_face_is_published(watcher: &Watcher) {
    until("a state with a face", || state(watcher).iter().any(shows_a_face));
}

#[test]
fn photographs_become_messages_and_a_signal_ends_it_cleanly() {
    let (broker, models) = (Broker::start(), models::folder());
    let watcher = broker.watch();
    let daemon = start(&broker, models.path(), &["mqtt.faces=true"]);
    watcher.wait_for("affectd/lobby/availability", "online");
    watcher.wait_for("affectd/lobby/camera", "\"ok\"");
    a_face_is_published(&watcher);
    watcher.wait_for("affectd/lobby/event", "appeared");
    watcher.wait_for("affectd/lobby/face/1", "\"box\"");
    watcher.wait_for("affectd/lobby/health", "\"fps\"");

    let with_face = state(&watcher).into_iter().find(shows_a_face).unwrap();
    let sum: f64 = with_face["probabilities"]
        .as_object()
        .unwrap()
        .values()
        .map(|p| p.as_f64().unwrap())
        .sum();
    // Eight numbers, each rounded to three decimals.
    assert!((sum - 1.0).abs() <= 4e-3, "{with_face}");
    assert_eq!(with_face["model"]["name"], models::TINY);
    for message in watcher.messages() {
        let retained = !["/face/", "/event"]
            .iter()
            .any(|part| message.topic.contains(part));
        // The watcher subscribed before the messages, so the broker delivers them as live ones.
        assert!(!message.retain, "{}", message.topic);
        if !retained {
            assert_eq!(
                broker.retained_at(&message.topic),
                "",
                "{} must not be retained",
                message.topic
            );
        }
    }

    daemon.signal("TERM");
    let (code, log) = daemon.wait();
    assert_eq!(code, Some(0), "{log}");
    watcher.wait_for("affectd/lobby/availability", "stopped");
    assert_eq!(broker.retained_at("affectd/lobby/availability"), "stopped");
    let left: Value = serde_json::from_str(&broker.retained_at("affectd/lobby/state")).unwrap();
    assert_eq!(left["category"], "none", "a stopped daemon leaves no face behind");
}

#[test]
fn a_daemon_that_is_killed_is_offline() {
    let (broker, models) = (Broker::start(), models::folder());
    let watcher = broker.watch();
    let daemon = start(&broker, models.path(), &[]);
    a_face_is_published(&watcher);
    daemon.signal("KILL");
    watcher.wait_for("affectd/lobby/availability", "offline");
}

#[test]
fn privacy_stops_sensing_and_gives_the_camera_back() {
    let (broker, models) = (Broker::start(), models::folder());
    let watcher = broker.watch();
    let _daemon = start(&broker, models.path(), &[]);
    a_face_is_published(&watcher);
    watcher.publish("affectd/lobby/privacy/set", "ON", false);
    watcher.wait_for("affectd/lobby/privacy", "ON");
    watcher.wait_for("affectd/lobby/camera", "disabled");
    let retained: Value = serde_json::from_str(&broker.retained_at("affectd/lobby/state")).unwrap();
    assert_eq!(
        (&retained["category"], &retained["faces"]),
        (&Value::from("none"), &Value::Null)
    );
    watcher.forget();
    thread::sleep(Duration::from_secs(3));
    assert!(
        state(&watcher).iter().all(|state| state["faces"].is_null()),
        "sensing goes on in private"
    );

    watcher.publish("affectd/lobby/privacy/set", "OFF", false);
    watcher.wait_for("affectd/lobby/camera", "\"ok\"");
    a_face_is_published(&watcher);
}

#[test]
fn refused_credentials_end_it_with_69() {
    let (broker, models) = (Broker::start(), models::folder());
    let wrong = format!("mqtt.password_file={}", broker.path("wrong-password").display());
    let (code, log) = start(&broker, models.path(), &[&wrong]).wait();
    assert_eq!(code, Some(69), "{log}");
    assert!(
        !log.contains("wrong horse"),
        "the password stands in the log: {log}"
    );
}

#[test]
fn a_program_that_writes_frames_may_end_and_is_started_again() {
    let (broker, models) = (Broker::start(), models::folder());
    let watcher = broker.watch();
    // Plays the clip at about its own rate, from a program that exits after a second: the camera goes and
    // comes back.
    let script = format!(
        "for i in 1 2 3 4 5 6 7 8 9 10; do tail -c +1 {} | head -c 400000 | tail -c 120000; sleep 0.1; done",
        clip()
    );
    let command = format!("camera.command={}", serde_json::json!(["sh", "-c", script]));
    let pipe = ["camera.source=pipe", "camera.format=mjpeg", &command];
    let _daemon = start(&broker, models.path(), &pipe);
    watcher.wait("ok, missing, ok", |messages| {
        let cameras = messages
            .iter()
            .filter(|message| message.topic == "affectd/lobby/camera");
        let mut expected = ["\"ok\"", "\"missing\"", "\"ok\""].into_iter().peekable();
        for message in cameras {
            expected.next_if(|status| message.text().contains(status));
        }
        expected.peek().is_none()
    });
}

#[test]
#[ignore = "takes a minute: the broker stays away for thirty seconds"]
fn an_outage_of_the_broker_costs_neither_memory_nor_freshness() {
    let (mut broker, models) = (Broker::start(), models::folder());
    let watcher = broker.watch();
    let daemon = start(&broker, models.path(), &[]);
    a_face_is_published(&watcher);
    // Buffers reach their final size after a few seconds.
    thread::sleep(Duration::from_secs(10));
    let before = daemon.resident();
    drop(watcher);
    broker.end();
    thread::sleep(Duration::from_secs(30));
    let away = daemon.resident();
    broker.run();
    let back = Instant::now();

    let watcher = broker.watch();
    watcher.wait_for("affectd/lobby/availability", "online");
    until("a fresh state", || {
        state(&watcher)
            .iter()
            .any(|state| state["age"].as_f64().is_some_and(|age| age < 2.0))
    });
    let events: Vec<_> = watcher
        .messages()
        .into_iter()
        .filter(|m| m.topic.ends_with("/event"))
        .collect();
    for event in events {
        let event: Value = serde_json::from_str(&event.text()).unwrap();
        let time: jiff::Timestamp = event["time"].as_str().unwrap().parse().unwrap();
        let age = jiff::Timestamp::now().duration_since(time).as_secs_f32();
        assert!(
            age < back.elapsed().as_secs_f32() + 10.0,
            "an event of the outage came late: {event}"
        );
    }
    let after = daemon.resident();
    for (when, resident) in [("during", away), ("after", after)] {
        // The allocator and mapped pages vary slightly; a queue would grow by megabytes a second.
        assert!(
            resident < before + (4 << 20),
            "memory {when} the outage: {before} became {resident}"
        );
    }
}

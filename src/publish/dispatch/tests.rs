#![allow(clippy::unwrap_used)]
//! Tests of the parent module, over a transport that records the messages.

mod commands;
mod rates;

use super::*;
use crate::{
    privacy::Input,
    publish::samples::{self, face, identity, privacy, report, settings},
    sense::report::Event,
};

#[derive(Default)]
struct Sent {
    messages: Vec<(String, String, bool, bool)>,
    room: Option<usize>,
}

impl Sent {
    /// The last topic levels of the messages, in order; clears the messages.
    fn topics(&mut self) -> Vec<String> {
        let topics = self
            .messages
            .iter()
            .map(|message| message.0.rsplit('/').next().unwrap().to_owned());
        let topics = topics.collect();
        self.messages.clear();
        topics
    }
}

impl Transport for Sent {
    fn send(&mut self, message: Message<'_>) -> Result<(), Backpressure> {
        if self.room.is_some_and(|room| self.messages.len() >= room) {
            return Err(Backpressure);
        }
        let payload = String::from_utf8(message.payload.bytes().to_vec()).unwrap();
        self.messages.push((
            message.topic.into(),
            payload,
            message.retain,
            message.acknowledged,
        ));
        Ok(())
    }
}

struct Fixture {
    requests: Arc<Requests>,
    outbox: Outbox,
    dispatcher: Dispatcher,
    sent: Sent,
    now: Now,
}

impl Fixture {
    fn new() -> Self {
        Self::with(&settings())
    }

    fn with(settings: &config::Mqtt) -> Self {
        let topics = samples::topics();
        let requests = Arc::new(Requests::new(true, true));
        let mut dispatcher = Dispatcher::new(settings, identity(), topics, Arc::clone(&requests), true);
        dispatcher.on_connect();
        let fixture = Self {
            requests,
            outbox: Outbox::new(),
            dispatcher,
            sent: Sent::default(),
            now: Now {
                monotonic: Duration::from_secs(100),
                wall: "2026-03-01T09:30:00Z".parse().unwrap(),
                date: "2026-03-01".parse().unwrap(),
            },
        };
        fixture.outbox.camera(CameraStatus::Ok, "");
        fixture.outbox.privacy(&privacy(Input::Off, Input::Off));
        fixture
    }

    /// Connected, with nothing due.
    fn live() -> Self {
        let mut fixture = Self::new();
        fixture.due().unwrap();
        fixture.sent.messages.clear();
        fixture
    }

    fn pass(&mut self, milliseconds: u64) {
        self.now.monotonic += Duration::from_millis(milliseconds);
        self.now.wall += Duration::from_millis(milliseconds);
    }

    fn due(&mut self) -> Result<Duration, Backpressure> {
        self.dispatcher.send_due(&self.outbox, self.now, &mut self.sent)
    }

    fn faces(&mut self, tracks: &[u32]) {
        let faces: Vec<_> = tracks.iter().map(|&track| face(track)).collect();
        let mut report = report(&faces);
        // The scene changes with the primary face.
        report.scene.prediction.valence = tracks.first().map(|&track| track as f32 / 10.0);
        self.outbox.report(&report, self.now.monotonic);
    }

    fn event(&mut self, track: u32) {
        let mut report = report(&[]);
        report
            .events
            .push(Event::Appeared {
                track,
                continues: None,
            })
            .unwrap();
        self.outbox.report(&report, self.now.monotonic);
    }
}

#[test]
fn the_first_messages_have_the_documented_order() {
    let mut fixture = Fixture::new();
    let wait = fixture.due().unwrap();
    assert_eq!(wait, Duration::from_secs(30), "nothing before the refresh");
    for (topic, _, retain, acknowledged) in &fixture.sent.messages {
        assert!(retain & acknowledged, "{topic}");
    }
    assert_eq!(fixture.sent.messages[0].1, "online");
    assert_eq!(
        fixture.sent.topics(),
        [
            "availability",
            "config",
            "state",
            "scene",
            "visits",
            "camera",
            "commanded",
            "privacy"
        ]
    );
    fixture.due().unwrap();
    assert!(fixture.sent.messages.is_empty(), "once is enough");
}

#[test]
fn backpressure_loses_nothing() {
    let mut fixture = Fixture::new();
    fixture.event(1);
    let mut topics = Vec::new();
    fixture.sent.room = Some(1);
    while fixture.due().is_err() {
        topics.extend(fixture.sent.topics());
    }
    topics.extend(fixture.sent.topics());
    assert_eq!(
        topics,
        [
            "availability",
            "config",
            "state",
            "scene",
            "visits",
            "camera",
            "commanded",
            "privacy",
            "event"
        ]
    );
}

#[test]
fn end_of_sensing_is_sent_at_once() {
    for in_privacy in [true, false] {
        let mut fixture = Fixture::live();
        fixture.pass(1000);
        fixture.faces(&[1]);
        fixture.due().unwrap();
        fixture.sent.messages.clear();
        fixture.pass(1);
        let topic = if in_privacy {
            fixture.outbox.privacy(&privacy(Input::Off, Input::On));
            "affectd/lobby/privacy"
        } else {
            fixture.outbox.camera(CameraStatus::Missing, "unplugged");
            "affectd/lobby/camera"
        };
        fixture.due().unwrap();
        let topics: Vec<&str> = fixture
            .sent
            .messages
            .iter()
            .map(|message| message.0.as_str())
            .collect();
        assert_eq!(topics, ["affectd/lobby/state", "affectd/lobby/scene", topic]);
        for (topic, payload, ..) in &fixture.sent.messages[..2] {
            let payload: serde_json::Value = serde_json::from_str(payload).unwrap();
            assert_eq!(payload["category"], "none", "{topic}");
            for field in ["faces", "attending", "age"] {
                assert_eq!(payload.get(field), Some(&serde_json::Value::Null), "{topic}");
            }
        }
    }
}

#[test]
fn late_events_are_dropped() {
    let mut fixture = Fixture::live();
    fixture.event(1);
    fixture.pass(4000);
    fixture.event(2);
    fixture.pass(2000);
    fixture.due().unwrap();
    let event = fixture
        .sent
        .messages
        .iter()
        .find(|message| message.0.ends_with("event"))
        .unwrap();
    assert!(
        event.1.contains(r#""track":2,"continues":null,"seq":1"#),
        "{}",
        event.1
    );
    assert!(event.1.contains("09:30:04.000Z"), "when it happened: {}", event.1);
    assert!(!event.2, "never retained");
    assert_eq!(fixture.outbox.snapshot().events_dropped, 1);
}

#[test]
fn the_last_messages_show_no_face() {
    let mut fixture = Fixture::live();
    fixture.faces(&[1]);
    fixture.due().unwrap();
    fixture.sent.messages.clear();
    fixture
        .dispatcher
        .publish_offline(&fixture.outbox, fixture.now, &mut fixture.sent)
        .unwrap();
    let payloads: Vec<&str> = fixture
        .sent
        .messages
        .iter()
        .map(|message| message.1.as_str())
        .collect();
    assert!(payloads[0].contains(r#""category":"none""#) && payloads[0].contains(r#""faces":null"#));
    assert!(payloads[1].starts_with(r#"{"faces":null,"#), "{}", payloads[1]);
    assert!(payloads[2].contains(r#""status":"disabled","reason":"stopped""#));
    assert_eq!(payloads[3..], ["stopped"]);
}

#[test]
fn the_last_messages_keep_the_reason_why_the_camera_cannot_be_used() {
    let mut fixture = Fixture::live();
    fixture
        .outbox
        .camera(CameraStatus::Unsupported, "it gives raw Bayer data");
    fixture
        .dispatcher
        .publish_offline(&fixture.outbox, fixture.now, &mut fixture.sent)
        .unwrap();
    let published = |text: &str| {
        fixture
            .sent
            .messages
            .iter()
            .any(|message| message.1.contains(text))
    };
    assert!(published("it gives raw Bayer data") && published("stopped") && !published("disabled"));
}

#[test]
fn without_a_broker_nothing_is_kept_for_later() {
    let topics = samples::topics();
    let mut fixture = Fixture::new();
    fixture.dispatcher = Dispatcher::new(&settings(), identity(), topics, Arc::default(), false);
    fixture.dispatcher.on_connect();
    fixture.due().unwrap();
    assert_eq!(
        fixture.sent.topics(),
        ["availability", "state", "scene", "visits", "camera", "privacy"]
    );
}

#[test]
fn without_a_broker_faces_are_always_included() {
    let settings = config::Mqtt {
        faces: false,
        ..settings()
    };
    let mut fixture = Fixture::new();
    let topics = samples::topics();
    fixture.dispatcher = Dispatcher::new(&settings, identity(), topics, Arc::default(), false);
    fixture.dispatcher.on_connect();
    fixture.due().unwrap();
    fixture.sent.messages.clear();
    fixture.pass(1000);
    fixture.faces(&[1]);
    fixture.due().unwrap();
    assert!(fixture.sent.topics().contains(&"1".to_owned()));
}

#[test]
fn visits_are_published_when_they_change_and_at_midnight() {
    let mut fixture = Fixture::live();
    let visit = |fixture: &mut Fixture, count| {
        let mut report = report(&[]);
        report.visits.day = Some("2026-03-01".parse().unwrap());
        report.visits.today.visits = count;
        report.visits.since_start.visits = count;
        fixture.outbox.report(&report, fixture.now.monotonic);
        fixture.due().unwrap();
    };
    let counts = |fixture: &mut Fixture| {
        let visits = fixture.sent.messages.iter();
        let visits = visits.filter(|message| message.0 == "affectd/lobby/visits");
        let counts: Vec<(u64, u64)> = visits
            .map(|message| {
                assert!(message.2 & message.3, "retained and acknowledged");
                let payload: serde_json::Value = serde_json::from_str(&message.1).unwrap();
                let count = |period: &str| payload[period]["visits"].as_u64().unwrap();
                (count("since_start"), count("today"))
            })
            .collect();
        fixture.sent.messages.clear();
        counts
    };
    fixture.pass(1000);
    for count in [1, 2] {
        visit(&mut fixture, count);
        assert_eq!(counts(&mut fixture), [(count, count)], "few visits, at once");
    }
    for count in [3, 4] {
        fixture.pass(100_000);
        visit(&mut fixture, count);
        assert_eq!(counts(&mut fixture), [], "many visits, every five minutes");
    }
    fixture.pass(100_000);
    visit(&mut fixture, 4);
    visit(&mut fixture, 4);
    assert_eq!(counts(&mut fixture), [(4, 4)]);
    fixture.pass(300_000);
    fixture.now.date = "2026-03-02".parse().unwrap();
    fixture.due().unwrap();
    assert_eq!(counts(&mut fixture), [(4, 0)], "without a frame on the new day");
}

#[test]
fn health_is_retained_and_sent_again_after_a_connection() {
    let mut fixture = Fixture::live();
    fixture.outbox.health(&crate::health::Health::default());
    for _ in 0..2 {
        fixture.due().unwrap();
        let health = fixture.sent.messages.iter();
        let retained: Vec<bool> = health
            .filter(|message| message.0 == "affectd/lobby/health")
            .map(|message| message.2)
            .collect();
        assert_eq!(retained, [true]);
        fixture.sent.messages.clear();
        fixture.due().unwrap();
        assert!(fixture.sent.messages.is_empty(), "once is enough");
        fixture.dispatcher.on_connect();
    }
}

#[test]
fn faces_can_be_left_out() {
    let mut fixture = Fixture::with(&config::Mqtt {
        faces: false,
        ..settings()
    });
    fixture.due().unwrap();
    fixture.sent.messages.clear();
    fixture.pass(1000);
    fixture.faces(&[1, 2]);
    assert_eq!(
        fixture.due(),
        Ok(Duration::from_secs(30)),
        "no face is waited for"
    );
    assert_eq!(fixture.sent.topics(), ["state", "scene"]);
}

#[test]
fn without_discovery_the_device_is_withdrawn() {
    let mut fixture = Fixture::with(&config::Mqtt {
        discovery: false,
        ..settings()
    });
    fixture.due().unwrap();
    let (topic, payload, retain, acknowledged) = &fixture.sent.messages[1];
    assert_eq!(
        (topic.as_str(), payload.as_str()),
        ("homeassistant/device/lobby/config", "")
    );
    assert!(retain & acknowledged);
}

#![allow(clippy::unwrap_used)]
//! Tests of the parent module, over a sink that keeps what it is given.

use super::*;
use crate::{
    privacy::Switch,
    publish::samples::{face, identity, report, settings},
    sense::face::Event,
};

#[derive(Default)]
struct Kept {
    messages: Vec<(String, String, bool, bool)>,
    room: Option<usize>,
}

impl Kept {
    /// Last topic levels in order, and empties.
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

impl Sink for Kept {
    fn send(&mut self, message: Message<'_>) -> Result<(), Full> {
        if self.room.is_some_and(|room| self.messages.len() >= room) {
            return Err(Full);
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

struct Desk {
    outbox: Outbox,
    dispatcher: Dispatcher,
    kept: Kept,
    now: Now,
}

impl Desk {
    fn new() -> Self {
        let topics = crate::publish::samples::topics();
        let mut dispatcher = Dispatcher::new(&settings(), identity(), topics, true);
        dispatcher.greet();
        let desk = Self {
            outbox: Outbox::new(),
            dispatcher,
            kept: Kept::default(),
            now: Now {
                monotonic: Duration::from_secs(100),
                wall: "2026-03-01T09:30:00Z".parse().unwrap(),
            },
        };
        desk.outbox.camera(CameraStatus::Ok, "");
        desk
    }

    /// Greeted and quiet.
    fn live() -> Self {
        let mut desk = Self::new();
        desk.due().unwrap();
        desk.kept.messages.clear();
        desk
    }

    fn pass(&mut self, milliseconds: u64) {
        self.now.monotonic += Duration::from_millis(milliseconds);
        self.now.wall += Duration::from_millis(milliseconds);
    }

    fn due(&mut self) -> Result<Duration, Full> {
        self.dispatcher.send_due(&self.outbox, self.now, &mut self.kept)
    }

    fn faces(&mut self, tracks: &[u32]) {
        let faces: Vec<_> = tracks.iter().map(|&track| face(track)).collect();
        self.outbox.report(&report(&faces), self.now.monotonic);
    }

    fn event(&mut self, track: u32) {
        let mut report = report(&[]);
        report.events.push(Event::Appeared { track }).unwrap();
        self.outbox.report(&report, self.now.monotonic);
    }
}

#[test]
fn the_greeting_has_the_contracts_order() {
    let mut desk = Desk::new();
    let wait = desk.due().unwrap();
    assert_eq!(wait, Duration::from_secs(30), "nothing before the refresh");
    for (topic, _, retain, acknowledged) in &desk.kept.messages {
        assert!(retain & acknowledged, "{topic}");
    }
    assert_eq!(desk.kept.messages[0].1, "online");
    assert_eq!(
        desk.kept.topics(),
        ["availability", "config", "state", "camera", "privacy"]
    );
    desk.due().unwrap();
    assert!(desk.kept.messages.is_empty(), "once is enough");
}

#[test]
fn a_full_sink_loses_nothing() {
    let mut desk = Desk::new();
    desk.event(1);
    let mut topics = Vec::new();
    desk.kept.room = Some(1);
    while desk.due().is_err() {
        topics.extend(desk.kept.topics());
    }
    topics.extend(desk.kept.topics());
    assert_eq!(
        topics,
        ["availability", "config", "state", "camera", "privacy", "event"]
    );
}

#[test]
fn the_rate_is_kept_per_topic() {
    let mut desk = Desk::live();
    let mut sent = Vec::new();
    for frame in 0..300_u32 {
        // 30 frames a second for ten seconds; who is primary changes each time.
        desk.faces(if frame % 2 == 0 { &[1, 2] } else { &[2, 1] });
        desk.due().unwrap();
        sent.extend(desk.kept.topics());
        desk.pass(33);
    }
    for topic in ["state", "1", "2"] {
        let count = sent.iter().filter(|sent| *sent == topic).count();
        assert!(
            (40..=50).contains(&count),
            "{topic}: {count} in 9.9 s at 5 a second"
        );
    }
}

#[test]
fn a_quiet_state_is_only_refreshed() {
    let mut desk = Desk::live();
    let mut states = 0;
    for _ in 0..600 {
        desk.faces(&[]);
        desk.due().unwrap();
        states += desk.kept.topics().len();
        desk.pass(100);
    }
    assert!(
        (1..=2).contains(&states),
        "{states} messages in a minute of nothing"
    );
}

#[test]
fn a_wait_ends_when_the_next_message_is_due() {
    let mut desk = Desk::live();
    desk.pass(1000);
    desk.faces(&[1]);
    assert_eq!(desk.due(), Ok(Duration::from_secs(30)));
    desk.pass(50);
    desk.faces(&[2, 1]);
    let wait = desk.due().unwrap();
    assert_eq!(wait, Duration::from_millis(150));
    assert_eq!(desk.kept.topics(), ["state", "1", "2"]);
    desk.pass(150);
    desk.due().unwrap();
    assert_eq!(desk.kept.topics(), ["state", "1"]);
}

#[test]
fn losing_sight_is_told_at_once() {
    for privacy in [true, false] {
        let mut desk = Desk::live();
        desk.pass(1000);
        desk.faces(&[1]);
        desk.due().unwrap();
        desk.kept.messages.clear();
        desk.pass(1);
        let topic = if privacy {
            desk.outbox.switch(&Switch::On);
            "affectd/lobby/privacy"
        } else {
            desk.outbox.camera(CameraStatus::Missing, "unplugged");
            "affectd/lobby/camera"
        };
        desk.due().unwrap();
        let (state, other) = (&desk.kept.messages[0], &desk.kept.messages[1]);
        assert_eq!(
            (state.0.as_str(), other.0.as_str()),
            ("affectd/lobby/state", topic)
        );
        assert!(
            state.1.contains(r#""category":"none""#) && state.1.contains(r#""age":null"#),
            "{}",
            state.1
        );
    }
}

#[test]
fn late_events_are_dropped() {
    let mut desk = Desk::live();
    desk.event(1);
    desk.pass(4000);
    desk.event(2);
    desk.pass(2000);
    desk.due().unwrap();
    let event = desk
        .kept
        .messages
        .iter()
        .find(|message| message.0.ends_with("event"))
        .unwrap();
    assert!(event.1.contains(r#""track":2,"seq":1"#), "{}", event.1);
    assert!(event.1.contains("09:30:04.000Z"), "when it happened: {}", event.1);
    assert!(!event.2, "never retained");
    assert_eq!(desk.outbox.current().events_dropped, 1);
}

#[test]
fn the_age_grows_when_nothing_new_comes() {
    let mut desk = Desk::live();
    let mut report = report(&[face(1)]);
    report.captured = desk.now.monotonic;
    desk.pass(500);
    desk.outbox.report(&report, desk.now.monotonic);
    desk.due().unwrap();
    desk.pass(30_000);
    desk.due().unwrap();
    let ages: Vec<bool> = ["\"age\":0.5", "\"age\":30.5"]
        .iter()
        .map(|age| desk.kept.messages.iter().any(|message| message.1.contains(age)))
        .collect();
    assert_eq!(ages, [true, true], "{:?}", desk.kept.messages);
}

#[test]
fn home_assistant_is_answered_at_most_once_a_second() {
    let mut desk = Desk::live();
    let mut sent = Vec::new();
    for _ in 0..100 {
        desk.dispatcher.announce();
        desk.due().unwrap();
        sent.extend(desk.kept.topics());
        desk.pass(30);
    }
    let discoveries = sent.iter().filter(|topic| *topic == "config").count();
    assert!((2..=3).contains(&discoveries), "{discoveries} in three seconds");
}

#[test]
fn the_farewell_forgets_the_face() {
    let mut desk = Desk::live();
    desk.faces(&[1]);
    desk.due().unwrap();
    desk.kept.messages.clear();
    desk.dispatcher
        .farewell(&desk.outbox, desk.now, &mut desk.kept)
        .unwrap();
    assert!(desk.kept.messages[0].1.contains(r#""category":"none""#));
    assert!(
        desk.kept.messages[1]
            .1
            .contains(r#""status":"disabled","reason":"stopped""#)
    );
    assert_eq!(desk.kept.messages[2].1, "stopped");
}

#[test]
fn the_farewell_leaves_the_reason_why_the_camera_cannot_be_used() {
    let mut desk = Desk::live();
    desk.outbox
        .camera(CameraStatus::Unsupported, "it gives raw Bayer data");
    desk.dispatcher
        .farewell(&desk.outbox, desk.now, &mut desk.kept)
        .unwrap();
    let told = |text: &str| desk.kept.messages.iter().any(|message| message.1.contains(text));
    assert!(told("it gives raw Bayer data") && told("stopped") && !told("disabled"));
}

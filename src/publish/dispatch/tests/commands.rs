//! Answers to commands.

use super::*;

#[test]
fn an_unknown_command_is_not_recorded_and_a_known_one_before_it_is_answered() {
    let mut fixture = Fixture::live();
    fixture
        .outbox
        .privacy(&privacy(Input::Unreadable("refused".into()), Input::Off));
    fixture.due().unwrap();
    assert_eq!(fixture.sent.topics(), ["state", "scene", "privacy"]);
    fixture.outbox.privacy(&privacy(Input::On, Input::Off));
    fixture.due().unwrap();
    let (topic, payload, retain, acknowledged) = &fixture.sent.messages[0];
    assert_eq!(
        (topic.as_str(), payload.as_str()),
        ("affectd/lobby/privacy/commanded", "ON")
    );
    assert!(retain & acknowledged);
    assert_eq!(fixture.sent.topics(), ["commanded", "privacy"]);
}

#[test]
fn a_command_is_answered_and_its_rate_is_in_force() {
    let mut fixture = Fixture::live();
    fixture.outbox.health(&crate::health::Health::default());
    fixture.due().unwrap();
    fixture.sent.messages.clear();
    let now = fixture.now.monotonic;
    let payload = br#"{"id": 7, "command": "rate", "value": 0.5}"#;
    fixture.dispatcher.command(payload, false, now);
    fixture.due().unwrap();
    let (topic, payload, retain, acknowledged) = &fixture.sent.messages[0];
    assert_eq!(topic, "affectd/lobby/result");
    let start = r#"{"id":7,"command":"rate","ok":true,"error":null,"boot":"#;
    assert!(payload.starts_with(start), "{payload}");
    assert!(!retain & acknowledged);
    assert!(fixture.requests.take_health(), "a health report is asked for");
    fixture.outbox.health(&crate::health::Health::default());
    fixture.sent.messages.clear();
    fixture.due().unwrap();
    let (topic, payload, ..) = &fixture.sent.messages[0];
    assert_eq!(topic, "affectd/lobby/health");
    assert!(payload.contains(r#""rate":0.5"#), "{payload}");
    fixture.sent.messages.clear();
    fixture.pass(5000);
    let states = |fixture: &mut Fixture, track| {
        fixture.faces(&[track]);
        fixture.due().unwrap();
        let topics = fixture.sent.topics();
        topics.iter().filter(|topic| *topic == "state").count()
    };
    for track in 1..=3 {
        assert_eq!(states(&mut fixture, track), 1, "a burst");
    }
    fixture.pass(1900);
    assert_eq!(states(&mut fixture, 4), 0, "then one every two seconds");
    fixture.pass(100);
    assert_eq!(states(&mut fixture, 4), 1);
}

#[test]
fn the_answer_to_restart_comes_before_the_end() {
    let mut fixture = Fixture::live();
    let now = fixture.now.monotonic;
    fixture
        .dispatcher
        .command(br#"{"command": "restart"}"#, false, now);
    assert!(fixture.requests.take_restart());
    fixture
        .dispatcher
        .publish_offline(&fixture.outbox, fixture.now, &mut fixture.sent)
        .unwrap();
    let topics = fixture.sent.topics();
    assert_eq!(topics, ["result", "state", "scene", "camera", "availability"]);
}

#[test]
fn answers_that_cannot_be_sent_are_bounded() {
    let mut fixture = Fixture::live();
    fixture.sent.room = Some(0);
    for second in 0..100 {
        let now = Duration::from_secs(1000 + second);
        let payload = format!(r#"{{"id": {second}, "command": "health"}}"#);
        fixture.dispatcher.command(payload.as_bytes(), false, now);
    }
    fixture.sent.room = None;
    fixture.due().unwrap();
    let answers = fixture.sent.messages.iter();
    let answers: Vec<&String> = answers
        .filter(|message| message.0.ends_with("/result"))
        .map(|message| &message.1)
        .collect();
    assert_eq!(answers.len(), MAX_ANSWERS);
    assert!(answers[7].contains(r#""id":99,"#), "the newest stay");
}

#[test]
fn a_flood_of_privacy_commands_is_answered_a_few_times() {
    let mut fixture = Fixture::live();
    let command = |fixture: &Fixture, input| fixture.outbox.privacy(&privacy(input, Input::Off));
    let answers = |fixture: &Fixture| {
        let messages = fixture.sent.messages.iter();
        let answers = messages.filter(|message| message.0 == "affectd/lobby/privacy");
        answers.map(|message| message.1.clone()).collect::<Vec<_>>()
    };
    // For ten seconds.
    for round in 0..1000 {
        command(&fixture, if round % 2 == 0 { Input::On } else { Input::Off });
        fixture.due().unwrap();
        fixture.pass(10);
    }
    let flood = answers(&fixture).len();
    assert!((10..=45).contains(&flood), "{flood}");

    let wait = fixture.due().unwrap();
    assert!(wait <= Duration::from_secs(2), "{wait:?}");
    fixture.pass(2000);
    fixture.due().unwrap();
    assert_eq!(answers(&fixture).last().unwrap(), "OFF");
    // Privacy is never delayed.
    for _ in 0..8 {
        command(&fixture, Input::On);
        fixture.due().unwrap();
        assert_eq!(answers(&fixture).last().unwrap(), "ON");
        command(&fixture, Input::Off);
        fixture.due().unwrap();
    }
}

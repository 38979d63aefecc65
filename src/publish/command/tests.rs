#![allow(clippy::unwrap_used)]
//! Tests of the parent module.

use super::{parse::MAX_BYTES, *};

const NOW: Duration = Duration::from_secs(100);

fn commands() -> (Commands, Arc<Requests>) {
    let requests = Arc::new(Requests::new(true, true));
    (Commands::new(Arc::clone(&requests)), requests)
}

/// The answer to a single command.
fn answer(payload: impl AsRef<[u8]>) -> Answer {
    commands().0.take(payload.as_ref(), false, NOW).unwrap().answer
}

fn carried_out(id: Option<Id>, command: &'static str) -> Answer {
    Answer {
        id,
        command: Some(command),
        error: None,
    }
}

#[test]
fn commands_are_carried_out_and_answered() {
    let (mut commands, requests) = commands();
    let mut take = |payload: &str| commands.take(payload.as_bytes(), false, NOW).unwrap();
    let outcome = take(r#"{"id": "7", "command": "identify"}"#);
    assert_eq!(
        outcome.answer,
        carried_out(Some(Id::Text("7".into())), "identify")
    );
    assert!(requests.take_identify());
    let outcome = take(r#"{"id": 7, "command": "restart", "value": null}"#);
    assert_eq!(outcome.answer, carried_out(Some(Id::Number(7)), "restart"));
    assert!(requests.take_restart());
    assert_eq!(
        take(r#"{"command": "health"}"#).answer,
        carried_out(None, "health")
    );
    assert!(requests.take_health());
    let outcome = take(r#"{"command": "rate", "value": 2}"#);
    assert_eq!(outcome.answer, carried_out(None, "rate"));
    assert_eq!(outcome.rate.unwrap().per_second(), 2.0);
    assert!(requests.take_health(), "the health reports the rate");
}

#[test]
fn an_invalid_command_gives_an_error_only() {
    for (payload, error) in [
        ("restart", "found invalid JSON (expected value"),
        ("\"restart\"", "a JSON object"),
        ("[]", "a JSON object"),
        (
            "{}",
            "command: found nothing; allowed: identify, restart, health or rate",
        ),
        (r#"{"command": 1}"#, "command: found \"1\""),
        (r#"{"command": "Restart"}"#, "command: found \"Restart\""),
        (
            r#"{"command": "restart", "when": "now"}"#,
            "found the field \"when\"",
        ),
        (
            r#"{"command": "restart", "value": 1}"#,
            "value: found \"1\"; allowed: none",
        ),
        (
            r#"{"command": "rate"}"#,
            "value: found nothing; allowed: a number from 0.1 to 60",
        ),
        (r#"{"command": "rate", "value": "2"}"#, "value: found"),
        (r#"{"command": "rate", "value": 0}"#, "value: found \"0\""),
        (r#"{"command": "rate", "value": 61}"#, "value: found \"61\""),
        (r#"{"command": "rate", "value": 1e999}"#, "out of range"),
        (r#"{"id": 1.5, "command": "restart"}"#, "id: found \"1.5\""),
        (r#"{"id": [], "command": "restart"}"#, "id: found"),
    ] {
        let (mut commands, requests) = commands();
        let outcome = commands.take(payload.as_bytes(), false, NOW).unwrap();
        let message = outcome.answer.error.unwrap();
        assert!(message.contains(error), "{payload}: {message}");
        assert_eq!(outcome.rate, None, "{payload}");
        assert!(!requests.take_restart(), "{payload}");
    }
}

#[test]
fn a_refusal_names_the_command_and_its_id() {
    let refused = answer(r#"{"id": "a", "command": "rate", "value": 0}"#);
    assert_eq!(
        (refused.id, refused.command),
        (Some(Id::Text("a".into())), Some("rate"))
    );
    let refused = answer(r#"{"id": 3, "command": "reboot"}"#);
    assert_eq!((refused.id, refused.command), (Some(Id::Number(3)), None));
}

#[test]
fn sizes_are_limited() {
    let padded = |bytes: usize| {
        let mut payload = br#"{"command": "health"}"#.to_vec();
        payload.resize(bytes, b' ');
        payload
    };
    assert_eq!(answer(padded(MAX_BYTES)).error, None);
    let error = answer(padded(MAX_BYTES + 1)).error.unwrap();
    assert_eq!(error, "found 4097 bytes; allowed: up to 4096");
    let id = |length: usize| format!(r#"{{"id": "{}", "command": "health"}}"#, "é".repeat(length));
    assert_eq!(answer(id(64)).error, None);
    assert!(answer(id(65)).error.is_some());
    // The error quotes what was found, so its length is limited too.
    let name = "x".repeat(3000);
    let error = answer(format!(r#"{{"command": "{name}"}}"#)).error.unwrap();
    assert!(error.chars().count() <= MAX_ERROR + 1, "{error}");
    let nested = format!("{}{}", "[".repeat(2000), "]".repeat(2000));
    assert!(answer(nested).error.unwrap().contains("recursion"));
}

#[test]
fn commands_that_come_too_fast_are_refused_once_and_then_ignored() {
    let (mut commands, requests) = commands();
    let mut answers = Vec::new();
    for _ in 0..100 {
        let outcome = commands.take(br#"{"command": "health"}"#, false, NOW);
        answers.push(outcome.map(|outcome| outcome.answer.error.is_none()));
    }
    assert_eq!(answers[..5], [Some(true); 5]);
    assert_eq!(answers[5], Some(false));
    assert!(answers[6..].iter().all(Option::is_none));
    requests.take_health();
    let later = commands.take(br#"{"command": "health"}"#, false, NOW + Duration::from_secs(1));
    assert_eq!(later.unwrap().answer.error, None);
}

#[test]
fn an_empty_message_clears_a_retained_command_and_is_not_answered() {
    let (mut commands, _) = commands();
    assert_eq!(commands.take(b"", false, NOW), None);
}

#[test]
fn a_retained_command_is_not_carried_out() {
    let (mut commands, requests) = commands();
    assert_eq!(commands.take(br#"{"command": "restart"}"#, true, NOW), None);
    assert!(!requests.take_restart());
}

#[test]
fn unsupported_commands_are_refused() {
    let requests = Arc::new(Requests::new(false, false));
    let mut commands = Commands::new(Arc::clone(&requests));
    for (command, reason) in [("identify", "gpio.led"), ("restart", "service manager")] {
        let payload = format!(r#"{{"command": "{command}"}}"#);
        let answer = commands.take(payload.as_bytes(), false, NOW).unwrap().answer;
        assert_eq!(answer.command, Some(command));
        assert!(answer.error.unwrap().contains(reason));
    }
    assert!(!requests.take_identify() && !requests.take_restart());
}

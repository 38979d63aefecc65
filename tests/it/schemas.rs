//! Every payload of the daemon against the published schemas.

use std::{collections::BTreeSet, path::Path, process::Stdio};

use serde_json::Value;

use crate::common::{
    daemon::{affectd, clip},
    schemas::{except, fault},
};

#[test]
fn every_message_about_the_bundled_clip_is_valid() {
    let path = format!("camera.path={}", clip());
    let models = format!(
        "models={}",
        Path::new(env!("CARGO_MANIFEST_DIR")).join("models").display()
    );
    let settings = [
        "device=lobby",
        &*path,
        &*models,
        "camera.source=files",
        "camera.rate=10",
        "mqtt.faces=true",
        "mqtt.health_s=1",
        "visit.present_s=1",
        "visit.gap_s=0.5",
    ];
    let mut arguments = vec!["run", "--log-level", "error"];
    for setting in settings {
        arguments.extend(["--set", setting]);
    }
    let output = affectd(&arguments).stderr(Stdio::inherit()).output().unwrap();
    assert!(output.status.success());
    let mut topics = BTreeSet::new();
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let message: Value = serde_json::from_str(line).unwrap();
        let (topic, payload) = (message["topic"].as_str().unwrap(), &message["payload"]);
        if payload.is_object() {
            assert_eq!(fault(topic, payload.to_string().as_bytes()), None);
        }
        let level = topic.split('/').nth(2).unwrap();
        let event = payload["event"].as_str().unwrap_or_default();
        topics.insert(format!("{level} {event}").trim().to_owned());
    }
    let expected = [
        "availability",
        "camera",
        "event appeared",
        "event changed",
        "event left",
        "event present",
        "face",
        "health",
        "privacy",
        "scene",
        "state",
        "visits",
    ];
    assert_eq!(topics.iter().map(String::as_str).collect::<Vec<_>>(), expected);
}

#[test]
fn the_schemas_refuse_what_is_not_documented() {
    let valid = r#"{"status":"ok","reason":"","boot":"00c0ffee00c0ffee","time":"2026-03-01T09:30:00.250Z"}"#;
    let camera = |text: &str| fault("affectd/lobby/camera", text.as_bytes());
    assert_eq!(camera(valid), None);
    for (from, to) in [
        ("\"ok\"", "\"fine\""),
        ("\"reason\":\"\",", ""),
        ("\"reason\"", "\"more\":1,\"reason\""),
        ("2026-03-01T", "yesterday"),
        ("}", ""),
    ] {
        let invalid = valid.replace(from, to);
        assert!(camera(&invalid).is_some(), "{invalid}");
    }
    except("affectd/lobby/camera", b"of a test");
    assert_eq!(camera("of a test"), None);
    for command in [
        r#"{"command": "identify"}"#,
        r#"{"id": 7, "command": "rate", "value": 2.5}"#,
    ] {
        assert_eq!(fault("affectd/lobby/command", command.as_bytes()), None);
    }
    for command in [
        r#"{"command": "rate"}"#,
        r#"{"command": "health", "value": 1}"#,
        r#"{"id": 7}"#,
    ] {
        assert!(
            fault("affectd/lobby/command", command.as_bytes()).is_some(),
            "{command}"
        );
    }
}

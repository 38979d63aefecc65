//! `affectd check` and `affectd latency` against a real broker: connection problems are diagnosed before the
//! daemon runs.

use crate::common::{broker, daemon, models, watcher::Seen};
use std::{
    io::{Read, Write},
    net::{Ipv4Addr, TcpListener},
    path::Path,
    process::Output,
    thread,
    time::{Duration, Instant},
};

use broker::Broker;
use daemon::{data, output};
use serde_json::Value;

/// Runs a command with photographs as the camera, the broker's settings and additional ones.
fn run(broker: &Broker, models: &Path, command: &[&str], more: &[&str]) -> Output {
    let mut settings = vec![
        "device=lobby".to_owned(),
        format!("models={}", models.display()),
        format!("expression.model={}", models::TINY),
        "camera.source=files".to_owned(),
        format!("camera.path={}", data("pictures/astronaut.jpg")),
        "camera.repeat=true".to_owned(),
    ];
    settings.extend(broker.overrides());
    settings.extend(more.iter().map(|setting| (*setting).to_owned()));
    let mut arguments = command.to_vec();
    for setting in &settings {
        arguments.extend(["--set", setting]);
    }
    output(&arguments)
}

/// Returns `check`'s line about the broker, and its exit code.
fn verdict(broker: &Broker, models: &Path, more: &[&str]) -> (String, Option<i32>) {
    let output = run(broker, models, &["check"], more);
    let text = String::from_utf8(output.stdout).unwrap();
    let line = text.lines().find(|line| line.starts_with("broker"));
    let line = line.unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    let words: Vec<&str> = line.split_whitespace().skip(1).collect();
    (words.join(" "), output.status.code())
}

/// A server that answers everything as web servers answer what is not HTTP. Returns its port.
fn web_server() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for client in listener.incoming() {
            let mut client = client.unwrap();
            let _ = client.read(&mut [0; 4096]);
            let _ = client.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
        }
    });
    port
}

/// A port without a listener.
fn closed_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap().port()
}

#[test]
fn check_asks_one_question_and_leaves_nothing_behind() {
    let (broker, models) = (Broker::start(), models::folder());
    let watcher = broker.watch();
    let (line, code) = verdict(&broker, models.path(), &[]);
    let start = format!("ok mqtts://localhost:{} (", broker.port);
    assert!(
        line.starts_with(&start) && line.contains("accepts this device"),
        "{line}"
    );
    assert_eq!(code, Some(0));
    let messages = watcher.messages();
    let is_question = |message: &Seen| message.topic == "affectd/lobby/privacy/commanded" && !message.retain;
    let is_result = |message: &Seen| message.topic == "affectd/lobby/result" && !message.retain;
    assert!(
        messages.len() == 2 && messages.iter().any(is_question) && messages.iter().any(is_result),
        "a check publishes one question, which nobody obeys, one result without a command, and no will: {messages:?}"
    );
}

/// Runs `check` with each of these settings, which fails with these words.
fn assert_failures(broker: &Broker, cases: &[(&[&str], &str)]) {
    let models = models::folder();
    let watcher = broker.watch();
    for (settings, expected) in cases {
        let begun = Instant::now();
        let (line, code) = verdict(broker, models.path(), settings);
        assert!(
            line.starts_with("FAILED") && line.contains(expected),
            "{settings:?}: {line}"
        );
        assert_eq!(code, Some(69), "{settings:?}: {line}");
        assert!(!line.contains("horse"), "the password is not printed: {line}");
        assert!(
            begun.elapsed() < Duration::from_secs(30),
            "{settings:?} took {:?}",
            begun.elapsed()
        );
    }
    assert!(watcher.messages().is_empty());
}

#[test]
fn check_reports_what_is_wrong_with_the_broker() {
    let broker = Broker::start();
    // A port without a listener, and one whose listener never answers.
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let silent_port = format!("mqtt.port={}", silent.local_addr().unwrap().port());
    let closed_port = format!("mqtt.port={}", closed_port());
    let other_authority = format!("mqtt.ca_file={}", broker.path("other-ca.pem").display());
    assert_failures(
        &broker,
        &[
            (&["mqtt.host=nowhere.invalid"], "its name is not known here"),
            (&[&closed_port], "does the broker run there"),
            (
                &["mqtt.host=127.0.0.1", &silent_port],
                "is mqtt.tls right for it?",
            ),
            (
                &["mqtt.tls=false", "mqtt.ca_file="],
                "is this a broker's port, and are mqtt.tls and mqtt.websocket_path right for it?",
            ),
            (&[&other_authority], "must be signed by one of the authorities in"),
            (
                &["mqtt.host=127.0.0.1"],
                "its certificate must have a subjectAltName for mqtt.host, 127.0.0.1",
            ),
        ],
    );
}

#[test]
fn check_reports_what_is_wrong_with_the_credentials() {
    let broker = Broker::start();
    let wrong_password = format!("mqtt.password_file={}", broker.path("wrong-password").display());
    assert_failures(
        &broker,
        &[
            (&[&wrong_password], ": check mqtt.username and mqtt.password_file"),
            (
                &["mqtt.username=", "mqtt.password_file="],
                "refuses the credentials (not authorized): no user name was sent",
            ),
            (
                &["mqtt.password_file="],
                "refuses the credentials (not authorized): no password was sent",
            ),
        ],
    );
}

#[test]
fn check_reports_a_file_that_cannot_be_read() {
    let (broker, models) = (Broker::start(), models::folder());
    let (line, code) = verdict(&broker, models.path(), &["mqtt.ca_file=/nonexistent/ca.pem"]);
    assert!(
        line.contains("mqtt.ca_file /nonexistent/ca.pem cannot be read"),
        "{line}"
    );
    assert_eq!(code, Some(78));
}

#[test]
fn check_names_what_answers_instead_of_a_broker() {
    let (broker, models) = (Broker::without_tls(), models::folder());
    let port = format!("mqtt.port={}", web_server());
    let plain = [
        "mqtt.host=127.0.0.1",
        "mqtt.tls=false",
        "mqtt.ca_file=",
        "mqtt.username=",
        "mqtt.password_file=",
        &port,
    ];
    let (line, code) = verdict(&broker, models.path(), &plain);
    let words =
        "an HTTP server answers, not MQTT: if it is a broker's port for WebSocket, set mqtt.websocket_path";
    assert!(line.starts_with("FAILED") && line.contains(words), "{line}");
    assert_eq!(code, Some(69));
}

#[test]
fn latency_is_measured_to_a_subscriber() {
    let (broker, models) = (Broker::start(), models::folder());
    let latency = |more: &[&str]| {
        run(
            &broker,
            models.path(),
            &["latency", "--seconds", "4", "--json"],
            more,
        )
    };
    let output = latency(&["mqtt.rate=5"]);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let object: Value = serde_json::from_slice(&output.stdout).unwrap();
    let number = |pointer: &str| object.pointer(pointer).unwrap().as_f64().unwrap();
    // Holds on slow machines too: the face is seen, and states are published at most five times a second.
    assert!(number("/frames") >= 1.0 && number("/faces") >= 1.0, "{object}");
    let messages = number("/subscriber/messages");
    assert!(
        (1.0..=5.0 * number("/seconds") + 2.0).contains(&messages),
        "{object}"
    );
    // A state reaches its subscriber only after its frame was sensed.
    assert!(
        number("/subscriber/p50_ms") > number("/stages/decode/p50_ms"),
        "{object}"
    );
    assert!(
        number("/subscriber/p95_ms") <= number("/subscriber/max_ms"),
        "{object}"
    );
    assert!(
        number("/stages/total/p50_ms") > number("/stages/decode/p50_ms"),
        "{object}"
    );
    assert_eq!(
        object["no_budget"].as_str().unwrap(),
        "no budget: the budgets hold for the default models only"
    );
    // It publishes `stopped`, like the daemon.
    assert_eq!(broker.retained_at("affectd/lobby/availability"), "stopped");

    // Without a configured broker only the stages are measured; an unreachable broker is an immediate error.
    let object: Value = serde_json::from_slice(&latency(&["mqtt.host="]).stdout).unwrap();
    assert_eq!(object["subscriber"], Value::Null);
    assert!(object["frames"].as_f64().unwrap() >= 1.0, "{object}");
    let output = latency(&["mqtt.host=nowhere.invalid"]);
    assert_eq!(output.status.code(), Some(69));
}

//! The publisher in its own process: one that is killed, and one that writes to standard output.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use affectd::{config::Mqtt, sense::face::Category};
use serde_json::Value;

use crate::common::{
    broker::{self, Broker, until},
    publisher::{AVAILABILITY, CAMERA, Daemon, PRIVACY, SCENE, STATE, VISITS, logged, showing},
};

#[test]
fn a_killed_daemon_is_offline() {
    let broker = Broker::start();
    let mut child = Reexecuted::start(&format!("{} {}", broker.port, broker.folder().display()));
    until("the child is online", || {
        broker.retained_at(STATE).contains(&showing(Category::Happiness))
    });
    assert_eq!(broker.retained_at(AVAILABILITY), "online");
    child.0.kill().unwrap();
    until("the last will", || broker.retained_at(AVAILABILITY) == "offline");
}

#[test]
fn without_a_broker_lines_go_to_standard_output() {
    let mut child = Reexecuted::start("stdout");
    let mut output = BufReader::new(child.0.stdout.take().unwrap());
    let mut topics = Vec::new();
    while !topics.contains(&"affectd/lobby/face/7".to_owned()) {
        let mut line = String::new();
        assert_ne!(
            output.read_line(&mut line).unwrap(),
            0,
            "ended early; saw {topics:?}"
        );
        // The test harness also writes there; on one core, on the same line before the first message.
        let start = line.find('{').unwrap_or(0);
        if let Ok(message) = serde_json::from_str::<Value>(&line[start..]) {
            assert!(!message["payload"].is_null());
            topics.push(message["topic"].as_str().unwrap().to_owned());
        }
    }
    assert_eq!(topics[..6], [AVAILABILITY, STATE, SCENE, VISITS, CAMERA, PRIVACY]);
    drop(output);
    let mut errors = BufReader::new(child.0.stderr.take().unwrap()).lines();
    assert!(
        errors.any(|line| line.unwrap().contains("still alive")),
        "ended with its reader"
    );
}

/// This test binary again, as a process that can be killed.
struct Reexecuted(Child);

const CHILD: &str = "AFFECTD_TEST_CHILD";

impl Reexecuted {
    fn start(argument: &str) -> Self {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "mqtt_process::as_a_child", "--nocapture"])
            .env(CHILD, argument)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Self(child)
    }
}

impl Drop for Reexecuted {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
#[ignore = "run by the tests that need a process of their own"]
fn as_a_child() {
    let Ok(argument) = std::env::var(CHILD) else {
        return;
    };
    let settings = match argument.split_once(' ') {
        Some((port, folder)) => broker::settings(port.parse().unwrap(), Path::new(folder)),
        None => Mqtt {
            host: Vec::new(),
            ..broker::settings(0, Path::new(""))
        },
    };
    let daemon = Daemon::live(&settings);
    loop {
        daemon.report(Category::Happiness, &[]);
        std::thread::sleep(Duration::from_millis(100));
        if logged("standard output is closed") == 1 {
            std::thread::sleep(Duration::from_millis(500));
            eprintln!("still alive");
        }
    }
}

//! The log of the running daemon: it never blocks, stays short, and states why the daemon stops.

use std::{
    io::{self, BufRead as _, BufReader, Write as _},
    os::fd::OwnedFd,
    process::{Child, ChildStdout, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::common::{
    daemon::{affectd, clip, data},
    models,
};

/// Generous: a shared machine may be slow, and a passing test never waits this long.
const PATIENCE: Duration = Duration::from_secs(60);

/// A daemon without a broker, which prints its messages to standard output, with the camera program `script`.
struct Printing {
    process: Child,
    messages: BufReader<ChildStdout>,
    _models: tempfile::TempDir,
}

impl Printing {
    fn start(script: &str, stderr: Stdio) -> Self {
        let models = models::folder();
        let command = serde_json::json!(["sh", "-c", script]);
        let settings = [
            format!("models={}", models.path().display()),
            format!("expression.model={}", models::TINY),
            "camera.source=pipe".to_owned(),
            "camera.format=mjpeg".to_owned(),
            format!("camera.command={command}"),
            "mqtt.refresh_s=1".to_owned(),
        ];
        let mut arguments = vec!["run"];
        for setting in &settings {
            arguments.extend(["--set", setting]);
        }
        let mut process = affectd(&arguments)
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()
            .unwrap();
        let messages = BufReader::new(process.stdout.take().unwrap());
        Self {
            process,
            messages,
            _models: models,
        }
    }

    /// Reads messages until `count` states were read.
    fn states(&mut self, count: usize) {
        let mut seen = 0;
        while seen < count {
            let mut line = String::new();
            assert!(
                self.messages.read_line(&mut line).unwrap() > 0,
                "the daemon ended"
            );
            let message: Value = serde_json::from_str(&line).unwrap();
            seen += usize::from(message["topic"].as_str().unwrap().ends_with("/state"));
        }
    }

    /// Sends a signal by its name and waits for the exit. Returns the exit status and the remaining messages.
    fn stop(&mut self, signal: &str) -> (ExitStatus, String) {
        let id = self.process.id().to_string();
        let kill = Command::new("kill").args(["-s", signal, &id]).status();
        assert!(kill.unwrap().success());
        let start = Instant::now();
        let mut rest = String::new();
        loop {
            // Ends with the process, which holds the other end of the pipe.
            let mut line = String::new();
            if self.messages.read_line(&mut line).unwrap() == 0 {
                break;
            }
            rest.push_str(&line);
            assert!(start.elapsed() < PATIENCE, "the daemon does not end");
        }
        (self.process.wait().unwrap(), rest)
    }
}

impl Drop for Printing {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A camera program that delivers two frames, fails, and repeats this.
fn flapping() -> String {
    format!("head -c 30000 {}; echo \"trouble $$\" >&2; exit 1", clip())
}

#[test]
fn an_unread_log_blocks_neither_messages_nor_shutdown() {
    let (_reader, writer) = io::pipe().unwrap();
    let mut filler = writer.try_clone().unwrap();
    // Fills the pipe and refills it after any read; the thread blocks until the test program ends.
    thread::spawn(move || filler.write_all(&[b'x'; 1 << 24]));
    let mut daemon = Printing::start(&flapping(), Stdio::from(OwnedFd::from(writer)));
    daemon.states(5);
    let (status, rest) = daemon.stop("TERM");
    assert_eq!(status.code(), Some(0));
    assert!(rest.contains("stopped"), "{rest}");
}

#[test]
fn alternating_good_and_bad_frames_log_few_lines() {
    let (reader, writer) = io::pipe().unwrap();
    let log = thread::spawn(move || io::read_to_string(reader).unwrap());
    let portrait = data("pictures/astronaut.jpg");
    let undecodable = r"\377\330no picture\377\331";
    let script = format!("while :; do cat {portrait}; printf '{undecodable}'; sleep 0.02; done");
    let mut daemon = Printing::start(&script, Stdio::from(OwnedFd::from(writer)));
    daemon.states(10);
    let (status, _) = daemon.stop("TERM");
    assert_eq!(status.code(), Some(0));
    let log = log.join().unwrap();
    // A few lines for start and stop, and at most four of each kind for the frames.
    let lines = log.lines().count();
    assert!(lines <= 30, "{lines} lines:\n{log}");
}

#[test]
fn a_hangup_is_a_clean_stop() {
    let mut daemon = Printing::start(
        &format!("while cat {}; do sleep 0.1; done", data("pictures/astronaut.jpg")),
        Stdio::null(),
    );
    daemon.states(1);
    let (status, rest) = daemon.stop("HUP");
    assert_eq!(status.code(), Some(0));
    assert!(rest.contains("stopped"), "{rest}");
}

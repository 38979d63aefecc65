//! A publisher with the components it has in the pipeline, the log of this process, and the broker's log.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex, OnceLock},
};

use affectd::{
    capture::CameraStatus,
    clock::Clock,
    config::Mqtt,
    health::Health,
    model::VaOrigin,
    privacy::{Input, PrivacyGate},
    publish::{Environment, Identity, Publisher, PublisherThread},
    requests::Requests,
    sense::{
        detection::{Detection, Landmarks},
        face::{Category, Label, Prediction, Probabilities, Smoothed, TrackedFace},
        geometry::Rect,
        report::{Event, Report},
    },
    shutdown::Shutdown,
};

use super::{
    broker::{Broker, until},
    clock::Skewed,
};

pub const AVAILABILITY: &str = "affectd/lobby/availability";
pub const STATE: &str = "affectd/lobby/state";
pub const SCENE: &str = "affectd/lobby/scene";
pub const VISITS: &str = "affectd/lobby/visits";
pub const EVENT: &str = "affectd/lobby/event";
pub const CAMERA: &str = "affectd/lobby/camera";
pub const HEALTH: &str = "affectd/lobby/health";
pub const PRIVACY: &str = "affectd/lobby/privacy";
pub const PRIVACY_SET: &str = "affectd/lobby/privacy/set";
pub const PRIVACY_COMMANDED: &str = "affectd/lobby/privacy/commanded";
pub const COMMAND: &str = "affectd/lobby/command";
pub const RESULT: &str = "affectd/lobby/result";
pub const DISCOVERY: &str = "homeassistant/device/lobby/config";

/// A publisher as the pipeline uses it, with a working camera and no switch.
pub struct Daemon {
    pub publisher: Publisher,
    pub thread: PublisherThread,
    pub clock: Arc<Skewed>,
    pub gate: PrivacyGate,
    /// Requests from the received commands.
    pub requests: Arc<Requests>,
    /// Raised when publishing has failed permanently.
    pub shutdown: Shutdown,
}

impl Daemon {
    /// Starts it, whether or not it can reach the broker.
    pub fn start(settings: &Mqtt) -> Self {
        record_log();
        let clock = Arc::new(Skewed::default());
        let identity = Identity::new(
            "lobby".parse().unwrap(),
            "small",
            &"0123456789abcdef".repeat(4),
            &Category::ALL,
            VaOrigin::Projected,
        );
        let gate = PrivacyGate::new().unwrap();
        gate.set_switch(Input::Off);
        let shutdown = Shutdown::new();
        let requests = Arc::new(Requests::new(true, true));
        let environment = Environment {
            clock: Arc::clone(&clock) as _,
            gate: gate.clone(),
            requests: Arc::clone(&requests),
            shutdown: shutdown.clone(),
        };
        let (publisher, thread) = Publisher::start(settings, identity, environment).unwrap();
        publisher.camera(CameraStatus::Ok, "");
        Self {
            publisher,
            thread,
            clock,
            gate,
            requests,
            shutdown,
        }
    }

    /// Starts it and waits until the broker has answered and the camera may be open.
    pub fn live(settings: &Mqtt) -> Self {
        let daemon = Self::start(settings);
        until("the gate is open", || !daemon.is_private());
        daemon
    }

    pub fn is_private(&self) -> bool {
        self.gate.permit().is_none()
    }

    /// Why the camera must be closed; empty if it may be open.
    pub fn reason(&self) -> String {
        self.gate.privacy().reason().unwrap_or_default()
    }

    pub fn report(&self, category: Category, events: &[Event]) {
        self.publisher.report(&Report {
            size: (640, 480),
            captured: Some(self.clock.now()),
            faces: [face(category)].into_iter().collect(),
            events: events.iter().copied().collect(),
            ..Report::default()
        });
    }

    pub fn stop(self) {
        self.thread.stop().unwrap();
    }
}

fn face(category: Category) -> TrackedFace {
    let mut probabilities = [0.02; 8];
    probabilities[category as usize] = 0.86;
    let prediction = Prediction {
        probabilities: Probabilities::from_weights(probabilities),
        valence: Some(0.5),
        arousal: Some(-0.25),
    };
    TrackedFace {
        track: 7,
        detection: Detection {
            rect: Rect::default(),
            score: 0.9,
            landmarks: Landmarks::default(),
        },
        quality: 1.0,
        raw: Some(prediction),
        smoothed: Some(Smoothed {
            label: Label::Category(category),
            prediction,
            poor: false,
        }),
        ..TrackedFace::default()
    }
}

/// Part of the payload for this smoothed category.
pub fn showing(category: Category) -> String {
    format!(r#"{{"category":"{}""#, category.name())
}

pub fn health() -> Health {
    Health {
        fps: 15.0,
        ..Health::default()
    }
}

/// All log lines of this process. A broker's lines contain its port.
fn lines() -> &'static Mutex<Vec<u8>> {
    static LINES: OnceLock<Mutex<Vec<u8>>> = OnceLock::new();
    LINES.get_or_init(Mutex::default)
}

fn record_log() {
    struct Lines;
    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            lines().lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(|| Lines)
        .finish();
    // The first test of the process installs it for all.
    let _ = tracing::subscriber::set_global_default(subscriber);
}

pub fn logged(text: &str) -> usize {
    String::from_utf8_lossy(&lines().lock().unwrap())
        .lines()
        .filter(|line| line.contains(text))
        .count()
}

/// Packets that `affectd-lobby` sent, from the broker's log: e.g. `PUBLISH q1 r1 affectd/lobby/state`.
pub fn packets(broker: &Broker) -> Vec<String> {
    let log = broker.log();
    let lines = log.lines().filter_map(|line| line.split_once("Received "));
    let lines = lines
        .map(|(_, packet)| packet)
        .filter(|packet| packet.contains("affectd-lobby"));
    lines
        .filter_map(|packet| match packet.split_once(" from affectd-lobby")? {
            ("PUBLISH", rest) => {
                let part: Vec<&str> = rest.trim_matches([' ', '(']).split(", ").collect();
                Some(format!(
                    "PUBLISH {} {} {}",
                    part[1],
                    part[2],
                    part[4].trim_matches('\'')
                ))
            }
            ("SUBSCRIBE", _) => Some("SUBSCRIBE".into()),
            _ => None,
        })
        .collect()
}

//! Values shared by the tests of this folder.

use std::{path::PathBuf, time::Duration};

use super::{identity::Identity, topics::Topics};
use crate::{
    config::MqttVersion,
    health::Hardware,
    model::VaOrigin,
    privacy::{Input, Privacy},
    sense::{
        detection::{Detection, Landmarks},
        face::{Category, Label, Prediction, Probabilities, Smoothed, TrackedFace},
        geometry::Rect,
        report::Report,
    },
};

pub fn identity() -> Identity {
    Identity {
        device: "lobby".parse().unwrap(),
        model: "small".into(),
        sha256: "0123456789ab".into(),
        version: "1.2.3".into(),
        boot: "00c0ffee00c0ffee".into(),
        categories: Category::ALL.to_vec(),
        va: VaOrigin::Projected,
        hardware: Hardware::default(),
        page: None,
    }
}

pub fn topics() -> Topics {
    let settings = settings();
    Topics::new(&settings.base, &identity().device, &settings.discovery_prefix)
}

pub fn face(track: u32) -> TrackedFace {
    let prediction = Prediction {
        probabilities: Probabilities::from_weights([0.1, 0.7, 0.05, 0.05, 0.025, 0.025, 0.025, 0.025]),
        valence: Some(0.654_321),
        arousal: Some(-0.000_01),
    };
    TrackedFace {
        track,
        detection: Detection {
            rect: Rect {
                x: 64.0,
                y: 48.0,
                width: 160.0,
                height: 240.0,
            },
            score: 0.9,
            landmarks: Landmarks::default(),
        },
        quality: 0.8,
        raw: Some(Prediction {
            valence: None,
            ..prediction
        }),
        smoothed: Some(Smoothed {
            label: Label::Category(Category::Happiness),
            prediction,
            poor: false,
        }),
        ..TrackedFace::default()
    }
}

pub fn report(faces: &[TrackedFace]) -> Report {
    Report {
        size: (640, 480),
        captured: Some(Duration::from_secs(1)),
        faces: faces.iter().copied().collect(),
        ..Report::default()
    }
}

pub fn privacy(command: Input, switch: Input) -> Privacy {
    Privacy { command, switch }
}

pub fn rate(per_second: f64) -> crate::config::MessageRate {
    per_second.try_into().unwrap()
}

pub fn settings() -> crate::config::Mqtt {
    crate::config::Mqtt {
        version: MqttVersion::Auto,
        host: vec!["localhost".into()],
        port: 0,
        tls: false,
        ca_file: PathBuf::new(),
        client_cert_file: PathBuf::new(),
        client_key_file: PathBuf::new(),
        server_name: String::new(),
        alpn: String::new(),
        websocket_path: String::new(),
        client_id: String::new(),
        username: String::new(),
        password_file: PathBuf::new(),
        base: "affectd".parse().unwrap(),
        faces: true,
        discovery: true,
        discovery_prefix: "homeassistant".parse().unwrap(),
        rate: rate(5.0),
        scene_rate: rate(5.0),
        face_rate: rate(5.0),
        dead_band: 0.05,
        refresh: Duration::from_secs(30),
        health: Duration::from_secs(10),
    }
}

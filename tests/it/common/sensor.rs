//! The shipped detectors with the tiny expression network.

use affectd::{
    config::{self, Override, Settings, Sources},
    model::{Manifest, Registry},
    sense::{Sensor, engine},
};

use super::models;

/// The default settings with the tiny network.
pub fn settings() -> Settings {
    let model = Override {
        option: "--set".into(),
        key: "expression.model".into(),
        value: models::TINY.into(),
    };
    let sources = Sources {
        file: Some("/dev/null".into()),
        environment: Vec::new(),
        options: vec![model],
    };
    config::load(&sources).unwrap().settings
}

/// Returns a sensor with these settings, and the manifest of the expression model.
pub fn sensor() -> (Sensor, Manifest) {
    let folder = models::folder();
    let registry = Registry::open(folder.path()).unwrap();
    engine::open(&settings(), &registry).unwrap()
}

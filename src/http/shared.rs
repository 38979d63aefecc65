//! What the server knows of the daemon.

use std::sync::Arc;

use super::live::Live;
use crate::{
    clock::Clock,
    config::Settings,
    health::{BrokerLink, Metrics},
    model::Manifest,
    privacy::PrivacyGate,
    publish::Identity,
    sense::distance::Lens,
};

/// What the server shows, and the privacy gate that its page may close.
pub struct Shared {
    /// The newest results.
    pub live: Arc<Live>,
    /// Counters and latency.
    pub metrics: Arc<Metrics>,
    /// The connection to the broker.
    pub broker: Arc<BrokerLink>,
    /// Whether the camera may look.
    pub gate: PrivacyGate,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Device, version, model and run.
    pub identity: Identity,
    /// What does not change.
    pub facts: Facts,
}

/// What the settings and the model say once and for all.
#[derive(Debug, Clone)]
pub struct Facts {
    /// Side of the expression model's input, in pixels.
    pub input_px: usize,
    /// `detect.min_face_px`.
    pub min_face_px: f32,
    /// The camera's lens.
    pub lens: Lens,
}

impl Facts {
    /// What `settings` and the manifest of the expression model say.
    #[must_use]
    pub fn new(settings: &Settings, manifest: &Manifest) -> Self {
        let camera = &settings.camera;
        Self {
            input_px: manifest.input.width.max(manifest.input.height),
            min_face_px: settings.detect.min_face_px,
            lens: Lens {
                fov_deg: camera.fov_deg,
                is_turned: matches!(camera.rotate, 90 | 270),
            },
        }
    }
}

//! What the server knows about the daemon.

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
    /// Decides whether the camera may be used.
    pub gate: PrivacyGate,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Device, version, model and run.
    pub identity: Identity,
    /// Values that do not change.
    pub facts: Facts,
}

/// Values that the settings and the model fix at the start.
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
    /// The values from `settings` and the manifest of the expression model.
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

//! Runs sensing on real networks: loads the models, and runs the expression network in several threads.
//!
//! Everything else in [`crate::sense`] is deterministic given the networks' outputs.

mod classifier;
mod detector;
mod workers;

use std::num::NonZero;

pub use classifier::NetworkClassifier;
pub use detector::NetworkDetector;

use super::{
    detect::DetectError, face::MAX_FACES, face_tracker::FaceTracker, intervals::Intervals, sensor::Sensor,
};
use crate::{
    config::Settings,
    model::{Kind, Manifest, ModelError, Registry},
};

/// Why sensing cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A detector is unusable.
    #[error(transparent)]
    Detect(#[from] DetectError),
    /// The expression model is unusable.
    #[error(transparent)]
    Model(#[from] ModelError),
}

/// Reads the manifests of the models that `settings` names, without loading the networks; returns that of the
/// expression model.
///
/// # Errors
/// [`ModelError`] if a manifest is missing or damaged.
pub fn manifest(settings: &Settings, registry: &Registry) -> Result<Manifest, ModelError> {
    for detector in [&settings.detect.model, &settings.detect.follow_model] {
        registry.find(detector)?;
    }
    registry.find(&settings.expression.model)
}

/// Opens the detectors and the expression model that `settings` names; returns the sensor and the manifest of
/// the expression model.
///
/// # Errors
/// [`OpenError`] if a model is missing, damaged, or does not reproduce its golden vectors on this machine.
pub fn open(settings: &Settings, registry: &Registry) -> Result<(Sensor, Manifest), OpenError> {
    let detector = |name: &str| -> Result<_, OpenError> {
        let manifest = registry.find(name)?;
        Ok(Box::new(NetworkDetector::open(
            &manifest,
            settings.detect.min_score,
        )?))
    };
    let tracker = FaceTracker::new(
        &settings.detect,
        &Intervals::full(settings),
        detector(&settings.detect.model)?,
        detector(&settings.detect.follow_model)?,
    );
    let manifest = registry.find(&settings.expression.model)?;
    let mut classified = manifest.clone();
    if let Kind::Expression(spec) = &mut classified.kind {
        spec.crop.mirror &= settings.expression.mirror;
    }
    let classifier = NetworkClassifier::open(&classified)?
        .with_threads(threads(settings.expression.threads))
        .map_err(ModelError::from)?;
    Ok((Sensor::new(settings, tracker, Box::new(classifier)), manifest))
}

/// Number of expression networks that run at the same time: `setting`, but at most one per face, or if that
/// is 0 the number of cores minus one, which is left to the camera, but at most four.
fn threads(setting: usize) -> usize {
    const MOST: usize = 4;
    match setting {
        0 => {
            let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
            cores.saturating_sub(1).clamp(1, MOST)
        }
        threads => threads.min(MAX_FACES),
    }
}

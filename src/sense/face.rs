//! The data about one face: where it is and what it shows.

use super::{attention::HeadPose, crop_quality::CropQuality, detection::Detection};
pub use crate::category::{Category, Probabilities};

/// What the expression network predicts.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Prediction {
    /// `None` for a model of valence and arousal alone.
    pub probabilities: Option<Probabilities>,
    /// -1 (unpleasant) to 1 (pleasant); `None` if the model has no such output.
    pub valence: Option<f32>,
    /// -1 (calm) to 1 (excited); `None` if the model has no such output.
    pub arousal: Option<f32>,
}

/// What is published as the category.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Label {
    /// One category holds.
    Category(Category),
    /// There is no face.
    None,
    /// There is a face, but no category stands out, its crops are too poor, or the model has no categories.
    Uncertain,
    /// There are faces, but fewer than `publish.min_faces`.
    Withheld,
}

impl Label {
    /// The published name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Category(category) => category.name(),
            Self::None => "none",
            Self::Uncertain => "uncertain",
            Self::Withheld => "withheld",
        }
    }
}

/// A track's predictions after smoothing over time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Smoothed {
    /// The category that holds after hysteresis, or uncertain.
    pub label: Label,
    /// Means over time.
    pub prediction: Prediction,
    /// Whether the mean quality of the crops is below `publish.min_quality`; the label then becomes
    /// uncertain.
    pub poor: bool,
}

/// A tracked face in one report.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct TrackedFace {
    /// Short-lived number of the track; meaningless after a restart.
    pub track: u32,
    /// Where it is now, or where it was seen last.
    pub detection: Detection,
    /// Whether it was seen in this frame.
    pub seen: bool,
    /// Estimated pose of the head when it was last seen; `None` if the landmarks allow no estimate.
    pub pose: Option<HeadPose>,
    /// Whether it is estimated to look towards the camera.
    pub attending: bool,
    /// Quality of the newest crop, 0 to 1: small, blurred or turned faces score lower.
    pub quality: f32,
    /// The parts of that quality; `None` until the first classification.
    pub crop: Option<CropQuality>,
    /// The newest prediction before smoothing, from this frame or an earlier one; `None` until the first
    /// classification.
    pub raw: Option<Prediction>,
    /// The smoothed predictions; `None` until the first classification.
    pub smoothed: Option<Smoothed>,
}

/// Maximum number of faces tracked at a time.
pub const MAX_FACES: usize = 8;

//! What is known of one face: where it is and what it shows.

use super::geometry::{Point, Rect};
pub use crate::category::Category;

/// The four places that every supported detector marks. "Right" is the person's own right,
/// on the left in an unmirrored picture.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Landmarks {
    /// Centre of the right eye.
    pub right_eye: Point,
    /// Centre of the left eye.
    pub left_eye: Point,
    /// Tip of the nose.
    pub nose: Point,
    /// Centre of the mouth.
    pub mouth: Point,
}

/// One face as a detector found it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Detection {
    /// The detector's box; boxes of different detectors differ, so crops are never cut by it.
    pub rect: Rect,
    /// The detector's score, 0 to 1.
    pub score: f32,
    /// Eyes, nose and mouth.
    pub landmarks: Landmarks,
}

/// A probability for each of [`Category::ALL`]; a category that the model does not know has 0.
pub type Probabilities = [f32; 8];

/// One unsmoothed result of the expression network for one crop.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reading {
    /// Sum to 1; `None` for a model of valence and arousal alone.
    pub probabilities: Option<Probabilities>,
    /// -1 (unpleasant) to 1 (pleasant); `None` where the model has no such output.
    pub valence: Option<f32>,
    /// -1 (calm) to 1 (excited); `None` where the model has no such output.
    pub arousal: Option<f32>,
}

/// What is published in the place of a category.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Label {
    /// One category holds.
    Category(Category),
    /// There is no face.
    None,
    /// There is a face, but no category stands out, or the model has no categories.
    Uncertain,
}

impl Label {
    /// The published name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Category(category) => category.name(),
            Self::None => "none",
            Self::Uncertain => "uncertain",
        }
    }
}

/// A result after smoothing over time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Smoothed {
    /// The category that holds after hysteresis, or uncertain.
    pub label: Label,
    /// Means over time; otherwise as in [`Reading`].
    pub reading: Reading,
}

/// A followed face in one report.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TrackedFace {
    /// Short-lived number of the track; means nothing after a restart.
    pub track: u32,
    /// Where it is now.
    pub detection: Detection,
    /// Quality of the crop, 0 to 1: small, blurred or turned faces count less.
    pub quality: f32,
    /// The newest result before smoothing, of this frame or of an earlier one; `None` until the first classification.
    pub raw: Option<Reading>,
    /// The smoothed result; `None` until the first classification.
    pub smoothed: Option<Smoothed>,
}

/// Most faces followed at a time.
pub const MAX_FACES: usize = 8;

/// What happened to a track in this frame; published on the event topic.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Event {
    /// A face came and was confirmed.
    Appeared {
        /// The new track.
        track: u32,
    },
    /// A track was lost for good.
    Left {
        /// The track that ended.
        track: u32,
        /// How long it was followed, in seconds.
        seconds: f32,
    },
    /// A track's published label changed.
    Changed {
        /// The track.
        track: u32,
        /// The label before.
        from: Label,
        /// The label now.
        to: Label,
    },
}

/// Everything that sensing says about one frame.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// The frame's size in pixels, which boxes refer to.
    pub size: (u32, u32),
    /// When the frame was captured, on the daemon's monotonic clock.
    pub captured: std::time::Duration,
    /// The followed faces, the primary one (the largest, with hysteresis) first.
    pub faces: heapless::Vec<TrackedFace, MAX_FACES>,
    /// What changed in this frame.
    pub events: heapless::Vec<Event, { 3 * MAX_FACES }>,
}

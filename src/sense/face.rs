//! The data about one face: where it is and what it shows.

use super::{
    attention::HeadPose,
    crop_quality::CropQuality,
    frame_quality::FrameQuality,
    geometry::{Point, Rect},
    scene::Scene,
    visit::Visit,
    visits::{MAX_VISITS, VisitTotals},
};
pub use crate::category::{Category, Probabilities};

/// The four points that every supported detector marks. "Right" is the person's own right, which is on the
/// left of an unmirrored picture.
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

impl Landmarks {
    /// Right eye, left eye, nose and mouth.
    #[must_use]
    pub fn points(&self) -> [Point; 4] {
        [self.right_eye, self.left_eye, self.nose, self.mouth]
    }

    /// Landmarks with `f` applied to each point.
    #[must_use]
    pub fn map(&self, mut f: impl FnMut(Point) -> Point) -> Self {
        Self {
            right_eye: f(self.right_eye),
            left_eye: f(self.left_eye),
            nose: f(self.nose),
            mouth: f(self.mouth),
        }
    }
}

/// Boxes with at least this intersection over union show the same face.
const SAME_FACE_IOU: f32 = 0.3;

/// One face as a detector found it.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Detection {
    /// The detector's box. Boxes of different detectors differ, so crops never depend on it.
    pub rect: Rect,
    /// The detector's score, 0 to 1.
    pub score: f32,
    /// Eyes, nose and mouth.
    pub landmarks: Landmarks,
}

impl Detection {
    /// Whether both detections are of the same face.
    #[must_use]
    pub fn is_same_face(&self, other: &Self) -> bool {
        self.rect.iou(&other.rect) >= SAME_FACE_IOU
    }

    /// Box and landmarks at the fraction `t` of the way to those of `other`; keeps the score.
    #[must_use]
    pub fn lerp(&self, other: &Self, t: f32) -> Self {
        let to = &other.landmarks;
        let from = &self.landmarks;
        Self {
            rect: self.rect.lerp(&other.rect, t),
            score: self.score,
            landmarks: Landmarks {
                right_eye: from.right_eye.lerp(to.right_eye, t),
                left_eye: from.left_eye.lerp(to.left_eye, t),
                nose: from.nose.lerp(to.nose, t),
                mouth: from.mouth.lerp(to.mouth, t),
            },
        }
    }
}

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

/// The events of one frame: every visit can end, and every face can appear, become present and change its
/// label.
pub type Events = heapless::Vec<Event, { MAX_VISITS + 3 * MAX_FACES }>;

/// What happened to a track in this frame; published on the event topic.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Event {
    /// A face arrived and was confirmed.
    Appeared {
        /// The new track.
        track: u32,
        /// The lost track whose visit it continues; that track gets no [`Event::Left`].
        continues: Option<u32>,
    },
    /// A face has stayed for `visit.present_s`; once for each visit.
    Present {
        /// The track.
        track: u32,
        /// How long it has stayed, in seconds.
        seconds: f32,
    },
    /// A face has been gone for longer than `visit.gap_s`.
    Left {
        /// The visit's last track.
        track: u32,
        /// The visit.
        visit: Visit,
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

/// The result of sensing one frame.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// The frame's size in pixels, which boxes refer to.
    pub size: (u32, u32),
    /// Light and sharpness of this frame or of one shortly before; `None` before the first measurement and for a
    /// frame too small to measure.
    pub quality: Option<FrameQuality>,
    /// When the frame was captured, on the daemon's monotonic clock.
    pub captured: std::time::Duration,
    /// The tracked faces, the primary one (the largest, with hysteresis) first; empty if they are withheld.
    pub faces: heapless::Vec<TrackedFace, MAX_FACES>,
    /// Whether there are faces that `publish.min_faces` withholds.
    pub withheld: bool,
    /// What changed in this frame; empty if single faces are withheld.
    pub events: Events,
    /// Everyone in view.
    pub scene: Scene,
    /// The visits so far.
    pub visits: VisitTotals,
}

//! One tracked face.

use serde::{Deserialize, Serialize};

use super::{CategoryView, distribution, rounded};
use crate::{
    http::shared::Shared,
    sense::{
        crop_quality::{CropQuality, FLAWED, Flaw},
        face::{Label, TrackedFace},
    },
};

/// One tracked face.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FaceView {
    /// Short-lived number of its track.
    pub track: u32,
    /// Whether it was seen in this frame; otherwise all values are the last known ones.
    pub seen: bool,
    /// The detector's box: left, top, width, height in pixels; may extend beyond the frame.
    pub r#box: [f32; 4],
    /// Right eye, left eye (the person's own), tip of the nose, centre of the mouth; in pixels.
    pub landmarks: [[f32; 2]; 4],
    /// Width of the box in pixels. Below [`Self::min_width`] new faces are ignored.
    pub width: f32,
    /// `detect.min_face_px`.
    pub min_width: f32,
    /// Width of a box in pixels at which the crop fills the model's input; `null` until the first
    /// classification.
    pub full_width: Option<f32>,
    /// Width of a box in pixels below which the face counts as small; `null` until the first classification.
    pub needed_width: Option<f32>,
    /// Estimated distance in metres, for the lens of `camera.fov_deg`; `null` if the eyes coincide.
    pub distance: Option<f32>,
    /// Estimated head pose; `null` if the landmarks allow none.
    pub pose: Option<PoseView>,
    /// Whether it looks towards the camera (estimated).
    pub attending: bool,
    /// Quality of the newest crop; `null` until the first classification.
    pub quality: Option<QualityView>,
    /// The smoothed category: a category's name, or `uncertain`.
    pub category: String,
    /// Whether the category is uncertain because the crops are poor.
    pub poor: bool,
    /// Smoothed probabilities; empty until the first classification, or if the model has no categories.
    pub probabilities: Vec<CategoryView>,
    /// Smoothed, -1 (unpleasant) to 1 (pleasant).
    pub valence: Option<f32>,
    /// Smoothed, -1 (calm) to 1 (excited).
    pub arousal: Option<f32>,
}

/// Head pose, in degrees from looking into the camera.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PoseView {
    /// Positive towards the picture's right.
    pub yaw: f32,
    /// Positive upwards.
    pub pitch: f32,
}

/// The quality of a crop and its parts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct QualityView {
    /// The product of size, sharpness, frontal and presence.
    pub value: f32,
    /// Pixels of the frame per pixel of the model's input, at most 1.
    pub size: f32,
    /// 0 without detail, 1 with all the detail that the model needs.
    pub sharpness: f32,
    /// 1 for a face seen from the front, 0 for a profile.
    pub frontal: f32,
    /// How much of the crop lies inside the frame.
    pub presence: f32,
    /// Mean brightness of the crop.
    pub light: f32,
    /// What is wrong: `small`, `blurred`, `turned`, `dark`, `cut_off`.
    pub reasons: Vec<String>,
}

impl QualityView {
    fn new(quality: &CropQuality) -> Self {
        Self {
            value: rounded(quality.value()),
            size: rounded(quality.size),
            sharpness: rounded(quality.sharpness),
            frontal: rounded(quality.frontal),
            presence: rounded(quality.presence),
            light: rounded(quality.light),
            reasons: quality.flaws().map(Flaw::name).map(str::to_owned).collect(),
        }
    }
}

impl FaceView {
    pub(super) fn new(face: &TrackedFace, size: (u32, u32), shared: &Shared) -> Self {
        let facts = &shared.facts;
        let rect = &face.detection.rect;
        let landmarks = &face.detection.landmarks;
        let smoothed = face.smoothed;
        let prediction = smoothed.map(|smoothed| smoothed.prediction).unwrap_or_default();
        let full_width = |crop: CropQuality| rounded(rect.width * facts.input_px as f32 / crop.side_px);
        Self {
            track: face.track,
            seen: face.seen,
            r#box: [rect.x, rect.y, rect.width, rect.height].map(rounded),
            landmarks: landmarks.points().map(|point| [point.x, point.y].map(rounded)),
            width: rounded(rect.width),
            min_width: facts.min_face_px,
            full_width: face.crop.map(full_width),
            needed_width: face.crop.map(|crop| rounded(full_width(crop) * FLAWED)),
            distance: facts.lens.distance(size, landmarks, face.pose).map(rounded),
            pose: face.pose.map(|pose| PoseView {
                yaw: rounded(pose.yaw_deg),
                pitch: rounded(pose.pitch_deg),
            }),
            attending: face.attending,
            quality: face.crop.as_ref().map(QualityView::new),
            category: smoothed
                .map_or(Label::Uncertain, |smoothed| smoothed.label)
                .name()
                .to_owned(),
            poor: smoothed.is_some_and(|smoothed| smoothed.poor),
            probabilities: distribution(prediction.probabilities, &shared.identity.categories),
            valence: prediction.valence.map(rounded),
            arousal: prediction.arousal.map(rounded),
        }
    }
}

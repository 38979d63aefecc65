//! The expression of a face, as published in the state and the face messages.

use serde::Serialize;

use super::value::{Axis, Distribution};
use crate::{
    json::Decimals,
    sense::face::{Category, Label, Prediction, TrackedFace},
};

/// The network's newest output before smoothing.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(deny_unknown_fields))]
struct RawPayload<'a> {
    /// Before smoothing.
    probabilities: Option<Distribution<'a>>,
    /// Before smoothing.
    #[cfg_attr(test, schemars(range(min = -1, max = 1)))]
    valence: Option<Axis>,
    /// Before smoothing.
    #[cfg_attr(test, schemars(range(min = -1, max = 1)))]
    arousal: Option<Axis>,
}

/// The expression of one face: the fields that the state and the face message share.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct Expression<'a> {
    /// The smoothed category: a category's name, `none` (no face, no camera or privacy), `uncertain` (a face,
    /// but no category stands out, it has not been classified yet, or the model has no categories) or
    /// `withheld` (single faces are withheld, see `publish.min_faces`).
    #[cfg_attr(test, schemars(with = "super::schema::Label"))]
    category: &'static str,
    /// The most probable category of the newest single frame, or `none`, `uncertain` or `withheld`
    /// as above.
    #[cfg_attr(test, schemars(with = "super::schema::Label"))]
    raw_category: &'static str,
    /// Smoothed probability of each category that the model predicts, 0 to 1, sum 1; `null` without a face or
    /// without categories.
    probabilities: Option<Distribution<'a>>,
    /// Smoothed, -1 (unpleasant) to 1 (pleasant).
    #[cfg_attr(test, schemars(range(min = -1, max = 1)))]
    valence: Option<Axis>,
    /// Smoothed, -1 (calm) to 1 (excited).
    #[cfg_attr(test, schemars(range(min = -1, max = 1)))]
    arousal: Option<Axis>,
    /// Estimate of whether the face looks towards the camera; `null` without a face.
    attending: Option<bool>,
    /// `probabilities`, `valence` and `arousal` before smoothing; `null` until the first classification.
    raw: Option<RawPayload<'a>>,
}

impl<'a> Expression<'a> {
    /// The expression of `face`; without a face, or for one that was not classified yet, the label is
    /// `unread`.
    pub(super) fn of(face: Option<&TrackedFace>, unread: Label, categories: &'a [Category]) -> Self {
        let raw = face.and_then(|face| face.raw);
        let smoothed = face.and_then(|face| face.smoothed);
        let prediction = smoothed.map(|smoothed| smoothed.prediction);
        let distribution = |prediction: Prediction| {
            prediction.probabilities.map(|probabilities| Distribution {
                categories,
                probabilities,
            })
        };
        Self {
            category: smoothed.map_or(unread, |smoothed| smoothed.label).name(),
            raw_category: raw
                .and_then(|raw| raw.probabilities)
                .map_or(unread.name(), |probabilities| probabilities.argmax().0.name()),
            probabilities: prediction.and_then(distribution),
            valence: prediction.and_then(|prediction| prediction.valence).map(Decimals),
            arousal: prediction.and_then(|prediction| prediction.arousal).map(Decimals),
            attending: face.map(|face| face.attending),
            raw: raw.map(|raw| RawPayload {
                probabilities: distribution(raw),
                valence: raw.valence.map(Decimals),
                arousal: raw.arousal.map(Decimals),
            }),
        }
    }
}

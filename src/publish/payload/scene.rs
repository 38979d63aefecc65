//! Everybody in view.

use std::time::Duration;

use serde::Serialize;

use super::value::{Axis, Distribution, Moment, Seconds, Stamp, seconds};
use crate::{
    json::Decimals,
    publish::identity::Identity,
    sense::{face::Label, scene::Scene},
};

/// `base/scene`: everybody in view.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ScenePayload<'a> {
    /// Number of tracked faces; `null` while there is no current frame (no camera, no usable frames, privacy,
    /// just started) or while they are withheld.
    faces: Option<usize>,
    /// Whether somebody is in view or was until `visit.gap_s` ago, so the room does not count as empty when
    /// a face turns away for a moment; `null` as above.
    occupied: Option<bool>,
    /// Estimated number of faces that look towards the camera; `null` as above.
    attending: Option<usize>,
    /// Number of faces that smile; `null` as above.
    smiling: Option<usize>,
    /// The dominant category: a category's name, `none` (no face, no camera or privacy), `uncertain` (faces,
    /// but no category stands out) or `withheld` (fewer faces than `publish.min_faces`).
    #[cfg_attr(test, schemars(with = "super::schema::Label"))]
    category: &'static str,
    /// Mean probability of each category that the model predicts; `null` if no face has been classified.
    probabilities: Option<Distribution<'a>>,
    /// Mean valence, -1 (unpleasant) to 1 (pleasant).
    #[cfg_attr(test, schemars(range(min = -1, max = 1)))]
    valence: Option<Axis>,
    /// Mean arousal, -1 (calm) to 1 (excited).
    #[cfg_attr(test, schemars(range(min = -1, max = 1)))]
    arousal: Option<Axis>,
    /// Counts the scene messages since the daemon's start.
    seq: u64,
    /// As in the state.
    boot: &'a str,
    /// When the message was made.
    time: Moment,
    /// As in the state.
    age: Option<Seconds>,
    /// The next scene message comes within this many seconds.
    refresh: Seconds,
}

impl<'a> ScenePayload<'a> {
    /// The scene of the newest frame; `None` if no frame is current.
    #[must_use]
    pub fn new(identity: &'a Identity, scene: Option<&Scene>, refresh: Duration, stamp: Stamp) -> Self {
        let counts = scene.and_then(|scene| scene.counts);
        let prediction = scene.map(|scene| scene.prediction).unwrap_or_default();
        Self {
            faces: counts.map(|counts| counts.faces),
            occupied: scene.and_then(|scene| scene.counts.map(|_| scene.occupied)),
            attending: counts.map(|counts| counts.attending),
            smiling: counts.map(|counts| counts.smiling),
            category: scene.map_or(Label::None, |scene| scene.label).name(),
            probabilities: prediction.probabilities.map(|probabilities| Distribution {
                categories: &identity.categories,
                probabilities,
            }),
            valence: prediction.valence.map(Decimals),
            arousal: prediction.arousal.map(Decimals),
            seq: stamp.seq,
            boot: &identity.boot,
            time: Moment(stamp.time),
            age: seconds(stamp.age),
            refresh: Decimals(refresh.as_secs_f32()),
        }
    }
}

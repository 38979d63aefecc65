//! Everybody in view, and the visits.

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use super::{CategoryView, distribution, rounded};
use crate::{
    category::Category,
    sense::{
        scene::Scene,
        visit_counters::{VisitCounters, VisitTotals},
    },
};

/// Everybody in view.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SceneView {
    /// Faces in view; `null` while they are withheld.
    pub faces: Option<usize>,
    /// How many of them look towards the camera; `null` as above.
    pub attending: Option<usize>,
    /// How many of them smile; `null` as above.
    pub smiling: Option<usize>,
    /// The dominant category: a category's name, `none`, `uncertain` or `withheld`.
    pub category: String,
    /// Mean probabilities; empty if no face has been classified.
    pub probabilities: Vec<CategoryView>,
    /// Mean valence, -1 (unpleasant) to 1 (pleasant).
    pub valence: Option<f32>,
    /// Mean arousal, -1 (calm) to 1 (excited).
    pub arousal: Option<f32>,
}

impl SceneView {
    pub(super) fn new(scene: &Scene, categories: &[Category]) -> Self {
        Self {
            faces: scene.counts.map(|counts| counts.faces),
            attending: scene.counts.map(|counts| counts.attending),
            smiling: scene.counts.map(|counts| counts.smiling),
            category: scene.label.name().to_owned(),
            probabilities: distribution(scene.prediction.probabilities, categories),
            valence: scene.prediction.valence.map(rounded),
            arousal: scene.prediction.arousal.map(rounded),
        }
    }
}

/// The visits that have ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VisitsView {
    /// Since the daemon's start.
    pub since_start: CountersView,
    /// Since local midnight, or the daemon's start if that is later.
    pub today: CountersView,
}

/// The visits of one period.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CountersView {
    /// All of them.
    pub visits: u64,
    /// Those in which the face looked towards the camera.
    pub attended: u64,
    /// Those in which the face smiled.
    pub smiled: u64,
    /// Mean length in seconds; `null` without visits.
    pub mean_s: Option<f32>,
    /// Length of the longest one in seconds; `null` without visits.
    pub longest_s: Option<f32>,
}

impl CountersView {
    fn new(counters: &VisitCounters) -> Self {
        Self {
            visits: counters.visits,
            attended: counters.attended,
            smiled: counters.smiled,
            mean_s: counters.mean_s().map(rounded),
            longest_s: counters.longest_s().map(rounded),
        }
    }
}

impl VisitsView {
    /// The counters on the local date `today`.
    pub(super) fn new(totals: &VisitTotals, today: Date) -> Self {
        Self {
            since_start: CountersView::new(&totals.since_start),
            today: CountersView::new(&totals.of_day(today)),
        }
    }
}

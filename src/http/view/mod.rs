//! What the live page and `affectd top` show: one JSON object with a snapshot of the whole state.
//!
//! Numbers are rounded to four decimals. Unknown values are `null`. Lengths are in pixels of the frame,
//! origin at the top left; probabilities, qualities and shares are 0 to 1.

mod board;
mod camera;
mod face;
mod frame;
mod scene;

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use self::{
    board::{BoardView, BrokerView, StageView},
    camera::CameraView,
    face::{FaceView, PoseView, QualityView},
    frame::FrameView,
    scene::{CountersView, SceneView, VisitsView},
};
use super::shared::Shared;
use crate::{
    category::{Category, Probabilities},
    privacy::PrivacyGate,
};

/// A snapshot of the whole state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct View {
    /// The device's name.
    pub device: String,
    /// The daemon's version.
    pub version: String,
    /// Identifies this run of the daemon.
    pub boot: String,
    /// When the snapshot was taken: RFC 3339, UTC.
    pub time: String,
    /// Seconds since the daemon's start.
    pub uptime: f64,
    /// The expression model.
    pub model: ModelView,
    /// The state of the privacy gate.
    pub privacy: PrivacyView,
    /// The camera.
    pub camera: CameraView,
    /// The newest frame; `null` while privacy is on, the camera is not ok, or frames have stopped.
    pub frame: Option<FrameView>,
    /// Everybody in view; `null` without a frame.
    pub scene: Option<SceneView>,
    /// The visits that have ended.
    pub visits: VisitsView,
    /// Latency of each stage over the last minutes, in stage order; stages that did not run are omitted.
    pub stages: Vec<StageView>,
    /// The board and its load.
    pub board: BoardView,
    /// The connection to the broker.
    pub mqtt: BrokerView,
}

/// The expression model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelView {
    /// Its name in the manifest.
    pub name: String,
    /// The first twelve digits of its file's SHA-256.
    pub sha256: String,
    /// Where valence and arousal come from: `annotated`, `fitted`, `projected` or `none`.
    pub va: String,
    /// The categories that it predicts; empty for a model of valence and arousal alone.
    pub categories: Vec<Category>,
    /// Side of its input: a crop of at least this many pixels is not upscaled.
    pub input_px: usize,
}

/// The state of the privacy gate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PrivacyView {
    /// Whether sensing has stopped.
    pub on: bool,
    /// Human-readable reason; `null` while it is off.
    pub reason: Option<String>,
    /// Whether this server may revoke it: only a command given here.
    pub revocable: bool,
}

impl PrivacyView {
    /// Privacy as it is now.
    #[must_use]
    pub fn new(gate: &PrivacyGate) -> Self {
        let privacy = gate.privacy();
        Self {
            on: privacy.is_on(),
            reason: privacy.reason(),
            revocable: gate.is_revocable_here(),
        }
    }
}

impl View {
    /// The current state.
    #[must_use]
    pub fn now(shared: &Shared) -> Self {
        let now = shared.clock.now();
        let newest = shared.live.newest();
        let identity = &shared.identity;
        let reading = shared.metrics.reading();
        Self {
            device: identity.device.to_string(),
            version: identity.version.clone(),
            boot: identity.boot.clone(),
            time: format!("{:.3}", shared.clock.wall()),
            uptime: (now.as_secs_f64() * 10.0).round() / 10.0,
            model: ModelView {
                name: identity.model.clone(),
                sha256: identity.sha256.clone(),
                va: identity.va.name().to_owned(),
                categories: identity.categories.clone(),
                input_px: shared.facts.input_px,
            },
            privacy: PrivacyView::new(&shared.gate),
            camera: CameraView::new(&newest, &shared.metrics, &reading),
            frame: newest
                .frame
                .as_ref()
                .map(|frame| FrameView::new(frame, newest.frames, now, shared)),
            scene: newest
                .frame
                .as_ref()
                .map(|frame| SceneView::new(&frame.scene, &identity.categories)),
            visits: VisitsView::new(&newest.visits, shared.clock.local_date()),
            stages: StageView::all(&shared.metrics, now),
            board: BoardView::new(&reading),
            mqtt: BrokerView::new(&shared.broker, now),
        }
    }
}

/// A category and its probability.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct CategoryView {
    /// The category.
    pub category: Category,
    /// Its probability.
    pub probability: f32,
}

/// The probabilities of the model's `categories`, in their order; empty without probabilities.
fn distribution(probabilities: Option<Probabilities>, categories: &[Category]) -> Vec<CategoryView> {
    let Some(probabilities) = probabilities else {
        return Vec::new();
    };
    let share = |&category: &Category| CategoryView {
        category,
        probability: rounded(probabilities.of(category)),
    };
    categories.iter().map(share).collect()
}

/// Rounds to four decimals, without negative zero. NaN and infinities become 0, because JSON cannot represent
/// them.
fn rounded(number: f32) -> f32 {
    if number.is_finite() {
        (number * 1e4).round() / 1e4 + 0.0
    } else {
        0.0
    }
}

fn milliseconds(time: Duration) -> f32 {
    rounded(time.as_secs_f32() * 1e3)
}

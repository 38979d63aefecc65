//! The last classification of a track, reused while the face looks the same.
//!
//! While a face looks as it did when it was classified, the network would give about the same prediction, so
//! the cached one enters the means again, at the full rate. The means therefore do not depend on how often
//! the network runs. How long a classification stays valid depends on how much the face has changed since,
//! and on how much the predictions vary.

use std::time::Duration;

use super::{appearance::Appearance, classify::Classification, face::Prediction};

/// A new face is classified at the full rate for this long, because its means start from few predictions.
const NEW: Duration = Duration::from_millis(500);

/// A cached classification is valid for no longer than this.
const MAX_AGE: Duration = Duration::from_millis(900);

/// It is not valid for a face that differs by more than this (see [`Appearance::difference`]).
const MAX_DIFFERENCE: f32 = 0.06;

/// Nor is it valid if that difference times its age in seconds exceeds this.
const MAX_INTEGRAL: f32 = 0.015;

/// After a prediction that differs from the previous one by more than this, in any probability or in half the
/// valence or arousal, the face is classified again at the full rate.
const STEADY: f32 = 0.1;

/// The last classification of a track, and the appearance that was classified.
#[derive(Debug, Clone, Copy)]
pub struct CachedClassification {
    classification: Classification,
    appearance: Appearance,
    at: Duration,
    /// When the track was first classified.
    first: Duration,
    is_steady: bool,
}

impl CachedClassification {
    /// Caches a classification made at `now`; `before` is the one cached until then.
    #[must_use]
    pub fn new(
        classification: &Classification,
        appearance: &Appearance,
        now: Duration,
        before: Option<&Self>,
    ) -> Self {
        let moved = before.map_or(1.0, |before| {
            distance(&before.classification.prediction, &classification.prediction)
        });
        Self {
            classification: *classification,
            appearance: *appearance,
            at: now,
            first: before.map_or(now, |before| before.first),
            is_steady: moved < STEADY,
        }
    }

    /// The classification.
    #[must_use]
    pub fn classification(&self) -> &Classification {
        &self.classification
    }

    /// Whether the network would give about the same prediction at `now` for a face with this appearance.
    #[must_use]
    pub fn is_valid(&self, appearance: &Appearance, now: Duration) -> bool {
        let age = now.saturating_sub(self.at);
        if !self.is_steady || age >= MAX_AGE || now.saturating_sub(self.first) < NEW {
            return false;
        }
        let difference = self.appearance.difference(appearance);
        difference < MAX_DIFFERENCE && difference * age.as_secs_f32() < MAX_INTEGRAL
    }
}

/// The largest difference between two predictions, in any probability or in half the valence or arousal.
fn distance(a: &Prediction, b: &Prediction) -> f32 {
    let of = |a: Option<f32>, b: Option<f32>| match (a, b) {
        (Some(a), Some(b)) => (a - b).abs() / 2.0,
        _ => 0.0,
    };
    let probabilities = match (&a.probabilities, &b.probabilities) {
        (Some(a), Some(b)) => a.max_difference(b),
        _ => 0.0,
    };
    probabilities
        .max(of(a.valence, b.valence))
        .max(of(a.arousal, b.arousal))
}

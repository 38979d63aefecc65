//! The expression network's last answer for a track, and whether it still holds.
//!
//! While a face looks as it did when it was classified, the network would answer the same, so its last answer
//! enters the means again, at the full rate: they do not depend on how often the network runs. How long an
//! answer holds follows from how much the face has changed since, and from how much the answers move.

use std::time::Duration;

use super::{
    appearance::Appearance,
    classify::Classification,
    face::{Category, Prediction},
};

/// A new face is classified at the full rate for this long: its means begin with few predictions.
const NEW: Duration = Duration::from_millis(500);

/// An answer holds for no longer than this.
const MAX_AGE: Duration = Duration::from_millis(900);

/// An answer does not hold for a face that differs by more than this (see [`Appearance::difference`]).
const MAX_DIFFERENCE: f32 = 0.06;

/// Nor for one whose difference times the seconds since exceeds this.
const MAX_INTEGRAL: f32 = 0.015;

/// An answer that differs from the one before by more than this, in any probability or in half of valence or
/// arousal, is followed by another at the full rate.
const STEADY: f32 = 0.1;

/// What the network said of a track, and of which appearance.
#[derive(Debug, Clone, Copy)]
pub struct LastAnswer {
    classification: Classification,
    appearance: Appearance,
    at: Duration,
    /// When the track was classified first.
    first: Duration,
    is_steady: bool,
}

impl LastAnswer {
    /// The answer at `now`, after `before`.
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

    /// The answer.
    #[must_use]
    pub fn classification(&self) -> &Classification {
        &self.classification
    }

    /// Whether the network would say about the same at `now` of a face that looks like this.
    #[must_use]
    pub fn holds(&self, appearance: &Appearance, now: Duration) -> bool {
        let age = now.saturating_sub(self.at);
        if !self.is_steady || age >= MAX_AGE || now.saturating_sub(self.first) < NEW {
            return false;
        }
        let difference = self.appearance.difference(appearance);
        difference < MAX_DIFFERENCE && difference * age.as_secs_f32() < MAX_INTEGRAL
    }
}

/// The largest difference of two predictions, in any probability or in half of valence or arousal.
fn distance(a: &Prediction, b: &Prediction) -> f32 {
    let of = |a: Option<f32>, b: Option<f32>| match (a, b) {
        (Some(a), Some(b)) => (a - b).abs() / 2.0,
        _ => 0.0,
    };
    let probabilities = match (&a.probabilities, &b.probabilities) {
        (Some(a), Some(b)) => Category::ALL
            .into_iter()
            .map(|category| (a.of(category) - b.of(category)).abs())
            .fold(0.0, f32::max),
        _ => 0.0,
    };
    probabilities
        .max(of(a.valence, b.valence))
        .max(of(a.arousal, b.arousal))
}

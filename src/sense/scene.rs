//! Everyone in view, as one result.

use super::face::{Category, Label, MAX_FACES, Prediction, Probabilities, Smoothed, TrackedFace};
use crate::config;

/// A face smiles when its smoothed probability of happiness is at least this.
const SMILE_PROBABILITY: f32 = 0.5;

/// The numbers of faces, in total and by what they do. Each count is 0 to [`MAX_FACES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SceneCounts {
    /// Faces in view.
    pub faces: usize,
    /// Faces that look towards the camera.
    pub attending: usize,
    /// Faces that smile, see [`is_smiling`].
    pub smiling: usize,
}

/// Everyone in view.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scene {
    /// `None` if they are withheld.
    pub counts: Option<SceneCounts>,
    /// The dominant category; none if nobody is in view, withheld if too few faces are, and uncertain if no
    /// category stands out or no face has a good enough prediction.
    pub label: Label,
    /// Means over all faces whose crops are good enough.
    pub prediction: Prediction,
    /// Whether a visit is in progress: someone is in view, or was until `visit.gap_s` ago.
    pub occupied: bool,
}

impl Default for Scene {
    /// Nobody is in view.
    fn default() -> Self {
        Self {
            counts: Some(SceneCounts::default()),
            label: Label::None,
            prediction: Prediction::default(),
            occupied: false,
        }
    }
}

/// Whether a face smiles; false if its crops are too poor.
#[must_use]
pub fn is_smiling(smoothed: &Smoothed) -> bool {
    let happiness = smoothed
        .prediction
        .probabilities
        .map_or(0.0, |probabilities| probabilities.of(Category::Happiness));
    !smoothed.poor && happiness >= SMILE_PROBABILITY
}

/// Builds the scene of each frame; remembers the dominant category for hysteresis.
#[derive(Debug, Clone)]
pub struct SceneSummary {
    smoothing: config::Smoothing,
    min_faces: usize,
    dominant: Option<Category>,
}

impl SceneSummary {
    /// Nobody has been seen yet.
    #[must_use]
    pub fn new(smoothing: &config::Smoothing, publish: &config::Publish) -> Self {
        Self {
            smoothing: *smoothing,
            min_faces: publish.min_faces,
            dominant: None,
        }
    }

    /// The scene with these faces in view, given whether a visit is in progress.
    ///
    /// It is withheld if there are faces, but fewer than `publish.min_faces`.
    pub fn update(&mut self, faces: &[TrackedFace], occupied: bool) -> Scene {
        if faces.is_empty() || faces.len() < self.min_faces {
            self.dominant = None;
        }
        if faces.is_empty() {
            return Scene {
                occupied,
                ..Scene::default()
            };
        }
        if faces.len() < self.min_faces {
            return Scene {
                counts: None,
                label: Label::Withheld,
                prediction: Prediction::default(),
                occupied,
            };
        }
        let prediction = mean(faces);
        let smiling = |face: &&TrackedFace| face.smoothed.as_ref().is_some_and(is_smiling);
        Scene {
            counts: Some(SceneCounts {
                faces: faces.len(),
                attending: faces.iter().filter(|face| face.attending).count(),
                smiling: faces.iter().filter(smiling).count(),
            }),
            label: self.label(prediction.probabilities.as_ref()),
            prediction,
            occupied,
        }
    }

    /// The most probable category on average; the previous one is kept until another leads by the margin.
    fn label(&mut self, probabilities: Option<&Probabilities>) -> Label {
        self.dominant = probabilities.and_then(|probabilities| {
            let (top, lead) = probabilities.argmax();
            let held = self
                .dominant
                .filter(|held| lead - probabilities.of(*held) < self.smoothing.margin);
            (lead >= self.smoothing.floor).then_some(held.unwrap_or(top))
        });
        self.dominant.map_or(Label::Uncertain, Label::Category)
    }
}

/// Means of the smoothed predictions that are good enough.
fn mean(faces: &[TrackedFace]) -> Prediction {
    let predictions: heapless::Vec<Prediction, MAX_FACES> = faces
        .iter()
        .filter_map(|face| face.smoothed)
        .filter(|smoothed| !smoothed.poor)
        .map(|smoothed| smoothed.prediction)
        .collect();
    let mut weights = [0.0; 8];
    for probabilities in predictions
        .iter()
        .filter_map(|prediction| prediction.probabilities)
    {
        for (weight, probability) in weights.iter_mut().zip(probabilities.to_array()) {
            *weight += probability;
        }
    }
    let mean = |value: fn(&Prediction) -> Option<f32>| {
        let count = predictions.iter().filter_map(value).count();
        let sum: f32 = predictions.iter().filter_map(value).sum();
        (count > 0).then(|| sum / count as f32)
    };
    Prediction {
        probabilities: Probabilities::from_weights(weights),
        valence: mean(|prediction| prediction.valence),
        arousal: mean(|prediction| prediction.arousal),
    }
}

#[cfg(test)]
#[path = "scene_tests.rs"]
mod tests;

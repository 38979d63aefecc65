//! One picture: its labels and the model's prediction.

use super::votes::Votes;
use crate::{
    category::{Category, Probabilities},
    sense::classify::Classification,
};

/// The labels of a picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Truth {
    pub(super) category: Category,
    /// Valence and arousal, -1 to 1.
    pub(super) valence_arousal: Option<(f32, f32)>,
    pub(super) agreement: Agreement,
}

/// How far the annotators agree on the category.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Agreement {
    /// Not in the file.
    Unknown,
    /// This share of the annotators chose the category, 0 to 1.
    Share(f32),
    /// All votes.
    Votes(Votes),
}

impl Truth {
    /// Whether more than half of the annotators agree; `None` if it is not known.
    pub(super) fn has_majority(&self) -> Option<bool> {
        match self.agreement {
            Agreement::Unknown => None,
            Agreement::Share(share) => Some(share > 0.5),
            Agreement::Votes(votes) => Some(votes.has_majority()),
        }
    }

    /// Whether `category` has the most votes, ties included; `None` if the votes are not known.
    pub(super) fn is_any_label(&self, category: Category) -> Option<bool> {
        match self.agreement {
            Agreement::Unknown | Agreement::Share(_) => None,
            Agreement::Votes(votes) => Some(votes.is_label(category)),
        }
    }
}

/// A labelled picture with its prediction.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sample {
    pub(super) truth: Truth,
    /// `None` for a model without categories.
    pub(super) classified: Option<Classified>,
    /// Predicted valence and arousal; `None` for a model that lacks either.
    pub(super) valence_arousal: Option<(f32, f32)>,
    /// Quality of the picture, 0 to 1.
    pub(super) quality: f32,
}

/// The predicted category.
#[derive(Debug, Clone, Copy)]
pub(super) struct Classified {
    /// The most probable category, the first in a tie.
    pub(super) category: Category,
    /// Its probability.
    pub(super) confidence: f32,
    /// The probability that it would have without the manifest's temperature.
    pub(super) confidence_unscaled: f32,
}

impl Sample {
    /// `temperature` is the one with which the prediction was made.
    pub(super) fn new(truth: Truth, classification: &Classification, temperature: f32) -> Self {
        let prediction = &classification.prediction;
        Self {
            truth,
            classified: prediction.probabilities.map(|probabilities| {
                let (category, confidence) = probabilities.argmax();
                Classified {
                    category,
                    confidence,
                    confidence_unscaled: unscaled(&probabilities, confidence, temperature),
                }
            }),
            valence_arousal: prediction.valence.zip(prediction.arousal),
            quality: classification.quality.value(),
        }
    }
}

/// The largest probability that the network would have given without the temperature.
fn unscaled(probabilities: &Probabilities, largest: f32, temperature: f32) -> f32 {
    let sum: f32 = probabilities
        .iter()
        .map(|(_, probability)| (probability / largest).powf(temperature))
        .sum();
    1.0 / sum
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_temperature_can_be_removed() {
        let logits = [2.0_f32, 0.5, 0.0, -1.0, 0.25, -0.5, 1.0, 0.75];
        let softmax = |temperature: f32| {
            Probabilities::from_weights(logits.map(|logit| (logit / temperature).exp())).unwrap()
        };
        for temperature in [0.3, 0.8, 1.0, 2.5] {
            let scaled = softmax(temperature);
            let found = unscaled(&scaled, scaled.argmax().1, temperature);
            assert!(
                (found - softmax(1.0).argmax().1).abs() < 1e-6,
                "{temperature}: {found}"
            );
        }
        // A certain prediction stays certain.
        let certain = Probabilities::from_weights([0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]).unwrap();
        assert_eq!(unscaled(&certain, 1.0, 0.3), 1.0);
    }
}

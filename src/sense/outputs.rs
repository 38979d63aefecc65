//! Output vectors of an expression network: the elements that its manifest names, and what they mean.

use super::face::{Prediction, Probabilities};
use crate::model::Expression as ExpressionSpec;
use affectd_infer::{InferError, Output};

/// Maximum number of elements: eight logits, valence and arousal.
const MAX_ELEMENTS: usize = 10;

/// The elements that a manifest names: logits in the manifest's order, then valence and arousal. All are
/// finite.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct OutputVector(heapless::Vec<f32, MAX_ELEMENTS>);

impl OutputVector {
    /// Takes the elements from the outputs, whose concatenation the manifest's indices refer to.
    ///
    /// # Errors
    /// [`InferError::NotFinite`]; [`InferError::Run`] if an output is too short.
    pub(super) fn gather(spec: &ExpressionSpec, outputs: &[Output<'_>]) -> Result<Self, InferError> {
        let logits = spec.logits.iter().map(|(_, index)| *index);
        let others = spec
            .valence_arousal
            .into_iter()
            .flat_map(|va| [va.valence, va.arousal]);
        logits
            .chain(others)
            .map(|index| element(outputs, index))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// The mean of these outputs and those of another run.
    pub(super) fn mean(&self, other: &Self) -> Self {
        Self(
            self.0
                .iter()
                .zip(&other.0)
                .map(|(a, b)| a / 2.0 + b / 2.0)
                .collect(),
        )
    }

    /// Softmax of the logits, and valence and arousal clamped to -1 to 1.
    pub(super) fn prediction(&self, spec: &ExpressionSpec) -> Prediction {
        let (logits, others) = self.0.split_at(spec.logits.len());
        let mut known = [None; 8];
        for ((category, _), logit) in spec.logits.iter().zip(logits) {
            known[*category as usize] = Some(*logit);
        }
        Prediction {
            probabilities: softmax(&known, spec.temperature),
            valence: others.first().map(|valence| valence.clamp(-1.0, 1.0)),
            arousal: others.get(1).map(|arousal| arousal.clamp(-1.0, 1.0)),
        }
    }
}

/// The element at index `wanted` of the concatenated outputs.
fn element(outputs: &[Output<'_>], wanted: usize) -> Result<f32, InferError> {
    let mut index = wanted;
    for output in outputs {
        match output.data.get(index) {
            Some(value) if value.is_finite() => return Ok(*value),
            Some(value) => {
                return Err(InferError::NotFinite {
                    index: wanted,
                    value: *value,
                });
            }
            None => index -= output.data.len(),
        }
    }
    // Loading the model has already checked the highest index against the length.
    Err(InferError::Run(format!("it has no output {wanted}").into()))
}

/// Softmax over the categories that the model predicts; the others get 0. The largest logit is subtracted
/// first, so no exponential overflows. `None` if the model predicts no categories.
fn softmax(logits: &[Option<f32>; 8], temperature: f32) -> Option<Probabilities> {
    let largest = logits
        .iter()
        .flatten()
        .fold(f32::NEG_INFINITY, |largest, logit| largest.max(*logit));
    let exponential = |logit: f32| ((logit - largest) / temperature).exp();
    Probabilities::from_weights(logits.map(|logit| logit.map_or(0.0, exponential)))
}

#[cfg(test)]
#[path = "outputs_tests.rs"]
mod tests;

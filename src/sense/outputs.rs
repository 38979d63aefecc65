//! Output vectors of an expression network: the numbers that its manifest names, and what they mean.

use super::face::{Probabilities, Reading};
use crate::{
    infer::{InferError, Output},
    model::Expression as Contract,
};

/// Eight logits, valence and arousal.
const MOST: usize = 10;

/// The numbers that a manifest names: logits in the manifest's order, then valence and arousal. All are finite.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Numbers(heapless::Vec<f32, MOST>);

impl Numbers {
    /// Takes them from the outputs, which are one vector, one after another.
    ///
    /// # Errors
    /// [`InferError::NotFinite`]; [`InferError::Run`] where an output is too short.
    pub(super) fn gather(contract: &Contract, outputs: &[Output<'_>]) -> Result<Self, InferError> {
        let logits = contract.logits.iter().map(|(_, index)| *index);
        let others = contract
            .valence_arousal
            .into_iter()
            .flat_map(|va| [va.valence, va.arousal]);
        logits
            .chain(others)
            .map(|index| number(outputs, index))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// The mean of these and those of another run.
    pub(super) fn mean(&self, other: &Self) -> Self {
        Self(
            self.0
                .iter()
                .zip(&other.0)
                .map(|(a, b)| a / 2.0 + b / 2.0)
                .collect(),
        )
    }

    /// What they say.
    pub(super) fn reading(&self, contract: &Contract) -> Reading {
        let (logits, others) = self.0.split_at(contract.logits.len());
        let probabilities = (!logits.is_empty()).then(|| {
            let mut known = [None; 8];
            for ((category, _), logit) in contract.logits.iter().zip(logits) {
                known[*category as usize] = Some(*logit);
            }
            softmax(&known, contract.temperature)
        });
        Reading {
            probabilities,
            valence: others.first().map(|valence| valence.clamp(-1.0, 1.0)),
            arousal: others.get(1).map(|arousal| arousal.clamp(-1.0, 1.0)),
        }
    }
}

/// The number at `wanted` of the outputs, one after another.
fn number(outputs: &[Output<'_>], wanted: usize) -> Result<f32, InferError> {
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
    // Opening the model has compared the highest index with the length.
    Err(InferError::Run(format!("it has no output {wanted}")))
}

/// Softmax over the categories that the model knows; the others get 0. The largest logit is subtracted first,
/// so that no exponential overflows.
fn softmax(logits: &[Option<f32>; 8], temperature: f32) -> Probabilities {
    let largest = logits
        .iter()
        .flatten()
        .fold(f32::NEG_INFINITY, |largest, logit| largest.max(*logit));
    let exponentials = logits.map(|logit| logit.map_or(0.0, |logit| ((logit - largest) / temperature).exp()));
    let sum: f32 = exponentials.iter().sum();
    exponentials.map(|exponential| exponential / sum)
}

#[cfg(test)]
#[path = "outputs_tests.rs"]
mod tests;

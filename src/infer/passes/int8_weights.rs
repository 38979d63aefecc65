//! Recovers int8 weights that were dequantized to floats.
//!
//! tract folds a file's int8 weights into a float constant. Weights that were int8 are recognized by those of
//! each output being integer multiples of one scale, at which the largest has a level between 64 and 127.
//! Small hand-made weights look the same, so the caller decides whether a network is examined.

use std::ops::RangeInclusive;

use crate::kernel::{ROUND_TO_INT, inverse_scale};

/// The level of an output's largest weight in files by `affectd-models quantize`: below 127 where two
/// adjacent weights of one sign would add up to more than 128.
const MAX_LEVELS: RangeInclusive<u8> = 64..=127;

/// How far a weight may be from an integer level: far above the rounding error of f32, far below what passes
/// by chance.
const TOLERANCE: f32 = 1e-3;

/// Weights that are tested before all others: they decide in most cases.
const FIRST: usize = 8;

/// Weights as `[output][input]`, with a scale for each output.
#[derive(Debug, Default)]
pub(super) struct Int8Weights {
    pub(super) bytes: Vec<i8>,
    pub(super) scales: Vec<f32>,
}

impl Int8Weights {
    /// Appends the weights of some outputs; `None` if those of any output are not integer multiples of a
    /// scale.
    pub(super) fn append(&mut self, weights: &[f32], inputs: usize) -> Option<()> {
        for row in weights.chunks_exact(inputs) {
            // The bit patterns of positive floats are ordered like the floats.
            let largest = row
                .iter()
                .fold(0, |largest, weight| weight.abs().to_bits().max(largest));
            let largest = f32::from_bits(largest);
            // The lowest level that fits. If all weights are alike, every level does, and with the lowest
            // their pairs add up to less.
            let level = MAX_LEVELS
                .map(f32::from)
                .find(|level| self.append_row(row, inverse_scale(largest, *level)))?;
            self.scales.push(largest / level);
        }
        Some(())
    }

    /// Appends the weights of one output if they are integers at this scale.
    fn append_row(&mut self, row: &[f32], inverse_scale: f32) -> bool {
        // NaN is not an integer.
        let is_integer = |weight: &f32| {
            let level = weight * inverse_scale;
            (level - ((level + ROUND_TO_INT) - ROUND_TO_INT)).abs() <= TOLERANCE
        };
        if !row.iter().take(FIRST).all(is_integer) {
            return false;
        }
        // No early exit, so that LLVM vectorizes the loop: some networks have 30 million weights.
        if !row.iter().fold(true, |all, weight| all & is_integer(weight)) {
            return false;
        }
        let level = |weight: &f32| (weight * inverse_scale + ROUND_TO_INT).to_bits() as i8;
        self.bytes.extend(row.iter().map(level));
        true
    }
}

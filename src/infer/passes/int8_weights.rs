//! Recovers int8 weights that were dequantized to floats.
//!
//! tract folds a file's int8 weights into a float constant. Whether weights were int8 shows in that those of
//! each output are integer multiples of one scale: that at which the largest of them has a level between 64
//! and 127. Small weights made by hand look the same, so the caller decides whether a network is to be looked
//! at.

use std::ops::RangeInclusive;

use crate::kernel::{ROUND_TO_INT, inverse_scale};

/// The level of an output's largest weight in files by `models/tools/quantize.py`: below 127 where two
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
    /// Appends the weights of some outputs; `None` if those of any are no integer multiples of a scale.
    pub(super) fn append(&mut self, weights: &[f32], inputs: usize) -> Option<()> {
        for row in weights.chunks_exact(inputs) {
            // The bit patterns of positive floats are in the order of the floats.
            let largest = row
                .iter()
                .fold(0, |largest, weight| weight.abs().to_bits().max(largest));
            let largest = f32::from_bits(largest);
            // The lowest level that fits, as for weights that are all alike: their pairs add up to less.
            let level = MAX_LEVELS
                .map(f32::from)
                .find(|level| self.append_row(row, inverse_scale(largest, *level)))?;
            self.scales.push(largest / level);
        }
        Some(())
    }

    /// Appends the weights of one output if they are integers at this scale.
    fn append_row(&mut self, row: &[f32], inverse_scale: f32) -> bool {
        // NaN is none.
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

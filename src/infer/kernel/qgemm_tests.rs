//! Compares the matrix product with integer sums, on every instruction set.
#![allow(clippy::unwrap_used)]
use proptest::prelude::*;

use super::*;
use crate::kernel::{
    SimdLevel,
    pack::{ActivationView, Prologue, max_level, pack},
};

/// Pseudo-random bytes.
fn noise(seed: u64, count: usize) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (0..count).map(|_| next()).collect()
}

/// `[token][channel]` values in this layout.
fn in_layout(values: &[f32], layout: Layout, channels: usize) -> Vec<f32> {
    let tokens = values.len() / channels;
    match layout {
        Layout::ChannelsLast => values.to_vec(),
        Layout::ChannelsFirst => (0..values.len())
            .map(|at| values[at % tokens * channels + at / tokens])
            .collect(),
    }
}

const LAYOUTS: [Layout; 2] = [Layout::ChannelsLast, Layout::ChannelsFirst];

/// These weights, with the second of each pair reduced where they would saturate the level's products.
fn without_saturation(level: SimdLevel, bytes: &[i8], channels: usize) -> Vec<i8> {
    let mut bytes = bytes.to_vec();
    let packed = PackedWeights::new(
        level,
        Layout::ChannelsLast,
        &bytes,
        &vec![1.0; bytes.len() / channels],
        &[],
    );
    if packed.level() != level {
        for row in bytes.chunks_exact_mut(channels) {
            for [first, second] in row.as_chunks_mut().0 {
                let left = (128 - u32::from(first.unsigned_abs())).min(127) as i8;
                *second = (*second).clamp(-left, left);
            }
        }
    }
    bytes
}

/// The product on one instruction set, as `[token][output]`.
fn run(
    level: SimdLevel,
    (from, to): (Layout, Layout),
    values: &[f32],
    bytes: &[i8],
    scales: &[f32],
    bias: &[f32],
) -> Vec<f32> {
    let outputs = scales.len();
    let channels = bytes.len() / outputs;
    let tokens = values.len() / channels;
    let weights = PackedWeights::new(level, to, bytes, scales, bias);
    assert_eq!(weights.level(), level);
    let view = ActivationView {
        values: &in_layout(values, from, channels),
        layout: from,
        tokens,
        channels,
        prologue: Prologue::None,
    };
    let mut packed = PackedActivations::default();
    pack(level, view, weights.activation_operand(), &mut packed);
    let mut results = vec![f32::NAN; tokens * outputs];
    let epilogue = Epilogue::Activation(Activation::Identity);
    qgemm(&weights, &mut packed, tokens, epilogue, &mut results);
    match to {
        Layout::ChannelsLast => results,
        // Transposing twice gives the original.
        Layout::ChannelsFirst => in_layout(&results, to, tokens),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Integers that are quantization levels are quantized without loss, so every product is exact.
    #[test]
    fn integers_are_multiplied_exactly(
        tokens in 1..140_usize, channels in 2..90_usize, outputs in 1..110_usize, seed: u64,
    ) {
        let bytes: Vec<i8> =
            noise(!seed, outputs * channels).into_iter().map(|byte| byte.cast_signed().max(-127)).collect();
        let scales: Vec<f32> = (0..outputs).map(|output| (1 + output % 4) as f32).collect();
        let bias: Vec<f32> = (0..outputs).map(|output| output as f32 - 5.0).collect();
        for level in SimdLevel::all_supported() {
            let bytes = without_saturation(level, &bytes, channels);
            let (lowest, highest) = match level.activation_bytes() {
                2 => (-77.0, max_level(channels)),
                _ => (0.0, 255.0),
            };
            let mut values: Vec<f32> = noise(seed, tokens * channels).into_iter().map(f32::from).collect();
            for row in values.chunks_exact_mut(channels) {
                (row[0], row[channels - 1]) = (highest, lowest);
            }
            let mut expected = Vec::new();
            for row in values.chunks_exact(channels) {
                for (output, weights) in bytes.chunks_exact(channels).enumerate() {
                    let sum: i64 = row.iter().zip(weights).map(|(a, b)| *a as i64 * i64::from(*b)).sum();
                    expected.push(sum as f64 * f64::from(scales[output]) + f64::from(bias[output]));
                }
            }
            for from in LAYOUTS {
                for to in LAYOUTS {
                    let results = run(level, (from, to), &values, &bytes, &scales, &bias);
                    for (result, expected) in results.iter().zip(&expected) {
                        // f32 represents sums of one-byte products exactly.
                        let bound = if expected.abs() < 16e6 { 0.0 } else { expected.abs() * 3e-7 };
                        prop_assert!(
                            (f64::from(*result) - expected).abs() <= bound,
                            "{level:?} {from:?} to {to:?}: {result}, not {expected}",
                        );
                    }
                }
            }
        }
    }

    /// The identity matrix gives the dequantized activations.
    #[test]
    fn the_quantization_error_is_at_most_half_a_scale(
        rows in prop::collection::vec((-1e3..1e3_f32, 1e-3..1e3_f32), 1..40), channels in 1..70_usize, seed: u64,
    ) {
        let spread = noise(seed, rows.len() * channels);
        let values: Vec<f32> = (0..spread.len())
            .map(|at| rows[at / channels].0 + rows[at / channels].1 * f32::from(spread[at]) / 256.0)
            .collect();
        let mut bytes = vec![0; channels * channels];
        bytes.iter_mut().step_by(channels + 1).for_each(|byte| *byte = 1);
        for level in SimdLevel::all_supported() {
            for from in LAYOUTS {
                let (scales, bias) = (vec![1.0; channels], vec![0.0; channels]);
                let results = run(level, (from, Layout::ChannelsLast), &values, &bytes, &scales, &bias);
                for (at, (result, value)) in results.iter().zip(&values).enumerate() {
                    let (base, range) = rows[at / channels];
                    let scale = match level.activation_bytes() {
                        2 => (base.abs() + range) / max_level(channels),
                        _ => range / 255.0,
                    };
                    let bound = scale * 0.5 + (base.abs() + range) * 1e-6;
                    prop_assert!((result - value).abs() <= bound, "{level:?}: {value} became {result}");
                }
            }
        }
    }
}

#[test]
#[cfg(target_arch = "x86_64")]
fn weights_that_would_saturate_get_two_byte_activations() {
    // The only level that saturates.
    let levels = SimdLevel::all_supported();
    let is_avx2 = |level: &&SimdLevel| level.int16().is_some() && level.activation_bytes() == 1;
    let Some(level) = levels.iter().find(is_avx2) else {
        return;
    };
    for (weights, bytes) in [
        ([64, 64, -128, 127], 1),
        ([1, 127, -64, -64], 1),
        ([64, 65, 0, 0], 2),
        ([0, 0, -2, -127], 2),
    ] {
        let packed = PackedWeights::new(*level, Layout::ChannelsLast, &weights, &[1.0], &[0.0]);
        assert_eq!(packed.level().activation_bytes(), bytes, "{weights:?}");
    }
}

/// The highest levels and weights in all places: their sum must fit 32 bits.
#[test]
fn accumulators_do_not_overflow() {
    let layouts = (Layout::ChannelsLast, Layout::ChannelsLast);
    for channels in [4, 768, 3072] {
        for level in SimdLevel::all_supported() {
            for sign in [1.0, -1.0] {
                let values = vec![2.0 * sign; channels];
                let weights = without_saturation(level, &vec![127; channels], channels);
                let results = run(level, layouts, &values, &weights, &[1.0], &[0.0]);
                let sum: f32 = weights.iter().map(|weight| f32::from(*weight)).sum();
                let expected = 2.0 * sign * sum;
                assert!(
                    (results[0] / expected - 1.0).abs() < 1e-3,
                    "{level:?}: {results:?}, not {expected}"
                );
            }
        }
    }
}

/// Pairs of the largest products, where 16-bit sums would saturate.
#[test]
fn the_largest_products_do_not_saturate() {
    let values = [255.0, 0.0, 255.0, 255.0, 255.0, 0.0, 255.0, 255.0];
    for weight in [-127, -1, 1, 127] {
        for level in SimdLevel::all_supported() {
            for to in LAYOUTS {
                let weights = without_saturation(level, &[weight; 8], 8);
                let results = run(level, (LAYOUTS[0], to), &values, &weights, &[1.0], &[0.0]);
                let products = values.iter().zip(&weights).map(|(a, b)| a * f32::from(*b));
                let expected: f32 = products.sum();
                assert!(
                    (results[0] - expected).abs() < 0.1,
                    "{level:?} {to:?}: {results:?}"
                );
            }
        }
    }
}

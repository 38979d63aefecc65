//! Products of integers against sums of whole numbers, on every instruction set.
#![allow(clippy::unwrap_used)]
use proptest::prelude::*;

use super::{
    super::isa::Best,
    super::pack::{Before, View, most_steps, pack},
    *,
};

/// Bytes from a seed.
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

/// `[position][channel]` numbers in this order.
fn ordered(numbers: &[f32], order: Order, channels: usize) -> Vec<f32> {
    let positions = numbers.len() / channels;
    match order {
        Order::ChannelsInner => numbers.to_vec(),
        Order::PositionsInner => (0..numbers.len())
            .map(|at| numbers[at % positions * channels + at / positions])
            .collect(),
    }
}

const ORDERS: [Order; 2] = [Order::ChannelsInner, Order::PositionsInner];

/// These weights, or where they do not fit the instruction set, with the second of each pair smaller.
fn fitting(isa: Best, bytes: &[i8], channels: usize) -> Vec<i8> {
    let mut bytes = bytes.to_vec();
    if isa.for_weights(&bytes, channels) != isa {
        for row in bytes.chunks_exact_mut(channels) {
            for [first, second] in row.as_chunks_mut().0 {
                let left = (128 - u32::from(first.unsigned_abs())).min(127) as i8;
                *second = (*second).clamp(-left, left);
            }
        }
    }
    bytes
}

/// The product on one instruction set, as `[position][output]`.
fn run(
    isa: Best,
    orders: (Order, Order),
    numbers: &[f32],
    bytes: &[i8],
    scales: &[f32],
    bias: &[f32],
) -> Vec<f32> {
    let (from, to) = orders;
    let outputs = scales.len();
    let channels = bytes.len() / outputs;
    let positions = numbers.len() / channels;
    let weights = Weights::new(isa, to, bytes, scales, bias);
    assert_eq!(weights.isa(), isa);
    let view = View {
        numbers: &ordered(numbers, from, channels),
        order: from,
        positions,
        channels,
        before: Before::Nothing,
    };
    let mut packed = Packed::default();
    pack(isa, view, weights.wants_lanes(), &mut packed);
    let mut results = vec![f32::NAN; positions * outputs];
    let finish = Finish::Activate(Activation::Identity);
    product(&weights, &mut packed, positions, finish, &mut results);
    match to {
        Order::ChannelsInner => results,
        // The other way round is the same exchange.
        Order::PositionsInner => ordered(&results, to, positions),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whole numbers that are steps are quantized without loss, so every sum is exact.
    #[test]
    fn whole_numbers_are_multiplied_exactly(
        positions in 1..140_usize, channels in 2..90_usize, outputs in 1..110_usize, seed: u64,
    ) {
        let bytes: Vec<i8> =
            noise(!seed, outputs * channels).into_iter().map(|byte| byte.cast_signed().max(-127)).collect();
        let scales: Vec<f32> = (0..outputs).map(|output| (1 + output % 4) as f32).collect();
        let bias: Vec<f32> = (0..outputs).map(|output| output as f32 - 5.0).collect();
        for isa in Best::all() {
            let bytes = fitting(isa, &bytes, channels);
            let (smallest, largest) = match isa.activation_bytes() {
                2 => (-77.0, most_steps(channels)),
                _ => (0.0, 255.0),
            };
            let mut numbers: Vec<f32> = noise(seed, positions * channels).into_iter().map(f32::from).collect();
            for row in numbers.chunks_exact_mut(channels) {
                (row[0], row[channels - 1]) = (largest, smallest);
            }
            let mut expected = Vec::new();
            for row in numbers.chunks_exact(channels) {
                for (output, weights) in bytes.chunks_exact(channels).enumerate() {
                    let sum: i64 = row.iter().zip(weights).map(|(a, b)| *a as i64 * i64::from(*b)).sum();
                    expected.push(sum as f64 * f64::from(scales[output]) + f64::from(bias[output]));
                }
            }
            for from in ORDERS {
                for to in ORDERS {
                    let found = run(isa, (from, to), &numbers, &bytes, &scales, &bias);
                    for (found, expected) in found.iter().zip(&expected) {
                        // What f32 rounds, which is nothing for sums of bytes.
                        let bound = if expected.abs() < 16e6 { 0.0 } else { expected.abs() * 3e-7 };
                        prop_assert!(
                            (f64::from(*found) - expected).abs() <= bound,
                            "{isa:?} {from:?} to {to:?}: {found}, not {expected}",
                        );
                    }
                }
            }
        }
    }

    /// Weights of one give the quantized numbers back.
    #[test]
    fn a_number_is_off_by_at_most_half_a_step(
        rows in prop::collection::vec((-1e3..1e3_f32, 1e-3..1e3_f32), 1..40), channels in 1..70_usize, seed: u64,
    ) {
        let spread = noise(seed, rows.len() * channels);
        let numbers: Vec<f32> = (0..spread.len())
            .map(|at| rows[at / channels].0 + rows[at / channels].1 * f32::from(spread[at]) / 256.0)
            .collect();
        let mut bytes = vec![0; channels * channels];
        bytes.iter_mut().step_by(channels + 1).for_each(|byte| *byte = 1);
        for isa in Best::all() {
            for from in ORDERS {
                let (scales, bias) = (vec![1.0; channels], vec![0.0; channels]);
                let found = run(isa, (from, Order::ChannelsInner), &numbers, &bytes, &scales, &bias);
                for (at, (found, number)) in found.iter().zip(&numbers).enumerate() {
                    let (base, range) = rows[at / channels];
                    let step = match isa.activation_bytes() {
                        2 => (base.abs() + range) / most_steps(channels),
                        _ => range / 255.0,
                    };
                    let bound = step * 0.5 + (base.abs() + range) * 1e-6;
                    prop_assert!((found - number).abs() <= bound, "{isa:?}: {number} became {found}");
                }
            }
        }
    }
}

#[test]
#[cfg(target_arch = "x86_64")]
fn weights_whose_pairs_would_saturate_have_activations_of_two_bytes() {
    if !Best::all().contains(&Best::Avx2Bytes) {
        return;
    }
    for (weights, expected) in [
        ([64, 64, -128, 127], Best::Avx2Bytes),
        ([1, 127, -64, -64], Best::Avx2Bytes),
        ([64, 65, 0, 0], Best::Avx2),
        ([0, 0, -2, -127], Best::Avx2),
    ] {
        let found = Weights::new(Best::Avx2Bytes, ORDERS[0], &weights, &[1.0], &[0.0]).isa();
        assert_eq!(found, expected, "{weights:?}");
    }
}

/// The largest steps and weights in all places: their sum must fit.
#[test]
fn no_sum_overflows() {
    for channels in [4, 768, 3072] {
        for isa in Best::all() {
            for sign in [1.0, -1.0] {
                let numbers = vec![2.0 * sign; channels];
                let weights = fitting(isa, &vec![127; channels], channels);
                let found = run(isa, (ORDERS[0], ORDERS[0]), &numbers, &weights, &[1.0], &[0.0]);
                let sum: f32 = weights.iter().map(|weight| f32::from(*weight)).sum();
                let expected = 2.0 * sign * sum;
                assert!(
                    (found[0] / expected - 1.0).abs() < 1e-3,
                    "{isa:?}: {found:?}, not {expected}"
                );
            }
        }
    }
}

#[test]
fn every_magnitude_meets_every_weight() {
    // Pairs of the largest products are where a 16-bit sum would saturate.
    let numbers = [255.0, 0.0, 255.0, 255.0, 255.0, 0.0, 255.0, 255.0];
    for weight in [-127, -1, 1, 127] {
        for isa in Best::all() {
            for to in ORDERS {
                let weights = fitting(isa, &[weight; 8], 8);
                let found = run(isa, (ORDERS[0], to), &numbers, &weights, &[1.0], &[0.0]);
                let products = numbers.iter().zip(&weights).map(|(a, b)| a * f32::from(*b));
                let expected: f32 = products.sum();
                assert!((found[0] - expected).abs() < 0.1, "{isa:?} {to:?}: {found:?}");
            }
        }
    }
}

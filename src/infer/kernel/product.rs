//! The product of quantized activations and quantized weights.

use super::{
    activate::{Activation, activate},
    isa::{Best, DEPTH, Isa, LANES, Work, sixteen},
    pack::{Order, Packed, groups},
};

/// Positions that are multiplied with all weights before the next ones: they stay in the nearest cache.
const BLOCK: usize = 64;

/// The weights of a linear layer, quantized and laid out for one order of the result.
#[derive(Debug)]
pub(in crate::infer) struct Weights {
    /// Of the result. With channels inner the weights are lanes, `[output / 16][group of inputs][16
    /// outputs][4]`, otherwise rows, `[output][group][4]`.
    order: Order,
    bytes: Vec<u8>,
    /// From here on one for each output, filled up to whole sixteens.
    scales: Vec<f32>,
    bias: Vec<f32>,
    /// The sum of the weights, which the offsets of activations are multiplied with.
    sums: Vec<f32>,
    inputs: usize,
    outputs: usize,
    isa: Best,
}

impl Weights {
    /// From `[output][input]` bytes, none of them -128, and a scale and a bias for each output.
    pub(in crate::infer) fn new(isa: Best, order: Order, bytes: &[i8], scales: &[f32], bias: &[f32]) -> Self {
        let outputs = scales.len();
        let inputs = bytes.len() / outputs;
        let (groups, padded) = (groups(inputs), outputs.next_multiple_of(LANES));
        let mut packed = vec![0; padded * groups * DEPTH];
        let mut sums = vec![0.0; padded];
        for (output, row) in bytes.chunks_exact(inputs).enumerate() {
            sums[output] = scales[output] * row.iter().map(|byte| i32::from(*byte)).sum::<i32>() as f32;
            for (input, byte) in row.iter().enumerate() {
                let (group, depth) = (input / DEPTH, input % DEPTH);
                let at = match order {
                    Order::ChannelsInner => {
                        (output / LANES * groups + group) * LANES * DEPTH + output % LANES * DEPTH + depth
                    }
                    Order::PositionsInner => output * groups * DEPTH + input,
                };
                packed[at] = byte.cast_unsigned();
            }
        }
        let fill = |numbers: &[f32]| {
            let mut numbers = numbers.to_vec();
            numbers.resize(padded, 0.0);
            numbers
        };
        Self {
            order,
            bytes: packed,
            scales: fill(scales),
            bias: fill(bias),
            sums,
            inputs,
            outputs,
            isa,
        }
    }

    /// Whether activations are to be packed as lanes.
    pub(in crate::infer) fn wants_lanes(&self) -> bool {
        self.order == Order::PositionsInner
    }

    pub(in crate::infer) fn isa(&self) -> Best {
        self.isa
    }

    pub(in crate::infer) fn set_bias(&mut self, bias: &[f32]) {
        self.bias[..self.outputs].copy_from_slice(bias);
    }
}

/// Writes `activation(weights * activations + bias)` for this many positions, in the order of the weights.
pub(in crate::infer) fn product(
    weights: &Weights,
    packed: &Packed,
    positions: usize,
    activation: Activation,
    to: &mut [f32],
) {
    assert_eq!(to.len(), positions * weights.outputs);
    weights.isa.run(Product {
        weights,
        packed,
        positions,
        activation,
        to,
    });
}

struct Product<'a> {
    weights: &'a Weights,
    packed: &'a Packed,
    positions: usize,
    activation: Activation,
    to: &'a mut [f32],
}

impl Work for Product<'_> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(mut self) {
        match (I::ROWS, self.weights.order) {
            (8, Order::ChannelsInner) => self.tiles::<I, 8, true>(),
            (8, Order::PositionsInner) => self.tiles::<I, 8, false>(),
            (4, Order::ChannelsInner) => self.tiles::<I, 4, true>(),
            (4, Order::PositionsInner) => self.tiles::<I, 4, false>(),
            (_, Order::ChannelsInner) => self.tiles::<I, 2, true>(),
            (_, Order::PositionsInner) => self.tiles::<I, 2, false>(),
        }
    }
}

impl Product<'_> {
    /// Rows are positions and lanes outputs, or the other way round.
    #[inline(always)]
    fn tiles<I: Isa, const ROWS: usize, const BY_POSITION: bool>(&mut self) {
        let (rows, lanes) = if BY_POSITION {
            (self.positions, self.weights.outputs)
        } else {
            (self.weights.outputs, self.positions)
        };
        let vectors = lanes.div_ceil(LANES);
        for block in (0..rows).step_by(BLOCK) {
            let end = rows.min(block + BLOCK);
            let mut vector = 0;
            while vector < vectors {
                let count = match vectors - vector {
                    // Twice two are faster than three and one.
                    4 if I::VECTORS == 3 => 2,
                    left => left.min(I::VECTORS),
                };
                for row in (block..end).step_by(ROWS) {
                    match count {
                        1 => self.tile::<I, ROWS, 1, BY_POSITION>(row, end, vector),
                        2 => self.tile::<I, ROWS, 2, BY_POSITION>(row, end, vector),
                        _ => self.tile::<I, ROWS, 3, BY_POSITION>(row, end, vector),
                    }
                }
                vector += count;
            }
        }
    }

    /// The results of some rows, before `end`, and of `WIDTH` vectors of lanes.
    #[inline(always)]
    fn tile<I: Isa, const ROWS: usize, const WIDTH: usize, const BY_POSITION: bool>(
        &mut self,
        first: usize,
        end: usize,
        vector: usize,
    ) {
        let (weights, packed) = (self.weights, self.packed);
        let groups = groups(weights.inputs);
        let (row_bytes, lane_bytes, lane_count) = if BY_POSITION {
            (&*packed.bytes, &*weights.bytes, weights.outputs)
        } else {
            (&*weights.bytes, &*packed.bytes, self.positions)
        };
        let count = ROWS.min(end - first);
        // Rows past the end repeat the last one; their results are dropped.
        let rows: [&[[u8; DEPTH]]; ROWS] = std::array::from_fn(|row| {
            let start = (first + row.min(count - 1)) * groups * DEPTH;
            row_bytes[start..][..groups * DEPTH].as_chunks().0
        });
        let panels: [&[[u8; LANES * DEPTH]]; WIDTH] = std::array::from_fn(|panel| {
            let size = groups * LANES * DEPTH;
            lane_bytes[(vector + panel) * size..][..size].as_chunks().0
        });
        let lane_start = vector * LANES;
        let sums = I::products::<ROWS, WIDTH, BY_POSITION>(rows, panels);
        for (row, sums) in sums.iter().enumerate().take(count) {
            let row = first + row;
            let mut results = [[0.0_f32; LANES]; WIDTH];
            for (panel, results) in results.iter_mut().enumerate() {
                let start = lane_start + panel * LANES;
                // What belongs to the lanes, from either side; the rows' is one number each.
                let (scales, offsets, bias, row_scale, row_offset);
                if BY_POSITION {
                    (scales, offsets) = (&weights.scales[start..], &weights.sums[start..]);
                    (row_scale, row_offset) = (packed.scales[row], packed.offsets[row]);
                    bias = I::load(sixteen(&weights.bias[start..]));
                } else {
                    (scales, offsets) = (&packed.scales[start..], &packed.offsets[start..]);
                    (row_scale, row_offset) = (weights.scales[row], weights.sums[row]);
                    bias = I::splat(weights.bias[row]);
                }
                let constant = I::multiply_add(I::load(sixteen(offsets)), I::splat(row_offset), bias);
                let scales = I::multiply(I::load(sixteen(scales)), I::splat(row_scale));
                I::store(
                    I::multiply_add(I::to_floats(sums[panel]), scales, constant),
                    results,
                );
            }
            activate::<I>(self.activation, results.as_flattened_mut());
            let to = &mut self.to[row * lane_count + lane_start..(row + 1) * lane_count];
            let results = results.as_flattened();
            let length = results.len().min(to.len());
            to[..length].copy_from_slice(&results[..length]);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::{
        super::pack::{View, pack},
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
        let view = View {
            numbers: &ordered(numbers, from, channels),
            order: from,
            positions,
            channels,
        };
        let mut packed = Packed::default();
        pack(isa, view, weights.wants_lanes(), &mut packed);
        let mut results = vec![f32::NAN; positions * outputs];
        product(&weights, &packed, positions, Activation::Identity, &mut results);
        match to {
            Order::ChannelsInner => results,
            // The other way round is the same exchange.
            Order::PositionsInner => ordered(&results, to, positions),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        /// Whole numbers from 0 to 255 are quantized without loss, so every product is exact.
        #[test]
        fn whole_numbers_are_multiplied_exactly(
            positions in 1..140_usize, channels in 2..90_usize, outputs in 1..110_usize, seed: u64,
        ) {
            let mut numbers: Vec<f32> = noise(seed, positions * channels).into_iter().map(f32::from).collect();
            for row in numbers.chunks_exact_mut(channels) {
                (row[0], row[channels - 1]) = (255.0, 0.0);
            }
            let bytes: Vec<i8> =
                noise(!seed, outputs * channels).into_iter().map(|byte| byte.cast_signed().max(-127)).collect();
            let scales: Vec<f32> = (0..outputs).map(|output| (1 + output % 4) as f32).collect();
            let bias: Vec<f32> = (0..outputs).map(|output| output as f32 - 5.0).collect();
            let mut expected = Vec::new();
            for row in numbers.chunks_exact(channels) {
                for (output, weights) in bytes.chunks_exact(channels).enumerate() {
                    let sum: i64 = row.iter().zip(weights).map(|(a, b)| *a as i64 * i64::from(*b)).sum();
                    expected.push(sum as f32 * scales[output] + bias[output]);
                }
            }
            for isa in Best::all() {
                for from in ORDERS {
                    for to in ORDERS {
                        let found = run(isa, (from, to), &numbers, &bytes, &scales, &bias);
                        prop_assert_eq!(&found, &expected, "{:?} {:?} to {:?}", isa, from, to);
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
                        let bound = range / 255.0 * 0.5 + (base.abs() + range) * 1e-6;
                        prop_assert!((found - number).abs() <= bound, "{isa:?}: {number} became {found}");
                    }
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
                    let found = run(isa, (ORDERS[0], to), &numbers, &[weight; 8], &[1.0], &[0.0]);
                    assert_eq!(found, [f32::from(weight) * 255.0 * 6.0], "{isa:?} {to:?}");
                }
            }
        }
    }
}

//! The product of quantized activations and quantized weights.

use std::ops::Range;

use super::{
    activate::{ActivateColumns, Activation},
    isa::{DEPTH, Isa, LANES, Work},
    pack::{Order, Packed, groups},
    weights::Weights,
};

/// Rows that are multiplied with all lanes before the next ones: they stay in the nearest cache.
const BLOCK: usize = 64;

/// Vectors of lanes that are multiplied with a block, and then activated while they are in the nearest cache.
const STRIP: usize = 6;

/// What is done to the sums of a product besides scaling.
#[derive(Debug, Clone, Copy)]
pub(in crate::infer) enum Finish<'a> {
    /// The activation is applied.
    Activate(Activation),
    /// As many numbers as the result has, in its order, are added.
    Add(&'a [f32]),
}

/// Writes `weights * activations + bias`, finished, for this many positions, in the order of the weights.
pub(in crate::infer) fn product(
    weights: &Weights,
    packed: &mut Packed,
    positions: usize,
    finish: Finish<'_>,
    to: &mut [f32],
) {
    assert_eq!(to.len(), positions * weights.outputs);
    if let Finish::Add(residual) = finish {
        assert_eq!(residual.len(), to.len());
    }
    // Rows are positions and lanes outputs, or the other way round.
    let (rows, lanes) = match weights.order {
        Order::ChannelsInner => (positions, weights.outputs),
        Order::PositionsInner => (weights.outputs, positions),
    };
    let vectors = lanes.div_ceil(LANES);
    for first in (0..rows).step_by(BLOCK) {
        let rows = first..rows.min(first + BLOCK);
        for first in (0..vectors).step_by(STRIP) {
            let strip = first..vectors.min(first + STRIP);
            weights.isa.run(Product {
                weights,
                packed,
                positions,
                finish,
                rows: rows.clone(),
                vectors: strip.clone(),
                to,
            });
            // Apart, so that its many coefficients take no registers from the sums.
            if let Finish::Activate(activation) = finish {
                weights.isa.run(ActivateColumns {
                    activation,
                    numbers: &mut to[rows.start * lanes..rows.end * lanes],
                    line: lanes,
                    columns: strip.start * LANES..lanes.min(strip.end * LANES),
                });
            }
        }
    }
}

/// The product of a block of rows and a strip of lanes.
struct Product<'a> {
    weights: &'a Weights,
    packed: &'a mut Packed,
    positions: usize,
    finish: Finish<'a>,
    rows: Range<usize>,
    vectors: Range<usize>,
    /// The whole result.
    to: &'a mut [f32],
}

impl Work for Product<'_> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(mut self) {
        match self.weights.order {
            Order::ChannelsInner => self.tiles::<I, true>(),
            Order::PositionsInner => self.tiles::<I, false>(),
        }
    }
}

impl Product<'_> {
    #[inline(always)]
    fn tiles<I: Isa, const BY_POSITION: bool>(&mut self) {
        if I::BYTES == 2 && !BY_POSITION && self.vectors.start == 0 {
            self.widen();
        }
        // Tiles of nearly the same height, so that none is left with a single row; the first ones are higher.
        let count = self.rows.len();
        let tiles = count.div_ceil(I::ROWS);
        let (least, higher) = (count / tiles, count % tiles);
        let mut vector = self.vectors.start;
        while vector < self.vectors.end {
            let width = match self.vectors.end - vector {
                // Twice two are faster than three and one.
                4 if I::VECTORS == 3 => 2,
                left => left.min(I::VECTORS),
            };
            let mut first = self.rows.start;
            for tile in 0..tiles {
                let height = least + usize::from(tile < higher);
                let place = Place {
                    first,
                    height,
                    vector,
                    width,
                };
                self.tile::<I, BY_POSITION>(&place);
                first += height;
            }
            vector += width;
        }
    }

    /// Makes the weights of some rows ready for products of sixteen bits.
    #[inline(always)]
    fn widen(&mut self) {
        let row = groups(self.weights.inputs) * DEPTH;
        let bytes = &self.weights.bytes[self.rows.start * row..self.rows.end * row];
        let to = &mut self.packed.widened;
        if to.len() < bytes.len() * 2 {
            to.resize(bytes.len() * 2, 0);
        }
        for (to, byte) in to.as_chunks_mut::<2>().0.iter_mut().zip(bytes) {
            *to = i16::from(byte.cast_signed()).to_le_bytes();
        }
    }

    #[inline(always)]
    fn tile<I: Isa, const BY_POSITION: bool>(&mut self, place: &Place) {
        match place.width {
            1 => self.tile_rows::<I, 1, BY_POSITION>(place),
            2 if I::VECTORS > 1 => self.tile_rows::<I, 2, BY_POSITION>(place),
            3 if I::VECTORS > 2 => self.tile_rows::<I, 3, BY_POSITION>(place),
            _ => unreachable!("a tile has at most as many vectors as the instruction set says"),
        }
    }

    #[inline(always)]
    fn tile_rows<I: Isa, const WIDTH: usize, const BY_POSITION: bool>(&mut self, place: &Place) {
        match place.height {
            1 => self.tile_of::<I, 1, WIDTH, BY_POSITION>(place),
            2 => self.tile_of::<I, 2, WIDTH, BY_POSITION>(place),
            3 if I::ROWS > 2 => self.tile_of::<I, 3, WIDTH, BY_POSITION>(place),
            4 if I::ROWS > 3 => self.tile_of::<I, 4, WIDTH, BY_POSITION>(place),
            5 if I::ROWS > 4 => self.tile_of::<I, 5, WIDTH, BY_POSITION>(place),
            6 if I::ROWS > 5 => self.tile_of::<I, 6, WIDTH, BY_POSITION>(place),
            7 if I::ROWS > 6 => self.tile_of::<I, 7, WIDTH, BY_POSITION>(place),
            8 if I::ROWS > 7 => self.tile_of::<I, 8, WIDTH, BY_POSITION>(place),
            _ => unreachable!("a tile has at most as many rows as the instruction set says"),
        }
    }

    #[inline(always)]
    fn tile_of<I: Isa, const ROWS: usize, const WIDTH: usize, const BY_POSITION: bool>(
        &mut self,
        place: &Place,
    ) {
        let (weights, packed) = (self.weights, &*self.packed);
        let fours = groups(weights.inputs);
        let activation_groups = fours * I::BYTES;
        let (row_bytes, first, lane_bytes, lane_groups) = if BY_POSITION {
            (&*packed.bytes, place.first, &*weights.bytes, fours)
        } else if I::BYTES == 2 {
            let first = place.first - self.rows.start;
            (&*packed.widened, first, &*packed.bytes, activation_groups)
        } else {
            (&*weights.bytes, place.first, &*packed.bytes, activation_groups)
        };
        // Wrapping: the slices are checked anyway, and a tile is too small for more checks than that.
        let size = activation_groups.wrapping_mul(DEPTH);
        let all = &row_bytes[first.wrapping_mul(size)..][..ROWS.wrapping_mul(size)];
        // Plain loops: what fills an array by a closure is not inlined.
        let mut rows: [&[[u8; DEPTH]]; ROWS] = [&[]; ROWS];
        for (row, to) in rows.iter_mut().enumerate() {
            // SAFETY: `all` are as many rows of this size.
            let row = unsafe { all.get_unchecked(row.wrapping_mul(size)..).get_unchecked(..size) };
            *to = row.as_chunks().0;
        }
        let size = lane_groups.wrapping_mul(LANES * DEPTH);
        let all = &lane_bytes[place.vector.wrapping_mul(size)..][..WIDTH.wrapping_mul(size)];
        let mut panels: [&[[u8; LANES * DEPTH]]; WIDTH] = [&[]; WIDTH];
        for (panel, to) in panels.iter_mut().enumerate() {
            // SAFETY: `all` are as many panels of this size.
            let panel = unsafe {
                all.get_unchecked(panel.wrapping_mul(size)..)
                    .get_unchecked(..size)
            };
            *to = panel.as_chunks().0;
        }
        let sums = I::products::<ROWS, WIDTH, BY_POSITION>(rows, panels);

        let line = if BY_POSITION {
            weights.outputs
        } else {
            self.positions
        };
        let (start, size) = (place.first.wrapping_mul(line), ROWS.wrapping_mul(line));
        let residual = match self.finish {
            Finish::Add(residual) => Some(&residual[start..][..size]),
            Finish::Activate(_) => None,
        };
        let to = &mut self.to[start..][..size];
        // Of the rows one number each, and vectors of the lanes.
        let (of_weights, of_activations) = (
            (&weights.scales, &weights.sums),
            (&packed.scales, &packed.offsets),
        );
        let (of_rows, of_lanes) = if BY_POSITION {
            (of_activations, of_weights)
        } else {
            (of_weights, of_activations)
        };
        let rows = Rows {
            scales: &of_rows.0[place.first..][..ROWS],
            offsets: &of_rows.1[place.first..][..ROWS],
            bias: if BY_POSITION {
                &[]
            } else {
                &weights.bias[place.first..][..ROWS]
            },
        };
        for panel in 0..WIDTH {
            let vector = place.vector + panel;
            let lanes = Lanes::<I> {
                scales: lanes::<I>(of_lanes.0, vector),
                offsets: lanes::<I>(of_lanes.1, vector),
                bias: if BY_POSITION {
                    lanes::<I>(&weights.bias, vector)
                } else {
                    I::splat(0.0)
                },
            };
            let start = vector.wrapping_mul(LANES);
            if start + LANES > line {
                let mut results = [[0.0; LANES]; ROWS];
                for ((row, sums), results) in sums.iter().enumerate().zip(&mut results) {
                    I::store(scaled::<I, BY_POSITION>(sums[panel], &rows, row, &lanes), results);
                }
                write_parts(&results, residual, line, start, to);
            // Two loops: with branches inside one, the compiler did not unroll it, and the sums went through memory.
            } else if let Some(residual) = residual {
                for (row, sums) in sums.iter().enumerate() {
                    let at = start.wrapping_add(row.wrapping_mul(line));
                    let results = scaled::<I, BY_POSITION>(sums[panel], &rows, row, &lanes);
                    // SAFETY: these are as many lines, and each has so many numbers from `start` on.
                    let (residual, to) = unsafe {
                        (
                            &*residual.as_ptr().add(at).cast(),
                            &mut *to.as_mut_ptr().add(at).cast(),
                        )
                    };
                    I::store(I::multiply_add(results, I::splat(1.0), I::load(residual)), to);
                }
            } else {
                for (row, sums) in sums.iter().enumerate() {
                    let at = start.wrapping_add(row.wrapping_mul(line));
                    let results = scaled::<I, BY_POSITION>(sums[panel], &rows, row, &lanes);
                    // SAFETY: as above.
                    I::store(results, unsafe { &mut *to.as_mut_ptr().add(at).cast() });
                }
            }
        }
    }
}

/// What sums are scaled by, of the rows of a tile.
struct Rows<'a> {
    scales: &'a [f32],
    offsets: &'a [f32],
    /// Nothing where outputs are lanes.
    bias: &'a [f32],
}

/// The same of a vector of its lanes.
struct Lanes<I: Isa> {
    scales: I::Floats,
    offsets: I::Floats,
    /// Zeros where outputs are rows.
    bias: I::Floats,
}

/// The results that sums of one row stand for.
#[inline(always)]
fn scaled<I: Isa, const BY_POSITION: bool>(
    sums: I::Sums,
    rows: &Rows<'_>,
    row: usize,
    lanes: &Lanes<I>,
) -> I::Floats {
    let mut constant = if BY_POSITION {
        lanes.bias
    } else {
        I::splat(rows.bias[row])
    };
    if I::BYTES == 1 {
        constant = I::multiply_add(lanes.offsets, I::splat(rows.offsets[row]), constant);
    }
    let scales = I::multiply(lanes.scales, I::splat(rows.scales[row]));
    I::multiply_add(I::to_floats(sums), scales, constant)
}

/// Vector `vector` of numbers of lanes.
#[inline(always)]
fn lanes<I: Isa>(numbers: &[f32], vector: usize) -> I::Floats {
    I::load(&numbers.as_chunks().0[vector])
}

/// Writes as many results of each line, from `start` on, as there is room for. Apart, as it is rare and long.
#[inline(never)]
fn write_parts(
    results: &[[f32; LANES]],
    residual: Option<&[f32]>,
    line: usize,
    start: usize,
    to: &mut [f32],
) {
    for (row, (to, results)) in to.chunks_exact_mut(line).zip(results).enumerate() {
        let to = &mut to[start..];
        to.copy_from_slice(&results[..to.len()]);
        let residual = residual.map(|residual| &residual[row * line + start..]);
        for (to, residual) in to.iter_mut().zip(residual.unwrap_or_default()) {
            *to += residual;
        }
    }
}

/// Where a tile lies.
struct Place {
    first: usize,
    height: usize,
    vector: usize,
    width: usize,
}

#[cfg(test)]
mod tests {
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
}

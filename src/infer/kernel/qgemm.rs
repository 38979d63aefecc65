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
pub(crate) enum Finish<'a> {
    /// The activation is applied.
    Activate(Activation),
    /// As many numbers as the result has, in its order, are added.
    Add(&'a [f32]),
}

/// Writes `weights * activations + bias`, finished, for this many positions, in the order of the weights.
pub(crate) fn product(
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
    fn run<I: Isa>(self) {
        match self.weights.order {
            Order::ChannelsInner => self.tiles::<I, true>(),
            Order::PositionsInner => self.tiles::<I, false>(),
        }
    }
}

impl<'a> Product<'a> {
    #[inline(always)]
    fn tiles<I: Isa, const BY_POSITION: bool>(self) {
        if I::BYTES == 2 && !BY_POSITION && self.vectors.start == 0 {
            widen(self.weights, &self.rows, &mut self.packed.widened);
        }
        let (rows, vectors) = (self.rows.len(), self.vectors.len());
        let mut factors = self.factors::<I, BY_POSITION>();
        // Tiles of nearly the same height, so that none is left with a single row; the first ones are higher.
        let tiles = rows.div_ceil(I::ROWS);
        let (least, higher) = (rows / tiles, rows % tiles);
        let mut vector = 0;
        while vector < vectors {
            let width = match vectors - vector {
                // Twice two are faster than three and one.
                4 if I::VECTORS == 3 => 2,
                left => left.min(I::VECTORS),
            };
            let mut first = 0;
            for tile in 0..tiles {
                let height = least + usize::from(tile < higher);
                let place = Place {
                    first,
                    height,
                    vector,
                    width,
                };
                factors.tile::<I, BY_POSITION>(&place);
                first += height;
            }
            vector += width;
        }
    }

    /// What the tiles read and write, cut out once for all of them, as a tile is too small for the checks of so many slices.
    #[inline(always)]
    fn factors<I: Isa, const BY_POSITION: bool>(self) -> Factors<'a> {
        let Self {
            weights,
            packed,
            positions,
            finish,
            rows,
            vectors,
            to,
        } = self;
        let packed: &'a Packed = packed;
        let fours = groups(weights.inputs);
        let row_groups = fours * I::BYTES;
        let (all_rows, first, all_lanes, lane_groups) = if BY_POSITION {
            (&packed.bytes, rows.start, &weights.bytes, fours)
        } else if I::BYTES == 2 {
            (&packed.widened, 0, &packed.bytes, row_groups)
        } else {
            (&weights.bytes, rows.start, &packed.bytes, row_groups)
        };
        let (of_weights, of_activations) = (
            (&weights.scales, &weights.sums),
            (&packed.scales, &packed.offsets),
        );
        let (of_rows, of_lanes) = if BY_POSITION {
            (of_activations, of_weights)
        } else {
            (of_weights, of_activations)
        };
        let (row_bias, lane_bias): (&[f32], &[[f32; LANES]]) = if BY_POSITION {
            (&[], &weights.bias.as_chunks().0[vectors.clone()])
        } else {
            (&weights.bias[rows.clone()], &[])
        };
        let line = if BY_POSITION { weights.outputs } else { positions };
        let place = rows.start * line..rows.end * line;
        Factors {
            rows: &all_rows.as_chunks().0[first * row_groups..][..rows.len() * row_groups],
            row_groups,
            lanes: &all_lanes.as_chunks().0[vectors.start * lane_groups..vectors.end * lane_groups],
            lane_groups,
            row_scales: &of_rows.0[rows.clone()],
            row_offsets: &of_rows.1[rows.clone()],
            row_bias,
            lane_scales: &of_lanes.0.as_chunks().0[vectors.clone()],
            lane_offsets: &of_lanes.1.as_chunks().0[vectors.clone()],
            lane_bias,
            residual: match finish {
                Finish::Add(residual) => Some(&residual[place.clone()]),
                Finish::Activate(_) => None,
            },
            to: &mut to[place],
            line,
            start: vectors.start * LANES,
        }
    }
}

/// Makes the weights of some rows ready for products of sixteen bits.
#[inline(always)]
fn widen(weights: &Weights, rows: &Range<usize>, to: &mut Vec<u8>) {
    let row = groups(weights.inputs) * DEPTH;
    let bytes = &weights.bytes[rows.start * row..rows.end * row];
    if to.len() < bytes.len() * 2 {
        to.resize(bytes.len() * 2, 0);
    }
    for (to, byte) in to.as_chunks_mut::<2>().0.iter_mut().zip(bytes) {
        *to = i16::from(byte.cast_signed()).to_le_bytes();
    }
}

/// The two sides of a product, for a block of rows and a strip of lanes. All lengths follow from the numbers of rows and of vectors of
/// lanes, which no tile exceeds.
struct Factors<'a> {
    /// So many groups for each row.
    rows: &'a [[u8; DEPTH]],
    row_groups: usize,
    /// So many groups for each vector.
    lanes: &'a [[u8; LANES * DEPTH]],
    lane_groups: usize,
    /// One for each row, like what follows.
    row_scales: &'a [f32],
    row_offsets: &'a [f32],
    /// None where outputs are lanes.
    row_bias: &'a [f32],
    /// One for each vector, like what follows.
    lane_scales: &'a [[f32; LANES]],
    lane_offsets: &'a [[f32; LANES]],
    /// None where outputs are rows.
    lane_bias: &'a [[f32; LANES]],
    /// Whole lines of the result, one for each row.
    residual: Option<&'a [f32]>,
    to: &'a mut [f32],
    line: usize,
    /// Where the strip begins in a line.
    start: usize,
}

impl Factors<'_> {
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
        let (first, vector) = (place.first, place.vector);
        // SAFETY: `Product::tiles` names places within the block and the strip.
        unsafe {
            match place.height {
                1 => self.tile_of::<I, 1, WIDTH, BY_POSITION>(first, vector),
                2 => self.tile_of::<I, 2, WIDTH, BY_POSITION>(first, vector),
                3 if I::ROWS > 2 => self.tile_of::<I, 3, WIDTH, BY_POSITION>(first, vector),
                4 if I::ROWS > 3 => self.tile_of::<I, 4, WIDTH, BY_POSITION>(first, vector),
                5 if I::ROWS > 4 => self.tile_of::<I, 5, WIDTH, BY_POSITION>(first, vector),
                6 if I::ROWS > 5 => self.tile_of::<I, 6, WIDTH, BY_POSITION>(first, vector),
                7 if I::ROWS > 6 => self.tile_of::<I, 7, WIDTH, BY_POSITION>(first, vector),
                8 if I::ROWS > 7 => self.tile_of::<I, 8, WIDTH, BY_POSITION>(first, vector),
                _ => unreachable!("a tile has at most as many rows as the instruction set says"),
            }
        }
    }

    /// # Safety
    /// There are so many rows from `first` on, and so many vectors from `vector` on.
    #[inline(always)]
    unsafe fn tile_of<I: Isa, const ROWS: usize, const WIDTH: usize, const BY_POSITION: bool>(
        &mut self,
        first: usize,
        vector: usize,
    ) {
        // Plain loops: what fills an array by a closure is not inlined.
        let mut rows: [&[[u8; DEPTH]]; ROWS] = [&[]; ROWS];
        for (row, to) in rows.iter_mut().enumerate() {
            let start = (first + row).wrapping_mul(self.row_groups);
            // SAFETY: by the caller.
            *to = unsafe {
                self.rows
                    .get_unchecked(start..start.wrapping_add(self.row_groups))
            };
        }
        let mut panels: [&[[u8; LANES * DEPTH]]; WIDTH] = [&[]; WIDTH];
        for (panel, to) in panels.iter_mut().enumerate() {
            let start = (vector + panel).wrapping_mul(self.lane_groups);
            // SAFETY: by the caller.
            *to = unsafe {
                self.lanes
                    .get_unchecked(start..start.wrapping_add(self.lane_groups))
            };
        }
        let sums = I::products::<ROWS, WIDTH, BY_POSITION>(rows, panels);

        for panel in 0..WIDTH {
            let vector = vector + panel;
            // SAFETY: by the caller.
            let lanes = unsafe { self.of_lanes::<I, BY_POSITION>(vector) };
            let start = self.start + vector * LANES;
            if start + LANES > self.line {
                let mut results = [[0.0; LANES]; ROWS];
                for ((row, sums), to) in sums.iter().enumerate().zip(&mut results) {
                    // SAFETY: by the caller.
                    I::store(
                        unsafe { self.scaled::<I, BY_POSITION>(sums[panel], first + row, &lanes) },
                        to,
                    );
                }
                let all = first * self.line..(first + ROWS) * self.line;
                let residual = self.residual.map(|residual| &residual[all.clone()]);
                write_parts(&results, residual, self.line, start, &mut self.to[all]);
            // Two loops: with branches inside one, the compiler did not unroll it, and the sums went through memory.
            } else if let Some(residual) = self.residual {
                for (row, sums) in sums.iter().enumerate() {
                    let at = start.wrapping_add((first + row).wrapping_mul(self.line));
                    // SAFETY: by the caller; each line has so many numbers from `start` on.
                    unsafe {
                        let results = self.scaled::<I, BY_POSITION>(sums[panel], first + row, &lanes);
                        let residual = I::load(&*residual.as_ptr().add(at).cast());
                        let to = &mut *self.to.as_mut_ptr().add(at).cast();
                        I::store(I::multiply_add(results, I::splat(1.0), residual), to);
                    }
                }
            } else {
                for (row, sums) in sums.iter().enumerate() {
                    let at = start.wrapping_add((first + row).wrapping_mul(self.line));
                    // SAFETY: as above.
                    unsafe {
                        let results = self.scaled::<I, BY_POSITION>(sums[panel], first + row, &lanes);
                        I::store(results, &mut *self.to.as_mut_ptr().add(at).cast());
                    }
                }
            }
        }
    }

    /// # Safety
    /// There is such a vector.
    #[inline(always)]
    unsafe fn of_lanes<I: Isa, const BY_POSITION: bool>(&self, vector: usize) -> Lanes<I> {
        // SAFETY: by the caller.
        unsafe {
            Lanes {
                scales: I::load(self.lane_scales.get_unchecked(vector)),
                offsets: I::load(self.lane_offsets.get_unchecked(vector)),
                bias: if BY_POSITION {
                    I::load(self.lane_bias.get_unchecked(vector))
                } else {
                    I::splat(0.0)
                },
            }
        }
    }

    /// The results that sums of one row stand for.
    ///
    /// # Safety
    /// There is such a row.
    #[inline(always)]
    unsafe fn scaled<I: Isa, const BY_POSITION: bool>(
        &self,
        sums: I::Sums,
        row: usize,
        lanes: &Lanes<I>,
    ) -> I::Floats {
        // SAFETY: by the caller.
        let of_row = |numbers: &[f32]| I::splat(unsafe { *numbers.get_unchecked(row) });
        let mut constant = if BY_POSITION {
            lanes.bias
        } else {
            of_row(self.row_bias)
        };
        if I::BYTES == 1 {
            constant = I::multiply_add(lanes.offsets, of_row(self.row_offsets), constant);
        }
        let scales = I::multiply(lanes.scales, of_row(self.row_scales));
        I::multiply_add(I::to_floats(sums), scales, constant)
    }
}

/// What sums are scaled by, of a vector of lanes.
struct Lanes<I: Isa> {
    scales: I::Floats,
    offsets: I::Floats,
    /// Zeros where outputs are rows.
    bias: I::Floats,
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
#[path = "qgemm_tests.rs"]
mod tests;

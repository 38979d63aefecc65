//! The matrix product of floats, with bias, residual and ReLU in its epilogue. GELU follows in a second loop.
//!
//! Weights are packed as panels of [`LANES`] outputs; rows are read where they are. A row may consist of
//! several stretches, so the patches of a convolution need not be copied.

use super::{
    activate::{Activation, activate},
    isa::{Isa, LANES, SimdOp},
    simd_level::SimdLevel,
};

/// The weights of a layer, packed for one product.
#[derive(Debug, Clone)]
pub(crate) struct FloatWeights {
    level: SimdLevel,
    /// `[panel][input][16 outputs]`. The last panel overlaps the one before, so that no result is written
    /// beyond the end of a row; if there are fewer than [`LANES`] outputs, it is padded with zeros.
    panels: Vec<[f32; LANES]>,
    /// One vector for each panel.
    bias: Vec<[f32; LANES]>,
    inputs: usize,
    outputs: usize,
}

impl FloatWeights {
    /// From `[output][input]` weights, and a bias for each output.
    pub(crate) fn new(level: SimdLevel, weights: &[f32], bias: &[f32]) -> Self {
        let outputs = bias.len();
        let inputs = weights.len() / outputs;
        let count = outputs.div_ceil(LANES);
        let mut panels = vec![[0.0; LANES]; count * inputs];
        let mut biases = vec![[0.0; LANES]; count];
        for (panel, (vectors, to)) in panels.chunks_exact_mut(inputs).zip(&mut biases).enumerate() {
            for lane in 0..LANES.min(outputs) {
                let output = panel_start(panel, outputs) + lane;
                to[lane] = bias[output];
                for (vector, weight) in vectors.iter_mut().zip(&weights[output * inputs..]) {
                    vector[lane] = *weight;
                }
            }
        }
        Self {
            level,
            panels,
            bias: biases,
            inputs,
            outputs,
        }
    }

    /// Number of values in a row.
    pub(crate) fn inputs(&self) -> usize {
        self.inputs
    }

    /// Number of values in a result.
    pub(crate) fn outputs(&self) -> usize {
        self.outputs
    }

    /// Whether the panels before `panel` already cover its lower half.
    #[inline(always)]
    fn is_half(&self, panel: usize) -> bool {
        panel > 0 && panel * LANES >= self.outputs - LANES / 2
    }

    /// Number of weights.
    pub(crate) fn count(&self) -> usize {
        self.inputs * self.outputs
    }
}

/// The first output of a panel.
#[inline(always)]
fn panel_start(panel: usize, outputs: usize) -> usize {
    (panel * LANES).min(outputs.saturating_sub(LANES))
}

/// The rows to multiply. Row `r` consists of the `length` values from `start + r * step` on, for each `start`
/// in `starts`.
#[derive(Clone, Copy)]
pub(crate) struct FloatRows<'a> {
    pub(crate) values: &'a [f32],
    pub(crate) step: usize,
    pub(crate) starts: &'a [usize],
    pub(crate) length: usize,
}

impl<'a> FloatRows<'a> {
    /// Contiguous rows.
    pub(crate) fn contiguous(values: &'a [f32], length: usize) -> Self {
        Self {
            values,
            step: length,
            starts: &[0],
            length,
        }
    }
}

/// Writes `activation(weights * row + bias + residual)` for as many rows as `to` has room for. The residual
/// has the shape of `to`.
pub(crate) fn fgemm(
    weights: &FloatWeights,
    rows: FloatRows<'_>,
    residual: Option<&[f32]>,
    activation: Activation,
    to: &mut [f32],
) {
    let count = to.len() / weights.outputs;
    assert_eq!(to.len(), count * weights.outputs);
    assert!(!rows.starts.is_empty());
    assert_eq!(rows.starts.len() * rows.length, weights.inputs);
    assert!(residual.is_none_or(|residual| residual.len() == to.len()));
    let last = rows.starts.iter().max().map_or(0, |start| start + rows.length);
    if count == 0 {
        return;
    }
    assert!(last + (count - 1) * rows.step <= rows.values.len());
    weights.level.dispatch(Product {
        weights,
        rows,
        count,
        residual,
        activation,
        to,
    });
}

/// The lengths of all slices follow from `count` and the weights, as [`fgemm`] has checked; the `unsafe`
/// functions below rely on that.
struct Product<'a> {
    weights: &'a FloatWeights,
    rows: FloatRows<'a>,
    count: usize,
    residual: Option<&'a [f32]>,
    activation: Activation,
    to: &'a mut [f32],
}

impl SimdOp for Product<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(mut self, isa: I) {
        let panels = self.weights.bias.len();
        // Tiles of nearly the same height, so that none is left with a single row.
        let tiles = self.count.div_ceil(I::FLOAT_ROWS);
        let (height, higher) = (self.count / tiles, self.count % tiles);
        let mut panel = 0;
        while panel < panels {
            let width = match panels - panel {
                // Two and two are faster than three and one.
                4 if I::FLOAT_VECTORS == 3 => 2,
                left => left.min(I::FLOAT_VECTORS),
            };
            let mut row = 0;
            for tile in 0..tiles {
                let height = height + usize::from(tile < higher);
                // SAFETY: the heights add up to the rows, the widths to the panels.
                unsafe { self.tile::<I>(isa, row, panel, height, width) };
                row += height;
            }
            panel += width;
        }
        if !matches!(self.activation, Activation::Identity | Activation::Relu) {
            activate(isa, self.activation, self.to);
        }
    }
}

impl Product<'_> {
    /// # Safety
    /// There are `height` rows and `width` panels from `row` and `panel` on.
    #[inline(always)]
    unsafe fn tile<I: Isa>(&mut self, isa: I, row: usize, panel: usize, height: usize, width: usize) {
        // SAFETY: guaranteed by the caller, with `width` as a constant.
        unsafe {
            match width {
                1 if I::FLOAT_HALVES && self.weights.is_half(panel) => {
                    self.tile_rows::<I, 1, true>(isa, row, panel, height);
                }
                1 => self.tile_rows::<I, 1, false>(isa, row, panel, height),
                2 if I::FLOAT_VECTORS > 1 => self.tile_rows::<I, 2, false>(isa, row, panel, height),
                3 if I::FLOAT_VECTORS > 2 => self.tile_rows::<I, 3, false>(isa, row, panel, height),
                _ => unreachable!("wider than the largest tile"),
            }
        }
    }

    /// # Safety
    /// There are `height` rows and `WIDTH` panels from `row` and `panel` on.
    #[inline(always)]
    unsafe fn tile_rows<I: Isa, const WIDTH: usize, const UPPER: bool>(
        &mut self,
        isa: I,
        row: usize,
        panel: usize,
        height: usize,
    ) {
        // SAFETY: guaranteed by the caller, with `height` as a constant.
        unsafe {
            match height {
                1 => self.tile_of::<I, 1, WIDTH, UPPER>(isa, row, panel),
                2 => self.tile_of::<I, 2, WIDTH, UPPER>(isa, row, panel),
                3 if I::FLOAT_ROWS > 2 => self.tile_of::<I, 3, WIDTH, UPPER>(isa, row, panel),
                4 if I::FLOAT_ROWS > 3 => self.tile_of::<I, 4, WIDTH, UPPER>(isa, row, panel),
                5 if I::FLOAT_ROWS > 4 => self.tile_of::<I, 5, WIDTH, UPPER>(isa, row, panel),
                6 if I::FLOAT_ROWS > 5 => self.tile_of::<I, 6, WIDTH, UPPER>(isa, row, panel),
                7 if I::FLOAT_ROWS > 6 => self.tile_of::<I, 7, WIDTH, UPPER>(isa, row, panel),
                8 if I::FLOAT_ROWS > 7 => self.tile_of::<I, 8, WIDTH, UPPER>(isa, row, panel),
                _ => unreachable!("higher than the largest tile"),
            }
        }
    }

    /// # Safety
    /// There are `ROWS` rows and `WIDTH` panels from `row` and `panel` on.
    #[inline(always)]
    unsafe fn tile_of<I: Isa, const ROWS: usize, const WIDTH: usize, const UPPER: bool>(
        &mut self,
        isa: I,
        row: usize,
        panel: usize,
    ) {
        let FloatRows {
            values,
            step,
            starts,
            length,
        } = self.rows;
        let mut bias = [isa.splat(0.0); WIDTH];
        for (index, bias) in bias.iter_mut().enumerate() {
            // SAFETY: guaranteed by the caller: this panel exists.
            *bias = isa.load(unsafe { self.weights.bias.get_unchecked(panel.wrapping_add(index)) });
        }
        let mut acc = [bias; ROWS];
        let mut stretch = 0;
        // There is at least one. In a loop that may not run at all, the accumulators would be kept in memory.
        loop {
            // SAFETY: `stretch` is less than `starts.len()`.
            let start = unsafe { *starts.get_unchecked(stretch) };
            let mut rows: [&[f32]; ROWS] = [&[]; ROWS];
            for (index, to) in rows.iter_mut().enumerate() {
                let at = start.wrapping_add(row.wrapping_add(index).wrapping_mul(step));
                // SAFETY: guaranteed by the caller: this row exists, and `fgemm` has checked its bounds.
                *to = unsafe { values.get_unchecked(at..at.wrapping_add(length)) };
            }
            let mut panels: [&[[f32; LANES]]; WIDTH] = [&[]; WIDTH];
            for (index, to) in panels.iter_mut().enumerate() {
                let at = panel
                    .wrapping_add(index)
                    .wrapping_mul(self.weights.inputs)
                    .wrapping_add(stretch.wrapping_mul(length));
                // SAFETY: guaranteed by the caller: this panel exists and has `inputs` vectors.
                *to = unsafe { self.weights.panels.get_unchecked(at..at.wrapping_add(length)) };
            }
            // SAFETY: all rows and panels have `length` elements.
            acc = unsafe { isa.float_tile::<ROWS, WIDTH, UPPER>(acc, rows, panels) };
            stretch = stretch.wrapping_add(1);
            if stretch >= starts.len() {
                break;
            }
        }
        // SAFETY: guaranteed by the caller.
        unsafe { self.write::<I, ROWS, WIDTH, UPPER>(isa, acc, row, panel) };
    }

    /// # Safety
    /// There are `ROWS` rows and `WIDTH` panels from `row` and `panel` on.
    #[inline(always)]
    unsafe fn write<I: Isa, const ROWS: usize, const WIDTH: usize, const UPPER: bool>(
        &mut self,
        isa: I,
        acc: [[I::Floats; WIDTH]; ROWS],
        row: usize,
        panel: usize,
    ) {
        let outputs = self.weights.outputs;
        let is_relu = self.activation == Activation::Relu;
        let mut first = row.wrapping_mul(outputs);
        if outputs < LANES {
            for acc in acc {
                let to = &mut self.to[..first + outputs];
                write_narrow(isa, acc[0], self.residual, is_relu, first, to);
                first += outputs;
            }
            return;
        }
        let floor = isa.splat(if is_relu { 0.0 } else { f32::NEG_INFINITY });
        let mut starts = [0; WIDTH];
        for (width, start) in starts.iter_mut().enumerate() {
            *start = panel_start(panel.wrapping_add(width), outputs);
        }
        // Two loops: LLVM does not unroll one with a branch inside, and the accumulators go through memory.
        if let Some(residual) = self.residual {
            for acc in acc {
                for width in 0..WIDTH {
                    let at = first.wrapping_add(starts[width]);
                    // SAFETY: guaranteed by the caller: this row exists, and a panel ends within it.
                    unsafe {
                        let residual = isa.load(&*residual.as_ptr().add(at).cast());
                        let values = isa.mul_add(acc[width], isa.splat(1.0), residual);
                        self.write_vector::<I, UPPER>(isa, isa.max(floor, values), at);
                    }
                }
                first = first.wrapping_add(outputs);
            }
        } else {
            for acc in acc {
                for width in 0..WIDTH {
                    // SAFETY: guaranteed by the caller, as above. With the operands in this order, `max`
                    // propagates NaN.
                    unsafe {
                        let at = first.wrapping_add(starts[width]);
                        self.write_vector::<I, UPPER>(isa, isa.max(floor, acc[width]), at);
                    }
                }
                first = first.wrapping_add(outputs);
            }
        }
    }

    /// # Safety
    /// There are `LANES` results from `at` on.
    #[inline(always)]
    unsafe fn write_vector<I: Isa, const UPPER: bool>(&mut self, isa: I, values: I::Floats, at: usize) {
        // SAFETY: guaranteed by the caller.
        let to = unsafe { &mut *self.to.as_mut_ptr().add(at).cast() };
        if UPPER {
            isa.store_upper(values, to);
        } else {
            isa.store(values, to);
        }
    }
}

/// Writes a result with fewer values than a vector to the end of `to`, from `first` on.
#[inline(always)]
fn write_narrow<I: Isa>(
    isa: I,
    values: I::Floats,
    residual: Option<&[f32]>,
    relu: bool,
    first: usize,
    to: &mut [f32],
) {
    let mut lanes = [0.0; LANES];
    isa.store(values, &mut lanes);
    for (index, (to, value)) in to[first..].iter_mut().zip(lanes).enumerate() {
        let value = value + residual.map_or(0.0, |residual| residual[first + index]);
        *to = if relu && value < 0.0 { 0.0 } else { value };
    }
}

#[cfg(test)]
#[path = "fgemm_tests.rs"]
mod tests;

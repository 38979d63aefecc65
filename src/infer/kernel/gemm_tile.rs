//! One tile of the int8 matrix product: the rows and panels whose accumulators fit the registers.

use super::isa::{Isa, LANES, PanelGroup, RowGroup};

/// The first row and panel of a tile, counted from those of its block and strip.
#[derive(Clone, Copy)]
pub(super) struct TileOrigin {
    pub(super) row: usize,
    pub(super) panel: usize,
}

/// The data that the tiles of a block and strip access. Every length follows from the numbers of rows and
/// panels, so a tile within these is within all slices; the `unsafe` functions below rely on that.
pub(super) struct GemmTile<'a> {
    /// `row_groups` for each row.
    pub(super) rows: &'a [RowGroup],
    pub(super) row_groups: usize,
    /// `panel_groups` for each panel.
    pub(super) panels: &'a [PanelGroup],
    pub(super) panel_groups: usize,
    /// One for each row, like the next two. Offsets are those of activations or the sums of weights.
    pub(super) row_scales: &'a [f32],
    pub(super) row_offsets: &'a [f32],
    /// Empty where outputs are lanes.
    pub(super) row_bias: &'a [f32],
    /// One for each panel, like the next two.
    pub(super) lane_scales: &'a [[f32; LANES]],
    pub(super) lane_offsets: &'a [[f32; LANES]],
    /// Empty where outputs are rows.
    pub(super) lane_bias: &'a [[f32; LANES]],
    /// The lowest value of a result without residual: 0 for ReLU, else negative infinity.
    pub(super) floor: f32,
    /// `columns` values for each row, like the result.
    pub(super) residual: Option<&'a [f32]>,
    pub(super) to: &'a mut [f32],
    pub(super) columns: usize,
    /// The column at which the strip begins.
    pub(super) start: usize,
}

impl GemmTile<'_> {
    /// Computes the tile of this height and width at `origin`.
    ///
    /// # Safety
    /// There are `height` rows and `width` panels from `origin` on.
    #[inline(always)]
    pub(super) unsafe fn tile<I: Isa, const ACTIVATION_ROWS: bool>(
        &mut self,
        isa: I,
        origin: TileOrigin,
        height: usize,
        width: usize,
    ) {
        // SAFETY: guaranteed by the caller, with `width` as a constant.
        unsafe {
            match width {
                1 => self.tile_rows::<I, 1, ACTIVATION_ROWS>(isa, origin, height),
                2 if I::TILE_VECTORS > 1 => self.tile_rows::<I, 2, ACTIVATION_ROWS>(isa, origin, height),
                3 if I::TILE_VECTORS > 2 => self.tile_rows::<I, 3, ACTIVATION_ROWS>(isa, origin, height),
                _ => unreachable!("wider than the largest tile"),
            }
        }
    }

    /// # Safety
    /// There are `height` rows and `WIDTH` panels from `origin` on.
    #[inline(always)]
    unsafe fn tile_rows<I: Isa, const WIDTH: usize, const ACTIVATION_ROWS: bool>(
        &mut self,
        isa: I,
        origin: TileOrigin,
        height: usize,
    ) {
        // SAFETY: guaranteed by the caller, with `height` as a constant.
        unsafe {
            match height {
                1 => self.tile_of::<I, 1, WIDTH, ACTIVATION_ROWS>(isa, origin),
                2 => self.tile_of::<I, 2, WIDTH, ACTIVATION_ROWS>(isa, origin),
                3 if I::TILE_ROWS > 2 => self.tile_of::<I, 3, WIDTH, ACTIVATION_ROWS>(isa, origin),
                4 if I::TILE_ROWS > 3 => self.tile_of::<I, 4, WIDTH, ACTIVATION_ROWS>(isa, origin),
                5 if I::TILE_ROWS > 4 => self.tile_of::<I, 5, WIDTH, ACTIVATION_ROWS>(isa, origin),
                6 if I::TILE_ROWS > 5 => self.tile_of::<I, 6, WIDTH, ACTIVATION_ROWS>(isa, origin),
                7 if I::TILE_ROWS > 6 => self.tile_of::<I, 7, WIDTH, ACTIVATION_ROWS>(isa, origin),
                8 if I::TILE_ROWS > 7 => self.tile_of::<I, 8, WIDTH, ACTIVATION_ROWS>(isa, origin),
                _ => unreachable!("higher than the largest tile"),
            }
        }
    }

    /// # Safety
    /// There are `ROWS` rows and `WIDTH` panels from `origin` on.
    #[inline(always)]
    unsafe fn tile_of<I: Isa, const ROWS: usize, const WIDTH: usize, const ACTIVATION_ROWS: bool>(
        &mut self,
        isa: I,
        origin: TileOrigin,
    ) {
        // Plain loops: a closure that fills an array is not inlined.
        let mut rows: [&[RowGroup]; ROWS] = [&[]; ROWS];
        for (row, to) in rows.iter_mut().enumerate() {
            let start = (origin.row + row).wrapping_mul(self.row_groups);
            let groups = start..start.wrapping_add(self.row_groups);
            // SAFETY: guaranteed by the caller: this row exists.
            *to = unsafe { self.rows.get_unchecked(groups) };
        }
        let mut panels: [&[PanelGroup]; WIDTH] = [&[]; WIDTH];
        for (panel, to) in panels.iter_mut().enumerate() {
            let start = (origin.panel + panel).wrapping_mul(self.panel_groups);
            let groups = start..start.wrapping_add(self.panel_groups);
            // SAFETY: guaranteed by the caller: this panel exists.
            *to = unsafe { self.panels.get_unchecked(groups) };
        }
        // SAFETY: all panels have `panel_groups` groups, and all rows `row_groups`: the same number, or twice
        // that if rows hold two-byte activations.
        let acc = unsafe { isa.dot_tile::<ROWS, WIDTH, ACTIVATION_ROWS>(rows, panels) };
        for panel in 0..WIDTH {
            // SAFETY: guaranteed by the caller: these rows and this panel exist.
            unsafe { self.write::<I, ROWS, WIDTH, ACTIVATION_ROWS>(isa, &acc, panel, origin) };
        }
    }

    /// Dequantizes the accumulators of one panel of a tile and writes them.
    ///
    /// # Safety
    /// There are `ROWS` rows from `origin` on, and this panel exists.
    #[inline(always)]
    unsafe fn write<I: Isa, const ROWS: usize, const WIDTH: usize, const ACTIVATION_ROWS: bool>(
        &mut self,
        isa: I,
        acc: &[[I::Acc; WIDTH]; ROWS],
        panel: usize,
        origin: TileOrigin,
    ) {
        let first = origin.row;
        // SAFETY: guaranteed by the caller: this panel exists.
        let lanes = unsafe { self.lane_params::<I, ACTIVATION_ROWS>(isa, origin.panel + panel) };
        let start = self.start + (origin.panel + panel) * LANES;
        let floor = isa.splat(self.floor);
        if start + LANES > self.columns {
            let mut results = [[0.0; LANES]; ROWS];
            for ((row, acc), to) in acc.iter().enumerate().zip(&mut results) {
                // SAFETY: guaranteed by the caller: this row exists.
                let values =
                    unsafe { self.dequantize::<I, ACTIVATION_ROWS>(isa, acc[panel], first + row, &lanes) };
                // With the operands in this order, `max` propagates NaN.
                isa.store(isa.max(floor, values), to);
            }
            let rows = first * self.columns..(first + ROWS) * self.columns;
            let residual = self.residual.map(|residual| &residual[rows.clone()]);
            write_partial(&results, residual, self.columns, start, &mut self.to[rows]);
        // Two loops: LLVM does not unroll one with a branch inside, and the accumulators go through memory.
        } else if let Some(residual) = self.residual {
            for (row, acc) in acc.iter().enumerate() {
                let at = start.wrapping_add((first + row).wrapping_mul(self.columns));
                // SAFETY: guaranteed by the caller: this row exists, and its columns reach LANES beyond
                // `start`, as checked.
                unsafe {
                    let values = self.dequantize::<I, ACTIVATION_ROWS>(isa, acc[panel], first + row, &lanes);
                    let residual = isa.load(&*residual.as_ptr().add(at).cast());
                    let to = &mut *self.to.as_mut_ptr().add(at).cast();
                    isa.store(isa.mul_add(values, isa.splat(1.0), residual), to);
                }
            }
        } else {
            for (row, acc) in acc.iter().enumerate() {
                let at = start.wrapping_add((first + row).wrapping_mul(self.columns));
                // SAFETY: guaranteed by the caller: this row exists, and its columns reach LANES beyond
                // `start`, as checked.
                unsafe {
                    let values = self.dequantize::<I, ACTIVATION_ROWS>(isa, acc[panel], first + row, &lanes);
                    isa.store(isa.max(floor, values), &mut *self.to.as_mut_ptr().add(at).cast());
                }
            }
        }
    }

    /// # Safety
    /// This panel exists.
    #[inline(always)]
    unsafe fn lane_params<I: Isa, const ACTIVATION_ROWS: bool>(&self, isa: I, panel: usize) -> LaneParams<I> {
        // SAFETY: guaranteed by the caller: each of these has one element for each panel.
        unsafe {
            LaneParams {
                scales: isa.load(self.lane_scales.get_unchecked(panel)),
                offsets: isa.load(self.lane_offsets.get_unchecked(panel)),
                bias: if ACTIVATION_ROWS {
                    isa.load(self.lane_bias.get_unchecked(panel))
                } else {
                    isa.splat(0.0)
                },
            }
        }
    }

    /// With `x = level * scale + offset`, the dot product `sum(w * x) + bias` is `w_scale * scale * acc +
    /// offset * sum(w) + bias`.
    ///
    /// # Safety
    /// This row exists.
    #[inline(always)]
    unsafe fn dequantize<I: Isa, const ACTIVATION_ROWS: bool>(
        &self,
        isa: I,
        acc: I::Acc,
        row: usize,
        lanes: &LaneParams<I>,
    ) -> I::Floats {
        // SAFETY: guaranteed by the caller: each slice that this is called with has one element for each row.
        let of_row = |values: &[f32]| isa.splat(unsafe { *values.get_unchecked(row) });
        let mut constant = if ACTIVATION_ROWS {
            lanes.bias
        } else {
            of_row(self.row_bias)
        };
        // Two-byte activations are symmetric.
        if I::ACTIVATION_BYTES == 1 {
            constant = isa.mul_add(lanes.offsets, of_row(self.row_offsets), constant);
        }
        let scales = isa.mul(lanes.scales, of_row(self.row_scales));
        isa.mul_add(isa.acc_to_f32(acc), scales, constant)
    }
}

/// The parameters that dequantize the lanes of one panel.
struct LaneParams<I: Isa> {
    scales: I::Floats,
    offsets: I::Floats,
    /// Zero where outputs are rows.
    bias: I::Floats,
}

/// Writes the results that lie within the matrix, from column `start` on. Not inlined: it is rare and long.
#[inline(never)]
fn write_partial(
    results: &[[f32; LANES]],
    residual: Option<&[f32]>,
    columns: usize,
    start: usize,
    to: &mut [f32],
) {
    for (row, (to, results)) in to.chunks_exact_mut(columns).zip(results).enumerate() {
        let to = &mut to[start..];
        to.copy_from_slice(&results[..to.len()]);
        let residual = residual.map(|residual| &residual[row * columns + start..]);
        for (to, residual) in to.iter_mut().zip(residual.unwrap_or_default()) {
            *to += residual;
        }
    }
}

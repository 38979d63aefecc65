//! The int8 matrix product, with dequantization, bias, activation and residual fused into its epilogue.
//!
//! One operand is read as rows, the other as panels of [`LANES`] rows interleaved along K: activations and
//! weights for a channels-last result, weights and activations for a channels-first one. The loops are those
//! of K. Goto and R. van de Geijn, "Anatomy of high-performance matrix multiplication", ACM TOMS 34(3), 2008,
//! without the blocking along K, which these layers are too small for: a block of rows by a strip of panels,
//! cut into tiles that stay in registers.

use std::ops::Range;

use super::{
    activate::{ActivateColumns, Activation},
    gemm_tile::{GemmTile, TileOrigin},
    isa::{Isa, K_PACK, LANES, SimdOp},
    pack::{Layout, PackedActivations, groups},
    weights::PackedWeights,
};

/// Rows of a block, which stay in the L1 cache while they are multiplied with all panels.
const BLOCK_ROWS: usize = 64;

/// Panels of a strip, whose results are activated while they are in the L1 cache.
const STRIP_PANELS: usize = 6;

/// The operation applied to the dequantized result.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Epilogue<'a> {
    /// An activation function.
    Activation(Activation),
    /// The addition of a tensor of the result's shape and layout.
    Residual(&'a [f32]),
}

/// Writes `epilogue(weights * activations + bias)` for the first `tokens` tokens, in the layout of the
/// weights.
pub(crate) fn qgemm(
    weights: &PackedWeights,
    packed: &mut PackedActivations,
    tokens: usize,
    epilogue: Epilogue<'_>,
    to: &mut [f32],
) {
    assert_eq!(to.len(), tokens * weights.outputs);
    if let Epilogue::Residual(residual) = epilogue {
        assert_eq!(residual.len(), to.len());
    }
    let (rows, columns) = match weights.layout {
        Layout::ChannelsLast => (tokens, weights.outputs),
        Layout::ChannelsFirst => (weights.outputs, tokens),
    };
    let panels = columns.div_ceil(LANES);
    for first in (0..rows).step_by(BLOCK_ROWS) {
        let rows = first..rows.min(first + BLOCK_ROWS);
        for first in (0..panels).step_by(STRIP_PANELS) {
            let panels = first..panels.min(first + STRIP_PANELS);
            weights.level.dispatch(GemmBlock {
                weights,
                packed,
                tokens,
                epilogue,
                rows: rows.clone(),
                panels: panels.clone(),
                to,
            });
            // Not applied in the tiles, unlike ReLU: GELU's coefficients would take registers from the
            // accumulators.
            if let Epilogue::Activation(activation @ (Activation::GeluErf | Activation::GeluTanh)) = epilogue
            {
                weights.level.dispatch(ActivateColumns {
                    activation,
                    values: &mut to[rows.start * columns..rows.end * columns],
                    row: columns,
                    columns: panels.start * LANES..columns.min(panels.end * LANES),
                });
            }
        }
    }
}

/// A block of rows by a strip of panels.
struct GemmBlock<'a> {
    weights: &'a PackedWeights,
    packed: &'a mut PackedActivations,
    tokens: usize,
    epilogue: Epilogue<'a>,
    rows: Range<usize>,
    panels: Range<usize>,
    /// The whole result.
    to: &'a mut [f32],
}

impl SimdOp for GemmBlock<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        match self.weights.layout {
            Layout::ChannelsLast => self.tiles::<I, true>(isa),
            Layout::ChannelsFirst => self.tiles::<I, false>(isa),
        }
    }
}

impl<'a> GemmBlock<'a> {
    #[inline(always)]
    fn tiles<I: Isa, const ACTIVATION_ROWS: bool>(self, isa: I) {
        if I::ACTIVATION_BYTES == 2 && !ACTIVATION_ROWS && self.panels.start == 0 {
            widen(self.weights, &self.rows, &mut self.packed.widened);
        }
        let (rows, panels) = (self.rows.len(), self.panels.len());
        let mut operands = self.operands::<I, ACTIVATION_ROWS>();
        // Tiles of nearly the same height, the higher ones first, so that none is left with a single row.
        let tiles = rows.div_ceil(I::TILE_ROWS);
        let (height, higher) = (rows / tiles, rows % tiles);
        let mut panel = 0;
        while panel < panels {
            let width = match panels - panel {
                // Two and two are faster than three and one.
                4 if I::TILE_VECTORS == 3 => 2,
                left => left.min(I::TILE_VECTORS),
            };
            let mut row = 0;
            for tile in 0..tiles {
                let origin = TileOrigin { row, panel };
                let height = height + usize::from(tile < higher);
                // SAFETY: the heights add up to the rows of the block, the widths to the panels of the strip.
                unsafe { operands.tile::<I, ACTIVATION_ROWS>(isa, origin, height, width) };
                row += height;
            }
            panel += width;
        }
    }

    /// Slices the operands once for all tiles: a tile is too small to amortize the bounds checks.
    #[inline(always)]
    fn operands<I: Isa, const ACTIVATION_ROWS: bool>(self) -> GemmTile<'a> {
        let Self {
            weights,
            packed,
            tokens,
            epilogue,
            rows,
            panels,
            to,
        } = self;
        let packed: &'a PackedActivations = packed;
        let weight_groups = groups(weights.inputs);
        let row_groups = weight_groups * I::ACTIVATION_BYTES;
        let (all_rows, first, all_panels, panel_groups) = if ACTIVATION_ROWS {
            (&packed.bytes, rows.start, &weights.bytes, weight_groups)
        } else if I::ACTIVATION_BYTES == 2 {
            (&packed.widened, 0, &packed.bytes, row_groups)
        } else {
            (&weights.bytes, rows.start, &packed.bytes, row_groups)
        };
        let of_weights = (&weights.scales, &weights.sums);
        let of_activations = (&packed.scales, &packed.offsets);
        let (of_rows, of_lanes) = if ACTIVATION_ROWS {
            (of_activations, of_weights)
        } else {
            (of_weights, of_activations)
        };
        let (row_bias, lane_bias): (&[f32], &[[f32; LANES]]) = if ACTIVATION_ROWS {
            (&[], &weights.bias.as_chunks().0[panels.clone()])
        } else {
            (&weights.bias[rows.clone()], &[])
        };
        let columns = if ACTIVATION_ROWS { weights.outputs } else { tokens };
        let block = rows.start * columns..rows.end * columns;
        GemmTile {
            rows: &all_rows.as_chunks().0[first * row_groups..][..rows.len() * row_groups],
            row_groups,
            panels: &all_panels.as_chunks().0[panels.start * panel_groups..panels.end * panel_groups],
            panel_groups,
            row_scales: &of_rows.0[rows.clone()],
            row_offsets: &of_rows.1[rows],
            row_bias,
            lane_scales: &of_lanes.0.as_chunks().0[panels.clone()],
            lane_offsets: &of_lanes.1.as_chunks().0[panels.clone()],
            lane_bias,
            floor: match epilogue {
                Epilogue::Activation(Activation::Relu) => 0.0,
                _ => f32::NEG_INFINITY,
            },
            residual: match epilogue {
                Epilogue::Residual(residual) => Some(&residual[block.clone()]),
                Epilogue::Activation(_) => None,
            },
            to: &mut to[block],
            columns,
            start: panels.start * LANES,
        }
    }
}

/// Sign-extends the weights of some rows for 16-bit products.
#[inline(always)]
fn widen(weights: &PackedWeights, rows: &Range<usize>, to: &mut Vec<u8>) {
    let row = groups(weights.inputs) * K_PACK;
    let bytes = &weights.bytes[rows.start * row..rows.end * row];
    if to.len() < bytes.len() * 2 {
        to.resize(bytes.len() * 2, 0);
    }
    for (to, byte) in to.as_chunks_mut::<2>().0.iter_mut().zip(bytes) {
        *to = i16::from(byte.cast_signed()).to_le_bytes();
    }
}

#[cfg(test)]
#[path = "qgemm_tests.rs"]
mod tests;

//! The luma grid of a JPEG picture from the DC coefficients of its first component, without decoding it.

use super::{
    header::{FrameHeader, ScanHeader},
    scan::DcSink,
};
use crate::luma::{LUMA_SCALE, LumaGrid};

/// Side of a block in pixels.
const BLOCK: u32 = 8;

/// Luma of a block whose DC coefficient is 0 (T.81, A.3.1), in units of the grid.
const MIDDLE: i32 = 128 * LUMA_SCALE as i32;

/// The largest luma, in units of the grid.
const WHITE: i32 = 255 * LUMA_SCALE as i32;

/// Writes the mean of each block to the grid's cell.
pub(super) struct BlockMeans<'a> {
    cells: &'a mut [i16],
    columns: usize,
    /// Base-2 logarithm of a cell's width and height in blocks.
    shift: u32,
    step: i32,
    /// Blocks of the picture, across and down; other blocks only pad an MCU.
    blocks: (usize, usize),
}

impl<'a> BlockMeans<'a> {
    /// `None` if the scan does not hold the first component, or holds it at less than the picture's full
    /// resolution; the grid is then left unchanged.
    pub(super) fn new(
        frame: &FrameHeader,
        scan: &ScanHeader,
        dc_steps: &[u16; 4],
        grid: &'a mut LumaGrid,
    ) -> Option<Self> {
        let first = frame.components.first()?;
        let is_full = (u32::from(first.h), u32::from(first.v)) == frame.sampling();
        let is_held = scan.parts().iter().any(|part| part.component == 0);
        if !is_full || !is_held {
            return None;
        }
        let step = i32::from(*dc_steps.get(usize::from(first.quantization))?);
        grid.reset(frame.width, frame.height).fill(0);
        let (columns, shift) = (
            grid.columns(),
            grid.cell().trailing_zeros() - BLOCK.trailing_zeros(),
        );
        Some(Self {
            cells: grid.cells_mut(),
            columns,
            shift,
            step,
            blocks: (
                frame.width.div_ceil(BLOCK) as usize,
                frame.height.div_ceil(BLOCK) as usize,
            ),
        })
    }
}

impl DcSink for BlockMeans<'_> {
    #[inline(always)]
    fn put(&mut self, column: usize, row: usize, coefficient: i32) {
        if column >= self.blocks.0 || row >= self.blocks.1 {
            return;
        }
        let luma = coefficient
            .wrapping_mul(self.step)
            .wrapping_add(MIDDLE)
            .clamp(0, WHITE);
        let index = (row >> self.shift) * self.columns + (column >> self.shift);
        if let Some(cell) = self.cells.get_mut(index) {
            // Each block of a cell contributes its share, so the sum of the shares is the mean.
            *cell = cell.wrapping_add((luma >> (2 * self.shift)) as i16);
        }
    }
}

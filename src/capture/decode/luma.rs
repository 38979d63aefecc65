//! Measures the luma grid of an uncompressed frame directly from its bytes.
//!
//! The inner loops use wrapping arithmetic, because overflow checks would prevent vectorization. A cell's sum
//! cannot overflow: it is at most 255 times 64 pixels per row times [`ROWS`].

use crate::{
    capture::{
        color::Range,
        frame::{Frame, PixelFormat},
    },
    luma::{LUMA_SCALE, LumaGrid, MAX_CELLS},
};

/// Number of rows that are read of each cell.
const ROWS: usize = 4;

/// Black in limited range.
const LIMITED_BLACK: i32 = 16;

/// Measures a frame that was checked. For RGB, the green channel serves as luma.
pub(super) fn measure(frame: &Frame, grid: &mut LumaGrid) {
    let (width, height, stride) = (frame.width as usize, frame.height as usize, frame.stride as usize);
    // Position of a row's samples: the first byte, and the bytes from one sample to the next.
    let (first, step, range) = match frame.format {
        PixelFormat::Yuyv => (0, 2, Range::Limited),
        PixelFormat::Nv12 | PixelFormat::Yu12 => (0, 1, Range::Limited),
        PixelFormat::Grey | PixelFormat::Mjpeg => (0, 1, Range::Full),
        PixelFormat::Rgb3 | PixelFormat::Bgr3 => (1, 3, Range::Full),
    };
    let is_rgb = step == 3;
    let black = match frame.color.range.filter(|_| !is_rgb).unwrap_or(range) {
        Range::Limited => LIMITED_BLACK,
        Range::Full => 0,
    };
    grid.reset(frame.width, frame.height);
    let (columns, cell) = (grid.columns(), grid.cell() as usize);
    let mut sums = [0_u32; MAX_CELLS];
    for (index, cells) in grid.cells_mut().chunks_exact_mut(columns).enumerate() {
        let rows = (index * cell..height.min((index + 1) * cell)).step_by((cell / ROWS).max(1));
        let count = rows.len() as i32;
        sums.fill(0);
        for row in rows {
            let row = &frame.data[row * stride + first..];
            match step {
                1 => add::<1>(row, width, cell, &mut sums),
                2 => add::<2>(row, width, cell, &mut sums),
                _ => add::<3>(row, width, cell, &mut sums),
            }
        }
        for (column, (value, &sum)) in cells.iter_mut().zip(&sums).enumerate() {
            let pixels = count * cell.min(width - column * cell) as i32;
            let mean = sum as i32 * i32::from(LUMA_SCALE) / pixels - black * i32::from(LUMA_SCALE);
            *value = mean.max(0) as i16;
        }
    }
}

/// Adds the samples of a row, `STEP` bytes apart, to the sums of its cells.
fn add<const STEP: usize>(row: &[u8], width: usize, cell: usize, sums: &mut [u32; MAX_CELLS]) {
    // The bytes after the last sample of a row belong to other channels, and may be missing.
    let bytes = &row[..(width - 1) * STEP + 1];
    for (pixels, sum) in bytes.chunks(cell * STEP).zip(sums) {
        let mut total = 0_u32;
        for pixel in pixels.chunks(STEP) {
            total = total.wrapping_add(u32::from(pixel[0]));
        }
        *sum = sum.wrapping_add(total);
    }
}

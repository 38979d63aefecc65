//! The brightness of a frame in coarse cells: cheap to compute for every frame, and enough to see where the
//! picture changed.

use crate::picture::wipe;

/// The maximum number of cells along one side.
pub const MAX_CELLS: usize = 128;

/// Units per 8-bit level: a cell's value is its mean luma times this. It is also the scale of a JPEG's DC
/// coefficients (ITU-T T.81, A.3.3).
pub const LUMA_SCALE: i16 = 8;

/// Side of the smallest cell in pixels: that of a JPEG block.
const BLOCK: u32 = 8;

/// Mean luma of the square cells of a picture, top row first. Empty if the luma is unknown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LumaGrid {
    width: u32,
    height: u32,
    cell: u32,
    columns: usize,
    cells: Vec<i16>,
}

impl LumaGrid {
    /// Makes this the grid of a picture of the given size and returns its cells, whose content is
    /// unspecified. The side of a cell is 8 pixels, or the smallest power of two at which at most
    /// [`MAX_CELLS`] cells lie along a side.
    pub fn reset(&mut self, width: u32, height: u32) -> &mut [i16] {
        let longer = width.max(height);
        self.cell = BLOCK;
        while longer.div_ceil(self.cell) as usize > MAX_CELLS {
            self.cell *= 2;
        }
        (self.width, self.height) = (width, height);
        self.columns = width.div_ceil(self.cell) as usize;
        self.cells
            .resize(self.columns * height.div_ceil(self.cell) as usize, 0);
        &mut self.cells
    }

    /// Makes this the grid of a picture of the given size whose luma is unknown.
    pub fn reset_unknown(&mut self, width: u32, height: u32) {
        self.reset(width, height);
        self.columns = 0;
        self.cells.clear();
    }

    /// Overwrites the cells with zeros and makes the grid empty. Keeps the allocation.
    pub fn clear(&mut self) {
        (self.width, self.height, self.columns) = (0, 0, 0);
        wipe(&mut self.cells);
    }

    /// Width of the picture in pixels.
    #[must_use]
    pub fn width(&self) -> u32 {
        self.width
    }

    /// Height of the picture in pixels.
    #[must_use]
    pub fn height(&self) -> u32 {
        self.height
    }

    /// Side of a cell in pixels.
    #[must_use]
    pub fn cell(&self) -> u32 {
        self.cell
    }

    /// Cells in a row.
    #[must_use]
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// The cells, row by row: mean luma times [`LUMA_SCALE`], 0 to 2040.
    #[must_use]
    pub fn cells(&self) -> &[i16] {
        &self.cells
    }

    /// The cells, to be changed in place.
    pub fn cells_mut(&mut self) -> &mut [i16] {
        &mut self.cells
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_blocks_of_eight_pixels_until_there_are_too_many() {
        let mut grid = LumaGrid::default();
        for (width, height, cell, columns, count) in [
            (640, 480, 8, 80, 4800),
            (641, 479, 8, 81, 81 * 60),
            (1280, 720, 16, 80, 80 * 45),
            (480, 1920, 16, 30, 30 * 120),
            (8192, 8192, 64, 128, 128 * 128),
            (1, 1, 8, 1, 1),
        ] {
            assert_eq!(grid.reset(width, height).len(), count);
            assert_eq!((grid.cell(), grid.columns()), (cell, columns), "{width}x{height}");
        }
    }

    #[test]
    fn an_unknown_or_cleared_grid_has_no_cells() {
        let mut grid = LumaGrid::default();
        grid.reset(64, 48).fill(7);
        let memory = grid.cells().as_ptr();
        grid.clear();
        assert_eq!(
            (grid.width(), grid.columns(), grid.cells().is_empty()),
            (0, 0, true)
        );
        grid.reset_unknown(64, 48);
        assert_eq!(
            (grid.width(), grid.height(), grid.cells().is_empty()),
            (64, 48, true)
        );
        assert_eq!(grid.reset(64, 48).as_ptr(), memory, "the memory is kept");
        assert!(grid.cells().iter().all(|&cell| cell == 0), "nothing is left");
    }
}

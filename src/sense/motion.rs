//! Detects where the picture changed, so the networks do not run where nothing happens.
//!
//! Each cell of the luma grid is compared with a reference, its luma when it last changed. A cell that
//! differs gets every change flag: one for each search region and one for each track. Searching the region,
//! or following the track, clears its flag. Because a cell keeps its reference until it has changed, slow
//! changes add up and are not missed.
//!
//! What must not count as a change:
//! - **Exposure steps and flicker.** Both scale the luma; mains flicker does so in bands of rows (rolling
//!   shutter). Each row of cells is therefore compared up to a factor, the median of its cells' ratios.
//! - **Noise.** The threshold rises with the mean difference of the quieter rows, and a cell must have a
//!   neighbour that differs too, or differ by twice the threshold.
//!
//! A row of which more than half changes by the same factor is mistaken for a change of light, so work that
//! relies on the flags must also be done occasionally without them.

use super::geometry::Rect;
use crate::{
    luma::{LUMA_SCALE, LumaGrid, MAX_CELLS},
    picture::wipe,
};

/// Smallest difference that counts, in levels.
const MIN_DIFFERENCE: i32 = 4;

/// Largest threshold, in levels: with more noise than this, some cells change in every frame.
const MAX_DIFFERENCE: i32 = 12;

/// The threshold as a multiple of an unchanged row's mean absolute difference: 4.8 standard deviations of
/// Gaussian noise.
const NOISE_FACTOR: i32 = 6;

/// Fractional bits of a row's factor.
const FACTOR_BITS: u32 = 10;

/// A factor of 1.
const UNITY: i32 = 1 << FACTOR_BITS;

/// Factors by which a row's light may have changed; outside this range something else has happened.
const FACTORS: std::ops::RangeInclusive<i32> = UNITY / 4..=UNITY * 4;

/// A row's references are scaled only by a factor that differs from 1 by more than this.
const REBASE: i32 = UNITY / 64;

/// Cells darker than this, in levels, have no meaningful ratio.
const DARK: i16 = 8;

/// Minimum number of cells from which a row's factor is estimated.
const MIN_RATIOS: usize = 8;

/// One of the up to 16 change flags of a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChangeFlag(u8);

impl ChangeFlag {
    /// The flag of this number.
    ///
    /// # Panics
    /// If `number` is 16 or more; in a constant, that is a compile error.
    #[must_use]
    pub const fn new(number: u8) -> Self {
        assert!(number < 16, "a cell has 16 flags");
        Self(number)
    }

    const fn bit(self) -> u16 {
        1 << self.0
    }
}

/// How much a cell differs from its reference.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Difference {
    #[default]
    None,
    /// Half the threshold: counts for tracks, whose faces change only slightly.
    Slight,
    /// The threshold.
    Clear,
    /// Twice the threshold.
    Strong,
}

/// The change flags of every cell. Allocates only when the picture's size changes.
#[derive(Debug, Default)]
pub struct ChangeMap {
    cell: u32,
    columns: usize,
    reference: Vec<i16>,
    current: Vec<i16>,
    flags: Vec<u16>,
    differences: Vec<Difference>,
    /// Mean absolute difference of the quieter rows, in units of the grid ([`LUMA_SCALE`] per level).
    noise: i32,
    /// The flags that even a slight difference sets.
    sensitive: u16,
}

impl ChangeMap {
    /// A map without data. Half the usual difference sets the `sensitive` flags.
    #[must_use]
    pub fn new(sensitive: &[ChangeFlag]) -> Self {
        Self {
            sensitive: sensitive.iter().fold(0, |flags, flag| flags | flag.bit()),
            ..Self::default()
        }
    }

    /// Takes the luma of the next frame.
    pub fn update(&mut self, grid: &LumaGrid) {
        let cells = grid.cells();
        self.current.clear();
        self.current.extend_from_slice(cells);
        if (self.columns, self.cell, self.reference.len()) != (grid.columns(), grid.cell(), cells.len()) {
            (self.columns, self.cell) = (grid.columns(), grid.cell());
            self.reference.clear();
            self.reference.extend_from_slice(cells);
            self.flags.clear();
            self.flags.resize(cells.len(), u16::MAX);
            self.differences.clear();
            self.differences.resize(cells.len(), Difference::None);
            self.noise = 0;
            return;
        }
        if self.columns > 0 {
            self.compare();
            self.set_flags();
        }
    }

    /// Erases all data, so nothing of the picture is left and everything counts as changed.
    pub fn clear(&mut self) {
        wipe(&mut self.reference);
        wipe(&mut self.current);
        wipe(&mut self.flags);
        wipe(&mut self.differences);
        (self.columns, self.noise) = (0, 0);
    }

    /// Whether the luma is known. If it is not, everything counts as changed.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.columns > 0
    }

    /// Whether a cell that touches `rect` (in pixels of the picture) has changed since `flag` was cleared
    /// there.
    #[must_use]
    pub fn has_changed(&self, flag: ChangeFlag, rect: &Rect) -> bool {
        let is_flagged = |index: usize| self.flags[index] & flag.bit() != 0;
        !self.is_known() || self.rows(rect).flatten().any(is_flagged)
    }

    /// As [`ChangeMap::has_changed`], for blocks of changed cells whose centres lie in none of `explained`.
    #[must_use]
    pub fn has_changed_outside(&self, flag: ChangeFlag, rect: &Rect, explained: &[Rect]) -> bool {
        !self.is_known() || self.changed_outside(flag, rect, explained).next().is_some()
    }

    /// The smallest box around the cells that [`ChangeMap::has_changed_outside`] reports, in pixels of the
    /// picture; `None` if there are none or the luma is not known.
    #[must_use]
    pub fn box_outside(&self, flag: ChangeFlag, rect: &Rect, explained: &[Rect]) -> Option<Rect> {
        let cell = self.cell as f32;
        self.changed_outside(flag, rect, explained)
            .map(|index| Rect {
                x: (index % self.columns) as f32 * cell,
                y: (index / self.columns) as f32 * cell,
                width: cell,
                height: cell,
            })
            .reduce(|all, other| all.union(&other))
    }

    /// The changed cells that touch `rect`, have their centres in none of `explained` and belong to a block
    /// of two by two changed cells: a single cell or a thin line is not a face.
    fn changed_outside(
        &self,
        flag: ChangeFlag,
        rect: &Rect,
        explained: &[Rect],
    ) -> impl Iterator<Item = usize> {
        let (bit, columns, cell) = (flag.bit(), self.columns.max(1), self.cell as f32);
        let is_explained = move |index: usize| {
            let x = ((index % columns) as f32 + 0.5) * cell;
            let y = ((index / columns) as f32 + 0.5) * cell;
            explained.iter().any(|hole| {
                (hole.x..hole.x + hole.width).contains(&x) && (hole.y..hole.y + hole.height).contains(&y)
            })
        };
        let is_changed = move |index: usize| self.flags[index] & bit != 0;
        let is_in_block = move |index: usize| {
            let column = index % columns;
            let lefts = [
                (column > 0).then(|| index - 1),
                (column + 1 < columns).then_some(index),
            ];
            lefts.into_iter().flatten().any(|left| {
                let is_pair = |left: usize| is_changed(left) && is_changed(left + 1);
                is_pair(left)
                    && (left.checked_sub(columns).is_some_and(is_pair)
                        || (left + columns < self.flags.len() && is_pair(left + columns)))
            })
        };
        self.rows(rect)
            .flatten()
            .filter(move |index| is_changed(*index) && is_in_block(*index) && !is_explained(*index))
    }

    /// Clears `flag` in the cells that touch `rect`.
    pub fn mark_unchanged(&mut self, flag: ChangeFlag, rect: &Rect) {
        for row in self.rows(rect) {
            self.flags[row].iter_mut().for_each(|flags| *flags &= !flag.bit());
        }
    }

    /// As [`ChangeMap::mark_unchanged`], for a track: its cells' current luma becomes their reference, so
    /// slight differences are measured from here.
    pub fn rebase(&mut self, flag: ChangeFlag, rect: &Rect) {
        self.mark_unchanged(flag, rect);
        for row in self.rows(rect) {
            self.reference[row.clone()].copy_from_slice(&self.current[row]);
        }
    }

    /// The cells that touch `rect`, as a range of indices for each row.
    fn rows(&self, rect: &Rect) -> impl Iterator<Item = std::ops::Range<usize>> + use<> {
        let columns = self.columns;
        let (cell, count) = (self.cell.max(1) as f32, self.flags.len());
        let rows = count.checked_div(columns).unwrap_or(0);
        let span = |from: f32, size: f32, cells: usize| {
            // Casts saturate; a rectangle outside the picture touches no cell.
            let first = ((from / cell).floor().max(0.0) as usize).min(cells);
            let end = (((from + size) / cell).ceil().max(0.0) as usize).min(cells);
            first..end.max(first)
        };
        let across = span(rect.x, rect.width, columns);
        span(rect.y, rect.height, rows)
            .map(move |row| row * columns + across.start..row * columns + across.end)
    }

    /// Compares every cell with its reference.
    fn compare(&mut self) {
        let scale = i32::from(LUMA_SCALE);
        let threshold = (self.noise * NOISE_FACTOR).clamp(MIN_DIFFERENCE * scale, MAX_DIFFERENCE * scale);
        let mut means: heapless::Vec<i32, MAX_CELLS> = heapless::Vec::new();
        let rows = self
            .reference
            .chunks_exact_mut(self.columns)
            .zip(self.current.chunks_exact(self.columns))
            .zip(self.differences.chunks_exact_mut(self.columns));
        for ((reference, current), differences) in rows {
            let factor = factor(reference, current);
            if (factor - UNITY).abs() > REBASE {
                for cell in reference.iter_mut() {
                    *cell = ((i32::from(*cell) * factor + UNITY / 2) >> FACTOR_BITS) as i16;
                }
            }
            // A change of light is not uniform along a row: the larger the change, the larger the
            // uncertainty.
            let uncertainty = (factor - UNITY).abs() / 8;
            let mut sum = 0_i32;
            for ((&before, &now), difference) in reference.iter().zip(current).zip(differences) {
                let by = (i32::from(now) - i32::from(before)).abs();
                sum = sum.wrapping_add(by.min(threshold));
                let allowed = threshold + ((i32::from(before) * uncertainty) >> FACTOR_BITS);
                *difference = if by < allowed / 2 {
                    Difference::None
                } else if by < allowed {
                    Difference::Slight
                } else if by < 2 * allowed {
                    Difference::Clear
                } else {
                    Difference::Strong
                };
            }
            // There is room for every row.
            let _ = means.push(sum / self.columns as i32);
        }
        let quarter = means.len() / 4;
        if !means.is_empty() {
            self.noise = *means.select_nth_unstable(quarter).1;
        }
    }

    /// Sets the flags of the cells that differ and have a neighbour that differs as much.
    fn set_flags(&mut self) {
        let columns = self.columns;
        let count = self.differences.len();
        for index in 0..count {
            let difference = self.differences[index];
            if difference == Difference::None {
                continue;
            }
            let column = index % columns;
            let neighbours = [
                (column > 0).then(|| index - 1),
                (column + 1 < columns).then(|| index + 1),
                index.checked_sub(columns),
                (index + columns < count).then(|| index + columns),
            ];
            let largest = neighbours
                .into_iter()
                .flatten()
                .map(|neighbour| self.differences[neighbour])
                .max()
                .unwrap_or(Difference::None);
            if difference == Difference::Strong || difference.min(largest) >= Difference::Clear {
                self.flags[index] = u16::MAX;
                self.reference[index] = self.current[index];
            } else if largest >= Difference::Slight {
                self.flags[index] |= self.sensitive;
            }
        }
    }
}

/// The factor by which the light of a row changed: the median ratio of its cells, or 1 if that is unclear.
fn factor(reference: &[i16], current: &[i16]) -> i32 {
    let mut ratios: heapless::Vec<u16, MAX_CELLS> = heapless::Vec::new();
    let dark = DARK * LUMA_SCALE;
    for (&before, &now) in reference.iter().zip(current) {
        if before >= dark {
            // At most (2040 << 10) / 64.
            let ratio = (i32::from(now) << FACTOR_BITS) / i32::from(before);
            // There is room for every cell.
            let _ = ratios.push(ratio.min(i32::from(u16::MAX)) as u16);
        }
    }
    if ratios.len() < MIN_RATIOS {
        return UNITY;
    }
    let middle = ratios.len() / 2;
    let factor = i32::from(*ratios.select_nth_unstable(middle).1);
    if FACTORS.contains(&factor) { factor } else { UNITY }
}

#[cfg(test)]
#[path = "motion_tests.rs"]
mod tests;

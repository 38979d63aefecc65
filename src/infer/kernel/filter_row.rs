//! Weighted sums of adjacent pixels of a row, as resampling a picture requires.

use super::{
    isa::{Isa, SimdOp, fma},
    simd_level::SimdLevel,
};

/// Channels of a pixel in the row.
const CHANNELS: usize = 3;

/// One pixel of the result: its channels, and a meaningless value that makes it a vector.
pub type FilteredPixel = [f32; 4];

/// A filter for each pixel of a row, all with the same number of taps.
#[derive(Debug, Clone, Copy)]
pub struct RowFilter<'a> {
    /// For each pixel of the result, the first pixel of the row that contributes to it.
    pub starts: &'a [usize],
    /// For each pixel of the result, the weights of the pixels from there on.
    pub weights: &'a [f32],
    /// Number of weights of a pixel.
    pub taps: usize,
}

impl SimdLevel {
    /// Writes the weighted sums of adjacent pixels of `row`, which has three channels, to `pixels`.
    ///
    /// # Panics
    /// If there are no taps, if the length of `starts` or `weights` does not match `pixels` and `taps`, or if
    /// `row` has no value after the last pixel that contributes.
    pub fn filter_row(self, filter: &RowFilter<'_>, row: &[f32], pixels: &mut [FilteredPixel]) {
        assert_eq!(filter.starts.len(), pixels.len());
        assert_eq!(filter.weights.len(), pixels.len() * filter.taps);
        self.dispatch(FilterRow { filter, row, pixels });
    }
}

struct FilterRow<'a> {
    filter: &'a RowFilter<'a>,
    row: &'a [f32],
    pixels: &'a mut [FilteredPixel],
}

impl SimdOp for FilterRow<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, _: I) {
        // With a constant, the loop over the taps is unrolled. Pictures of common sizes need these numbers of
        // taps.
        match self.filter.taps {
            2 => self.sum::<I>(2),
            3 => self.sum::<I>(3),
            4 => self.sum::<I>(4),
            5 => self.sum::<I>(5),
            6 => self.sum::<I>(6),
            7 => self.sum::<I>(7),
            8 => self.sum::<I>(8),
            taps => self.sum::<I>(taps),
        }
    }
}

impl FilterRow<'_> {
    #[inline(always)]
    fn sum<I: Isa>(self, taps: usize) {
        let RowFilter { starts, weights, .. } = *self.filter;
        let weights = weights.chunks_exact(taps);
        for ((pixel, start), weights) in self.pixels.iter_mut().zip(starts).zip(weights) {
            // One bounds check for all taps.
            let values = &self.row[start.wrapping_mul(CHANNELS)..][..CHANNELS * taps + 1];
            let mut sums = [0.0; 4];
            for tap in 0..taps {
                for lane in 0..4 {
                    sums[lane] = fma::<I>(values[CHANNELS * tap + lane], weights[tap], sums[lane]);
                }
            }
            *pixel = sums;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_those_of_a_plain_loop_at_every_level_and_number_of_taps() {
        let row: Vec<f32> = (0..3 * 40 + 1).map(|i| (i * i % 97) as f32).collect();
        for level in SimdLevel::all_supported() {
            for taps in 1..12 {
                let starts: Vec<usize> = (0..25).map(|pixel| pixel * 28 / 25).collect();
                let weights: Vec<f32> = (0..25 * taps).map(|i| (i % 7) as f32 / 8.0 - 0.25).collect();
                let mut pixels = vec![[f32::NAN; 4]; 25];
                let filter = RowFilter {
                    starts: &starts,
                    weights: &weights,
                    taps,
                };
                level.filter_row(&filter, &row, &mut pixels);
                for ((pixel, start), weights) in pixels.iter().zip(&starts).zip(weights.chunks(taps)) {
                    for channel in 0..3 {
                        let expected: f32 = weights
                            .iter()
                            .enumerate()
                            .map(|(tap, weight)| weight * row[3 * (start + tap) + channel])
                            .sum();
                        assert!((pixel[channel] - expected).abs() < 1e-3, "{level:?}, {taps} taps");
                    }
                }
            }
        }
    }
}

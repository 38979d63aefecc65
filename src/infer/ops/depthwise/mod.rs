//! Depthwise convolutions and average pooling of 3x3 pixels, channels last. A vector holds channels of one
//! pixel, so vectors are full whatever the size of the image.

mod convolve;

use tract_onnx::prelude::{Datum, DatumType};

use super::operator::{Compute, Scratch};
use crate::kernel::{Activation, LANES, SimdLevel};
use convolve::Convolve;

/// Taps of the kernel.
const TAPS: usize = 9;

/// A depthwise convolution of 3x3 pixels, padded with zeros, from `[row][column][channel]` to the same
/// layout.
#[derive(Debug)]
pub(crate) struct Depthwise {
    level: SimdLevel,
    /// For each vector of channels: the taps, then the bias. The last vector overlaps the one before.
    weights: Vec<[[f32; LANES]; TAPS + 1]>,
    activation: Activation,
    /// At least [`LANES`].
    channels: usize,
    height: usize,
    width: usize,
    /// 1 or 2.
    stride: usize,
    /// Rows and columns of zeros before the image: 1, or 0 with stride 2.
    padding: usize,
}

impl Depthwise {
    /// From `[channel][tap]` weights and one bias, or one for each channel. The input size is height, width
    /// and channels. `None` if there are fewer channels than a vector has lanes, or if sizes do not match.
    /// The zero padding after the image is such that there is one output for each `stride` inputs.
    pub(crate) fn new(
        level: SimdLevel,
        weights: &[f32],
        bias: &[f32],
        activation: Activation,
        [height, width, channels]: [usize; 3],
        [stride, padding]: [usize; 2],
    ) -> Option<Self> {
        let is_known = matches!((stride, padding), (1 | 2, 1) | (2, 0));
        if !is_known
            || channels < LANES
            || weights.len() != TAPS * channels
            || ![1, channels].contains(&bias.len())
        {
            return None;
        }
        let mut by_vector = vec![[[0.0; LANES]; TAPS + 1]; channels.div_ceil(LANES)];
        for (vector, taps) in by_vector.iter_mut().enumerate() {
            let first = first_channel(vector, channels);
            for (tap, lanes) in taps.iter_mut().enumerate() {
                for (channel, to) in (first..).zip(lanes) {
                    *to = match tap {
                        TAPS => bias[channel % bias.len()],
                        _ => weights[channel * TAPS + tap],
                    };
                }
            }
        }
        Some(Self {
            level,
            weights: by_vector,
            activation,
            channels,
            height,
            width,
            stride,
            padding,
        })
    }

    /// Height, width and channels of the input.
    pub(crate) fn input(&self) -> [usize; 3] {
        [self.height, self.width, self.channels]
    }

    /// Height, width and channels of the output.
    pub(crate) fn output(&self) -> [usize; 3] {
        let side = |length: usize| length.div_ceil(self.stride);
        [side(self.height), side(self.width), self.channels]
    }

    /// The number of output rows that need only the first `rows` rows of the input.
    pub(super) fn ready_rows(&self, rows: usize) -> usize {
        let [out_height, ..] = self.output();
        if rows == self.height {
            return out_height;
        }
        // The kernel of output row `y` ends before input row `y * stride + 3 - padding`.
        (rows + self.padding)
            .checked_sub(3)
            .map_or(0, |last| last / self.stride + 1)
    }

    /// Computes rows of the output from `first` on. `from` is a ring buffer with the input rows that they
    /// read: row `y` is at `y & row_mask`.
    pub(super) fn eval_rows(&self, from: &[f32], row_mask: usize, first: usize, to: &mut [f32]) {
        self.level.dispatch(Convolve {
            convolution: self,
            from,
            row_mask,
            first,
            to,
        });
    }
}

impl Compute for Depthwise {
    fn name(&self) -> &'static str {
        "Depthwise"
    }

    fn macs(&self) -> (DatumType, usize) {
        (f32::datum_type(), TAPS * self.output().iter().product::<usize>())
    }

    fn eval(&self, inputs: &[&[f32]], to: &mut [f32], _: &mut Scratch) {
        self.eval_rows(inputs[0], usize::MAX, 0, to);
    }
}

/// The first channel of a vector.
#[inline(always)]
fn first_channel(vector: usize, channels: usize) -> usize {
    (vector * LANES).min(channels - LANES)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn noise(count: usize, factor: f32) -> Vec<f32> {
        (0..count).map(|i| ((i as f32 + 1.0) * factor).sin()).collect()
    }

    /// Rows with blocks of pixels, the last of which overlaps the one before, and rows too short for a block.
    #[test]
    fn relu_is_applied_to_what_plain_loops_compute() {
        for level in SimdLevel::all_supported() {
            for (width, channels, stride) in
                (1..24).flat_map(|width| [(width, 16, 1), (width, 24, 1), (width, 24, 2)])
            {
                let size = [3, width, channels];
                let (weights, bias) = (noise(TAPS * channels, 0.7), noise(channels, 1.3));
                let from = noise(size.iter().product(), 0.37);
                let new = |activation| {
                    Depthwise::new(level, &weights, &bias, activation, size, [stride, 1]).unwrap()
                };
                let relu = new(Activation::Relu);
                let [out_height, out_width, _] = relu.output();
                let mut to = vec![f32::NAN; out_height * out_width * channels];
                relu.eval(&[&from], &mut to, &mut Scratch::default());
                for (index, found) in to.iter().enumerate() {
                    let (pixel, channel) = (index / channels, index % channels);
                    let (y, x) = (pixel / out_width * stride, pixel % out_width * stride);
                    let mut sum = bias[channel];
                    for tap in 0..TAPS {
                        let (row, column) = ((y + tap / 3).wrapping_sub(1), (x + tap % 3).wrapping_sub(1));
                        if row < 3 && column < width {
                            sum += from[(row * width + column) * channels + channel]
                                * weights[channel * TAPS + tap];
                        }
                    }
                    assert!(
                        (found - sum.max(0.0)).abs() < 1e-4,
                        "{level:?}, width {width}: {found} {sum}"
                    );
                }
            }
        }
    }
}

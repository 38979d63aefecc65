//! Depthwise convolutions and average pooling of 3x3 pixels, channels last: a vector holds channels of one
//! pixel, so that the image's size does not matter to it.

use tract_onnx::prelude::{Datum, DatumType};

use super::operator::{Compute, Scratch};
use crate::kernel::{Activation, Isa, LANES, SimdLevel, SimdOp, activate, first_lanes};

/// Pixels of a row that are computed together, for which each weight is loaded once.
const BLOCK_PIXELS: usize = 4;

/// Taps of the kernel.
const TAPS: usize = 9;

/// A depthwise convolution of 3x3 pixels, padded with one pixel of zeros: `[row][column][channel]` to the
/// same.
#[derive(Debug)]
pub(crate) struct Depthwise {
    level: SimdLevel,
    /// `[tap][channel]`, then the bias.
    weights: Vec<f32>,
    activation: Activation,
    /// At least [`LANES`].
    channels: usize,
    height: usize,
    width: usize,
    /// 1 or 2.
    stride: usize,
}

impl Depthwise {
    /// From weights `[channel][tap]` and one bias, or one for each channel. The input has height, width and
    /// channels. `None` if it has fewer channels than a vector has lanes, or sizes do not match.
    pub(crate) fn new(
        level: SimdLevel,
        weights: &[f32],
        bias: &[f32],
        activation: Activation,
        [height, width, channels]: [usize; 3],
        stride: usize,
    ) -> Option<Self> {
        if channels < LANES || weights.len() != TAPS * channels || ![1, channels].contains(&bias.len()) {
            return None;
        }
        let mut by_tap = vec![0.0; (TAPS + 1) * channels];
        for (tap, row) in by_tap.chunks_exact_mut(channels).enumerate() {
            for (channel, to) in row.iter_mut().enumerate() {
                *to = match tap {
                    TAPS => bias[channel % bias.len()],
                    _ => weights[channel * TAPS + tap],
                };
            }
        }
        Some(Self {
            level,
            weights: by_tap,
            activation,
            channels,
            height,
            width,
            stride,
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

    pub(super) fn stride(&self) -> usize {
        self.stride
    }

    /// Computes some rows of the output, from `first` on. `from` is a ring buffer with the input rows that
    /// these read: row `y` is at `y & row_mask`.
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
    const NAME: &'static str = "Depthwise";

    fn macs(&self) -> (DatumType, usize) {
        (f32::datum_type(), TAPS * self.output().iter().product::<usize>())
    }

    fn eval(&self, inputs: &[&[f32]], to: &mut [f32], _: &mut Scratch) {
        self.eval_rows(inputs[0], usize::MAX, 0, to);
    }
}

struct Convolve<'a> {
    convolution: &'a Depthwise,
    from: &'a [f32],
    row_mask: usize,
    first: usize,
    to: &'a mut [f32],
}

/// The rows or columns of the kernel that lie within the image.
#[derive(Clone, Copy)]
struct KernelRange {
    first: usize,
    end: usize,
}

impl KernelRange {
    /// With the kernel's middle at `center` of `length` rows or columns.
    #[inline(always)]
    fn around(center: usize, length: usize) -> Self {
        Self {
            first: usize::from(center == 0),
            end: if center + 1 == length { 2 } else { 3 },
        }
    }
}

impl SimdOp for Convolve<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(mut self, isa: I) {
        let Depthwise { stride, width, .. } = *self.convolution;
        let [_, out_width, channels] = self.convolution.output();
        for y in self.first..self.first + self.to.len() / (out_width * channels) {
            let mut x = 0;
            while x < out_width {
                let last = (x + BLOCK_PIXELS - 1) * stride;
                let is_inside = x > 0 && x + BLOCK_PIXELS <= out_width && last + 1 < width;
                if is_inside {
                    self.pixels::<I, BLOCK_PIXELS>(isa, y, x);
                    x += BLOCK_PIXELS;
                } else {
                    self.pixels::<I, 1>(isa, y, x);
                    x += 1;
                }
            }
        }
    }
}

impl Convolve<'_> {
    /// Computes adjacent pixels of one row. If there are several, no column of their kernels is outside of
    /// the image.
    #[inline(always)]
    fn pixels<I: Isa, const COUNT: usize>(&mut self, isa: I, y: usize, x: usize) {
        let Depthwise {
            channels,
            height,
            width,
            stride,
            activation,
            ..
        } = *self.convolution;
        let rows = KernelRange::around(y * stride, height);
        let columns = if COUNT == 1 {
            KernelRange::around(x * stride, width)
        } else {
            KernelRange { first: 0, end: 3 }
        };
        let [_, out_width, _] = self.convolution.output();
        let to = &mut self.to[((y - self.first) * out_width + x) * channels..][..COUNT * channels];
        for vector in 0..channels.div_ceil(LANES) {
            // The last vector overlaps the one before.
            let channel = (vector * LANES).min(channels - LANES);
            let weights = &self.convolution.weights[channel..];
            let mut sums = [isa.load(first_lanes(&weights[TAPS * channels..])); COUNT];
            for row in rows.first..rows.end {
                // One bounds check for all pixels of a row: there are few products in it.
                let line = (y * stride + row - 1) & self.row_mask;
                let start = line * width + x * stride + columns.first - 1;
                let pixels = columns.end - columns.first + (COUNT - 1) * stride;
                let from = &self.from[start * channels..][..pixels * channels];
                let taps = &weights[(row * 3 + columns.first) * channels..];
                for column in 0..columns.end - columns.first {
                    let weight = isa.load(first_lanes(&taps[column * channels..]));
                    for (pixel, sum) in sums.iter_mut().enumerate() {
                        let at = (column.wrapping_add(pixel.wrapping_mul(stride))).wrapping_mul(channels);
                        // SAFETY: `from` has `channels` values from `at` on, and `channel` is at least LANES
                        // before their end.
                        let from = unsafe { &*from.as_ptr().add(at.wrapping_add(channel)).cast() };
                        *sum = isa.mul_add(isa.load(from), weight, *sum);
                    }
                }
            }
            for (sum, to) in sums.iter().zip(to.chunks_exact_mut(channels)) {
                if let Some(to) = to[channel..].first_chunk_mut() {
                    isa.store(*sum, to);
                }
            }
        }
        activate(isa, activation, to);
    }
}

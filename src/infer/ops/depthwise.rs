//! Depthwise convolutions and average pooling of 3x3 pixels, channels last: a vector holds channels of one
//! pixel, so that the image's size does not matter to it.

use tract_onnx::prelude::{Datum, DatumType};

use super::operator::{Compute, Scratch};
use crate::kernel::{Activation, Isa, LANES, SimdLevel, SimdOp, activate, first_lanes};

/// Pixels of a row that are computed together, for which each weight is loaded once.
const BLOCK_PIXELS: usize = 4;

/// Taps of the kernel.
const TAPS: usize = 9;

/// A depthwise convolution of 3x3 pixels, padded with zeros: `[row][column][channel]` to the same.
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
    /// Rows and columns of zeros before the image: 1, or 0 with stride 2.
    padding: usize,
}

impl Depthwise {
    /// From weights `[channel][tap]` and one bias, or one for each channel. The input has height, width and
    /// channels. `None` if it has fewer channels than a vector has lanes, or sizes do not match. Zeros after
    /// the image are as many as give one output for each `stride` inputs.
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

    /// How many rows of the output need no more than the first `rows` rows of the input.
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
            end: (length + 1).saturating_sub(center).min(3),
        }
    }
}

impl SimdOp for Convolve<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        match self.convolution.stride {
            1 => self.rows::<I, 1>(isa),
            _ => self.rows::<I, 2>(isa),
        }
    }
}

impl Convolve<'_> {
    #[inline(always)]
    fn rows<I: Isa, const STRIDE: usize>(mut self, isa: I) {
        let Depthwise { width, padding, .. } = *self.convolution;
        let [_, out_width, channels] = self.convolution.output();
        for y in self.first..self.first + self.to.len() / (out_width * channels) {
            let mut x = 0;
            while x < out_width {
                // The columns of the kernels of a block.
                let (first, end) = (x * STRIDE, (x + BLOCK_PIXELS - 1) * STRIDE + 3);
                let is_inside = x + BLOCK_PIXELS <= out_width && first >= padding && end <= width + padding;
                if is_inside {
                    self.block::<I, STRIDE>(isa, y, x);
                    x += BLOCK_PIXELS;
                } else {
                    self.pixel::<I, STRIDE>(isa, y, x);
                    x += 1;
                }
            }
        }
    }

    /// The rows of the kernel of output row `y` that lie within the image.
    #[inline(always)]
    fn kernel_rows<const STRIDE: usize>(&self, y: usize) -> KernelRange {
        let Depthwise { height, padding, .. } = *self.convolution;
        KernelRange::around(y * STRIDE + 1 - padding, height)
    }

    /// Where the result of a pixel begins.
    #[inline(always)]
    fn result(&self, y: usize, x: usize) -> usize {
        let [_, out_width, channels] = self.convolution.output();
        ((y - self.first) * out_width + x) * channels
    }

    /// Where the input of a pixel's kernel begins, in this row of the kernel and from this column on.
    #[inline(always)]
    fn source<const STRIDE: usize>(&self, y: usize, x: usize, row: usize, column: usize) -> usize {
        let Depthwise {
            channels,
            width,
            padding,
            ..
        } = *self.convolution;
        let line = (y * STRIDE + row - padding) & self.row_mask;
        (line * width + x * STRIDE + column - padding) * channels
    }

    /// Computes adjacent pixels of one row, no column of whose kernels is outside of the image. Each vector
    /// of the input is loaded once for all pixels that it belongs to.
    #[inline(always)]
    fn block<I: Isa, const STRIDE: usize>(&mut self, isa: I, y: usize, x: usize) {
        let Depthwise {
            channels, activation, ..
        } = *self.convolution;
        let rows = self.kernel_rows::<STRIDE>(y);
        let first = self.result(y, x);
        let columns = (BLOCK_PIXELS - 1) * STRIDE + 3;
        for vector in 0..channels.div_ceil(LANES) {
            // The last vector overlaps the one before.
            let channel = (vector * LANES).min(channels - LANES);
            let weights = &self.convolution.weights[channel..];
            let mut sums = [isa.load(first_lanes(&weights[TAPS * channels..])); BLOCK_PIXELS];
            for row in rows.first..rows.end {
                // One bounds check for all pixels of a row: there are few products in it.
                let start = self.source::<STRIDE>(y, x, row, 0);
                let from = &self.from[start..][..columns * channels];
                let taps = &weights[row * 3 * channels..];
                let taps = [
                    isa.load(first_lanes(taps)),
                    isa.load(first_lanes(&taps[channels..])),
                    isa.load(first_lanes(&taps[2 * channels..])),
                ];
                for column in 0..columns {
                    // SAFETY: `from` has `channels` values for each column, and `channel` is at least LANES
                    // before their end.
                    let from = unsafe { &*from.as_ptr().add(column.wrapping_mul(channels) + channel).cast() };
                    let values = isa.load(from);
                    for (pixel, sum) in sums.iter_mut().enumerate() {
                        let tap = column.wrapping_sub(pixel * STRIDE);
                        if tap < 3 {
                            *sum = isa.mul_add(values, taps[tap], *sum);
                        }
                    }
                }
            }
            for (pixel, sum) in sums.iter().enumerate() {
                let to = &mut self.to[first + pixel * channels + channel..];
                if let Some(to) = to.first_chunk_mut() {
                    isa.store(*sum, to);
                }
            }
        }
        activate(
            isa,
            activation,
            &mut self.to[first..first + BLOCK_PIXELS * channels],
        );
    }

    /// Computes one pixel.
    #[inline(always)]
    fn pixel<I: Isa, const STRIDE: usize>(&mut self, isa: I, y: usize, x: usize) {
        let Depthwise {
            channels,
            width,
            padding,
            activation,
            ..
        } = *self.convolution;
        let rows = self.kernel_rows::<STRIDE>(y);
        let columns = KernelRange::around(x * STRIDE + 1 - padding, width);
        let first = self.result(y, x);
        for vector in 0..channels.div_ceil(LANES) {
            let channel = (vector * LANES).min(channels - LANES);
            let weights = &self.convolution.weights[channel..];
            let mut sum = isa.load(first_lanes(&weights[TAPS * channels..]));
            for row in rows.first..rows.end {
                let start = self.source::<STRIDE>(y, x, row, columns.first);
                for column in columns.first..columns.end {
                    let at = start + (column - columns.first) * channels + channel;
                    let weight = isa.load(first_lanes(&weights[(row * 3 + column) * channels..]));
                    sum = isa.mul_add(isa.load(first_lanes(&self.from[at..])), weight, sum);
                }
            }
            if let Some(to) = self.to[first + channel..].first_chunk_mut() {
                isa.store(sum, to);
            }
        }
        activate(isa, activation, &mut self.to[first..first + channels]);
    }
}

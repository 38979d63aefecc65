//! Depthwise convolutions and average pooling of 3x3 pixels, channels last: a vector holds channels of one
//! pixel, so that the image's size does not matter to it.

use tract_onnx::prelude::{Datum, DatumType};

use super::operator::{Compute, Scratch};
use crate::kernel::{Activation, Isa, LANES, SimdLevel, SimdOp, activate};

/// Taps of the kernel.
const TAPS: usize = 9;

/// A depthwise convolution of 3x3 pixels, padded with zeros: `[row][column][channel]` to the same.
#[derive(Debug)]
pub(crate) struct Depthwise {
    level: SimdLevel,
    /// For each vector of channels the taps, then the bias. The last vector overlaps the one before.
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

/// The first channel of a vector.
#[inline(always)]
fn first_channel(vector: usize, channels: usize) -> usize {
    (vector * LANES).min(channels - LANES)
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
        match (self.convolution.stride, I::DEPTHWISE_PIXELS) {
            (1, 8) => self.rows::<I, 1, 8>(isa),
            (1, _) => self.rows::<I, 1, 3>(isa),
            (_, 8) => self.rows::<I, 2, 8>(isa),
            _ => self.rows::<I, 2, 3>(isa),
        }
    }
}

impl Convolve<'_> {
    #[inline(always)]
    fn rows<I: Isa, const STRIDE: usize, const PIXELS: usize>(mut self, isa: I) {
        let Depthwise { width, padding, .. } = *self.convolution;
        let [_, out_width, channels] = self.convolution.output();
        // No column of these pixels' kernels is outside of the image.
        let first = padding.div_ceil(STRIDE);
        let end = (width + padding)
            .checked_sub(3)
            .map_or(0, |last| last / STRIDE + 1);
        for y in self.first..self.first + self.to.len() / (out_width * channels) {
            if first + PIXELS > end {
                for x in 0..out_width {
                    self.pixel::<I, STRIDE>(isa, y, x);
                }
                continue;
            }
            for x in (0..first).chain(end..out_width) {
                self.pixel::<I, STRIDE>(isa, y, x);
            }
            let mut x = first;
            while x < end {
                // The last block overlaps the one before.
                self.block::<I, STRIDE, PIXELS>(isa, y, x.min(end - PIXELS));
                x += PIXELS;
            }
        }
    }

    /// The rows of the kernel of output row `y` that lie within the image.
    #[inline(always)]
    fn kernel_rows<const STRIDE: usize>(&self, y: usize) -> KernelRange {
        let Depthwise { height, padding, .. } = *self.convolution;
        KernelRange::around(y * STRIDE + 1 - padding, height)
    }

    /// The results of some pixels of row `y` from `x` on.
    #[inline(always)]
    fn results(&mut self, y: usize, x: usize, pixels: usize) -> &mut [f32] {
        let [_, out_width, channels] = self.convolution.output();
        &mut self.to[((y - self.first) * out_width + x) * channels..][..pixels * channels]
    }

    /// The input of some columns of a pixel's kernel, from `column` on, for each row of the kernel that lies within the
    /// image; the other slices are empty.
    #[inline(always)]
    fn lines<const STRIDE: usize>(
        &self,
        [y, x]: [usize; 2],
        rows: KernelRange,
        column: usize,
        columns: usize,
    ) -> [&[f32]; 3] {
        let Depthwise {
            channels,
            width,
            padding,
            ..
        } = *self.convolution;
        let mut lines: [&[f32]; 3] = [&[]; 3];
        for (row, to) in lines.iter_mut().enumerate().take(rows.end).skip(rows.first) {
            let line = (y * STRIDE + row - padding) & self.row_mask;
            let start = (line * width + x * STRIDE + column - padding) * channels;
            *to = &self.from[start..][..columns * channels];
        }
        lines
    }

    /// Computes adjacent pixels of one row, no column of whose kernels is outside of the image. Each vector
    /// of the input is loaded once for all pixels that it belongs to.
    #[inline(always)]
    fn block<I: Isa, const STRIDE: usize, const PIXELS: usize>(&mut self, isa: I, y: usize, x: usize) {
        let convolution = self.convolution;
        let Depthwise {
            channels, activation, ..
        } = *convolution;
        // While the sums are in registers.
        let (is_relu, zero) = (activation == Activation::Relu, isa.splat(0.0));
        let rows = self.kernel_rows::<STRIDE>(y);
        let columns = (PIXELS - 1) * STRIDE + 3;
        // The bounds are checked once for all channels.
        let lines = self
            .lines::<STRIDE>([y, x], rows, 0, columns)
            .map(<[f32]>::as_ptr);
        let to = self.results(y, x, PIXELS);
        for (vector, weights) in convolution.weights.iter().enumerate() {
            let channel = first_channel(vector, channels);
            let mut sums = [isa.load(&weights[TAPS]); PIXELS];
            // SAFETY: a line within the image has `channels` values for each column, and `channel` is at least LANES before
            // their end.
            unsafe {
                if rows.first == 0 && rows.end == 3 {
                    // With constants, which take fewer instructions.
                    for (row, line) in lines.iter().enumerate() {
                        let at = line.add(channel);
                        add_row::<I, STRIDE, PIXELS>(isa, weights, row, at, channels, &mut sums);
                    }
                } else {
                    for (row, line) in lines.iter().enumerate().take(rows.end).skip(rows.first) {
                        let at = line.add(channel);
                        add_row::<I, STRIDE, PIXELS>(isa, weights, row, at, channels, &mut sums);
                    }
                }
            }
            for (pixel, sum) in sums.into_iter().enumerate() {
                // In this order, `max` passes a NaN on.
                let result = if is_relu { isa.max(zero, sum) } else { sum };
                // SAFETY: `to` has `channels` values for each pixel, and `channel` is at least LANES before their end.
                let to = unsafe {
                    &mut *to
                        .as_mut_ptr()
                        .add(pixel.wrapping_mul(channels).wrapping_add(channel))
                        .cast()
                };
                isa.store(result, to);
            }
        }
        if !is_relu {
            activate(isa, activation, to);
        }
    }

    /// Computes one pixel.
    #[inline(always)]
    fn pixel<I: Isa, const STRIDE: usize>(&mut self, isa: I, y: usize, x: usize) {
        let convolution = self.convolution;
        let Depthwise {
            channels,
            width,
            padding,
            activation,
            ..
        } = *convolution;
        let rows = self.kernel_rows::<STRIDE>(y);
        let columns = KernelRange::around(x * STRIDE + 1 - padding, width);
        let count = columns.end - columns.first;
        let lines = self
            .lines::<STRIDE>([y, x], rows, columns.first, count)
            .map(<[f32]>::as_ptr);
        let to = self.results(y, x, 1);
        for (vector, weights) in convolution.weights.iter().enumerate() {
            let channel = first_channel(vector, channels);
            let mut sum = isa.load(&weights[TAPS]);
            for row in rows.first..rows.end {
                for column in 0..count {
                    // SAFETY: as in `block`.
                    let from = unsafe {
                        &*lines[row]
                            .add(column.wrapping_mul(channels).wrapping_add(channel))
                            .cast()
                    };
                    let weight = isa
                        .load(&weights[row.wrapping_mul(3).wrapping_add(columns.first + column).min(TAPS)]);
                    sum = isa.mul_add(isa.load(from), weight, sum);
                }
            }
            if let Some(to) = to[channel..].first_chunk_mut() {
                isa.store(sum, to);
            }
        }
        activate(isa, activation, to);
    }
}

/// Adds to the sums of adjacent pixels what a row of the kernel contributes: the input from `from` on, and from `channels`
/// values further on for each column.
///
/// # Safety
/// There are `LANES` values for each column.
#[inline(always)]
unsafe fn add_row<I: Isa, const STRIDE: usize, const PIXELS: usize>(
    isa: I,
    weights: &[[f32; LANES]; TAPS + 1],
    row: usize,
    from: *const f32,
    channels: usize,
    sums: &mut [I::Floats; PIXELS],
) {
    let tap = |column: usize| &weights[row.wrapping_mul(3).wrapping_add(column).min(TAPS)];
    let taps = [isa.load(tap(0)), isa.load(tap(1)), isa.load(tap(2))];
    for column in 0..(PIXELS - 1) * STRIDE + 3 {
        // SAFETY: guaranteed by the caller.
        let values = isa.load(unsafe { &*from.add(column.wrapping_mul(channels)).cast() });
        for (pixel, sum) in sums.iter_mut().enumerate() {
            let tap = column.wrapping_sub(pixel * STRIDE);
            if tap < 3 {
                *sum = isa.mul_add(values, taps[tap], *sum);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn noise(count: usize, factor: f32) -> Vec<f32> {
        (0..count).map(|i| ((i as f32 + 1.0) * factor).sin()).collect()
    }

    /// Blocks of pixels, the last of which overlaps the one before, and rows without any.
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

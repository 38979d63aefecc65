//! Sums the taps of blocks of pixels in registers.

use super::{Depthwise, TAPS, first_channel};
use crate::kernel::{Activation, Isa, LANES, SimdOp, activate};

/// Computes rows of the output; see [`Depthwise::eval_rows`].
pub(super) struct Convolve<'a> {
    pub(super) convolution: &'a Depthwise,
    pub(super) from: &'a [f32],
    pub(super) row_mask: usize,
    pub(super) first: usize,
    pub(super) to: &'a mut [f32],
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
        // All kernel columns of these pixels lie within the image.
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

    /// For each row of a pixel's kernel that lies within the image: the input of `columns` of its columns
    /// from `column` on. The other slices are empty.
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

    /// Computes adjacent pixels of one row whose kernel columns all lie within the image. Each vector of the
    /// input is loaded once for all pixels that need it.
    #[inline(always)]
    fn block<I: Isa, const STRIDE: usize, const PIXELS: usize>(&mut self, isa: I, y: usize, x: usize) {
        let convolution = self.convolution;
        let Depthwise {
            channels, activation, ..
        } = *convolution;
        // ReLU is applied while the sums are in registers.
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
            // SAFETY: a line within the image has `channels` values for each column, and `channel` is at
            // least LANES before their end.
            unsafe {
                if rows.first == 0 && rows.end == 3 {
                    // Constant bounds take fewer instructions.
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
                // With the operands in this order, `max` propagates NaN.
                let result = if is_relu { isa.max(zero, sum) } else { sum };
                // SAFETY: `to` has `channels` values for each pixel, and `channel` is at least LANES before
                // their end.
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

/// Adds the contribution of one kernel row to the sums of adjacent pixels. The input begins at `from`, and
/// each column is `channels` values after the one before.
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

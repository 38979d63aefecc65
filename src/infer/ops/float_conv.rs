//! Dense 2-D convolutions in floats, without im2col: with channels last, the pixels under one row of the
//! kernel are contiguous, so a patch consists of one stretch of memory per kernel row.

use tract_onnx::prelude::{Datum, DatumType};

use super::operator::{Compute, Scratch, resized};
use crate::kernel::{Activation, FloatRows, FloatWeights, Layout, fgemm};

/// Longest side of a kernel.
pub(crate) const MAX_KERNEL: usize = 7;

/// A convolution with a `[row][column][channel]` result.
#[derive(Debug)]
pub(crate) struct FloatConv {
    /// Their inputs are ordered `[kernel row][kernel column][channel]`.
    pub(crate) weights: FloatWeights,
    pub(crate) activation: Activation,
    pub(crate) input_layout: Layout,
    /// Height, width and channels of the input.
    pub(crate) input: [usize; 3],
    /// Height, width and channels of the output.
    pub(crate) output: [usize; 3],
    /// Rows and columns, at most [`MAX_KERNEL`].
    pub(crate) kernel: [usize; 2],
    pub(crate) stride: [usize; 2],
    /// Rows and columns of zeros before the image.
    pub(crate) padding: [usize; 2],
}

impl FloatConv {
    /// Columns of an input row including its zero padding.
    fn padded_width(&self) -> usize {
        let needed = (self.output[1] - 1) * self.stride[1] + self.kernel[1];
        needed.max(self.padding[1] + self.input[1])
    }

    /// Copies a row of the input, channels last, between the zero padding of `to`.
    fn copy_row(&self, from: &[f32], row: usize, to: &mut [f32]) {
        let [height, width, channels] = self.input;
        let to = &mut to[self.padding[1] * channels..][..width * channels];
        match self.input_layout {
            Layout::ChannelsLast => to.copy_from_slice(&from[row * width * channels..][..width * channels]),
            // The layout of pictures: a separate loop, which the compiler vectorizes.
            Layout::ChannelsFirst if channels == 3 => {
                let line = |channel: usize| &from[(channel * height + row) * width..][..width];
                let colours = line(0).iter().zip(line(1)).zip(line(2));
                for (pixel, ((red, green), blue)) in to.as_chunks_mut().0.iter_mut().zip(colours) {
                    *pixel = [*red, *green, *blue];
                }
            }
            Layout::ChannelsFirst => {
                for (channel, plane) in from.chunks_exact(height * width).enumerate() {
                    let line = &plane[row * width..][..width];
                    for (pixel, value) in to.chunks_exact_mut(channels).zip(line) {
                        pixel[channel] = *value;
                    }
                }
            }
        }
    }
}

impl Compute for FloatConv {
    fn name(&self) -> &'static str {
        "FloatConv"
    }

    fn macs(&self) -> (DatumType, usize) {
        let [height, width, _] = self.output;
        (f32::datum_type(), height * width * self.weights.count())
    }

    fn eval(&self, inputs: &[&[f32]], to: &mut [f32], scratch: &mut Scratch) {
        let [height, _, channels] = self.input;
        let [_, out_width, outputs] = self.output;
        let [kernel_rows, kernel_columns] = self.kernel;
        let row = self.padded_width() * channels;
        // A ring buffer of input rows, and a row of zeros.
        let ring = kernel_rows.next_power_of_two();
        let values = resized(&mut scratch.values, (ring + 1) * row);
        values.fill(0.0);
        let mut copied = 0;
        for (y, to) in to.chunks_exact_mut(out_width * outputs).enumerate() {
            let mut starts = [ring * row; MAX_KERNEL];
            for (tap, start) in starts[..kernel_rows].iter_mut().enumerate() {
                let line = (y * self.stride[0] + tap).checked_sub(self.padding[0]);
                let Some(line) = line.filter(|line| *line < height) else {
                    continue;
                };
                *start = line % ring * row;
                if line >= copied {
                    self.copy_row(inputs[0], line, &mut values[*start..][..row]);
                    copied = line + 1;
                }
            }
            let rows = FloatRows {
                values,
                step: self.stride[1] * channels,
                starts: &starts[..kernel_rows],
                length: kernel_columns * channels,
            };
            fgemm(&self.weights, rows, None, self.activation, to);
        }
    }
}

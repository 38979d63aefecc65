//! Dense 2-D convolutions in int8, as a matrix product over patches (im2col: K. Chellapilla, S. Puri and P.
//! Simard, "High performance convolutional neural networks for document processing", IWFHR 2006).
//!
//! A patch, the pixels under the kernel, is gathered as the channels of one row of the product. Only one
//! block of patches exists at a time.

use tract_onnx::prelude::DatumType;

use super::operator::{Compute, Scratch};
use crate::kernel::{
    Activation, ActivationView, Epilogue, Layout, Operand, PackedWeights, Prologue, pack, qgemm,
};

/// Pixels that are quantized and multiplied together: their patches stay in the L2 cache.
const BLOCK_PIXELS: usize = 64;

/// A convolution from `[row][column][channel]` to the same layout.
#[derive(Debug)]
pub(crate) struct QConv2d {
    /// For a channels-last result. Their inputs are ordered `[kernel row][kernel column][channel]`.
    pub(crate) weights: PackedWeights,
    pub(crate) activation: Activation,
    /// Height, width and channels of the input.
    pub(crate) input: [usize; 3],
    /// Height, width and channels of the output.
    pub(crate) output: [usize; 3],
    pub(crate) kernel: [usize; 2],
    pub(crate) stride: [usize; 2],
    /// Rows and columns of zeros before the image.
    pub(crate) padding: [usize; 2],
}

impl QConv2d {
    /// Copies the patch of one output pixel, with zeros outside the image.
    fn gather(&self, from: &[f32], pixel: usize, to: &mut [f32]) {
        let [height, width, channels] = self.input;
        let [_, out_width, _] = self.output;
        let [_, kernel_width] = self.kernel;
        let (y, x) = (pixel / out_width, pixel % out_width);
        let left = x * self.stride[1];
        // Columns of the kernel that lie within the image.
        let first = self.padding[1].saturating_sub(left).min(kernel_width);
        let end = (width + self.padding[1])
            .saturating_sub(left)
            .clamp(first, kernel_width);
        for (tap, to) in to.chunks_exact_mut(kernel_width * channels).enumerate() {
            let row = (y * self.stride[0] + tap)
                .checked_sub(self.padding[0])
                .filter(|row| *row < height && first < end);
            let Some(row) = row else {
                to.fill(0.0);
                continue;
            };
            let (inside, right_zeros) = to.split_at_mut(end * channels);
            let (left_zeros, inside) = inside.split_at_mut(first * channels);
            left_zeros.fill(0.0);
            right_zeros.fill(0.0);
            let start = row * width + left + first - self.padding[1];
            inside.copy_from_slice(&from[start * channels..][..inside.len()]);
        }
    }
}

impl Compute for QConv2d {
    fn name(&self) -> &'static str {
        "QConv2d"
    }

    fn macs(&self) -> (DatumType, usize) {
        let [height, width, _] = self.output;
        (self.weights.operand_type(), height * width * self.weights.count())
    }

    fn eval(&self, inputs: &[&[f32]], to: &mut [f32], scratch: &mut Scratch) {
        let outputs = self.output[2];
        for (block, to) in to.chunks_mut(BLOCK_PIXELS * outputs).enumerate() {
            let pixels = to.len() / outputs;
            let patches = ActivationView {
                values: &[],
                layout: Layout::ChannelsLast,
                tokens: pixels,
                channels: self.kernel[0] * self.kernel[1] * self.input[2],
                prologue: Prologue::Gather(&|index, patch| {
                    self.gather(inputs[0], block * BLOCK_PIXELS + index, patch);
                }),
            };
            pack(self.weights.level(), patches, Operand::Rows, &mut scratch.packed);
            let epilogue = Epilogue::Activation(self.activation);
            qgemm(&self.weights, &mut scratch.packed, pixels, epilogue, to);
        }
    }
}

//! Runs dense convolutions in integers, with the channels of a pixel side by side: the pixels under a kernel are
//! gathered and then are the channels of a linear layer.

use tract_onnx::{
    prelude::{DatumType, TypedModel, TypedNode},
    tract_core::ops::cnn::{Conv, KernelFormat},
};

use crate::{
    kernel::{Activation, Before, Best, Finish, Order, View, Weights, pack, product},
    ops::depthwise::picture,
    ops::linear::eight_bits,
    ops::operator::{Compute, Scratch, constant, shape},
    passes::patterns::activation_behind,
};

/// Positions that are quantized and multiplied before the next ones: they stay in a near cache.
const BLOCK: usize = 64;

/// Longest side of a kernel.
const LONGEST: usize = 7;

/// A convolution, `[row][column][channel]` to the same.
#[derive(Debug)]
pub(crate) struct Patches {
    weights: Weights,
    activation: Activation,
    channels: usize,
    height: usize,
    width: usize,
    kernel: [usize; 2],
    stride: [usize; 2],
    /// Rows and columns of zeros before the picture.
    padding: [usize; 2],
    out_height: usize,
    out_width: usize,
    outputs: usize,
}

impl Patches {
    /// The convolution of this node, if its weights are of eight bits, and the last node that it stands for.
    pub(crate) fn find(model: &TypedModel, node: &TypedNode, isa: Best) -> Option<(Self, usize)> {
        let conv = node.op_as::<Conv>()?;
        let spec = &conv.pool_spec;
        let (channels, height, width) = picture(model, node, spec)?;
        let to = shape(model, node.id.into())?;
        let (outputs, out_height, out_width) = match to[..] {
            [.., height, width, channels] if spec.data_format.c_is_last() => (channels, height, width),
            [.., channels, height, width] => (channels, height, width),
            _ => return None,
        };
        let [rows, columns] = spec.kernel_shape[..] else {
            return None;
        };
        if conv.group != 1
            || conv.q_params.is_some()
            || conv.kernel_fmt != KernelFormat::OIHW
            || spec.dilations().iter().any(|dilation| *dilation != 1)
            || rows.max(columns) > LONGEST
        {
            return None;
        }
        let padding = spec.computed_padding(&[height, width]);
        let strides = spec.strides();
        let taps = rows * columns;
        let numbers = constant(model, *node.inputs.get(1)?)?;
        let bias = constant(model, *node.inputs.get(2)?)?;
        if numbers.len() != outputs * channels * taps || ![1, outputs].contains(&bias.len()) {
            return None;
        }
        // Channels innermost, as the pixels have them.
        let mut by_tap = Vec::with_capacity(numbers.len());
        for kernel in numbers.chunks_exact(channels * taps) {
            for tap in 0..taps {
                by_tap.extend((0..channels).map(|channel| kernel[channel * taps + tap]));
            }
        }
        let (mut bytes, mut scales) = (Vec::new(), Vec::new());
        eight_bits(&by_tap, by_tap.len() / outputs, &mut bytes, &mut scales)?;
        let bias: Vec<f32> = (0..outputs).map(|output| bias[output % bias.len()]).collect();
        let (activation, last) = activation_behind(model, node.id);
        let convolution = Self {
            weights: Weights::new(isa, Order::ChannelsInner, &bytes, &scales, &bias),
            activation,
            channels,
            height,
            width,
            kernel: [rows, columns],
            stride: [strides[0], strides[1]],
            padding: [padding[0].pad_before, padding[1].pad_before],
            out_height,
            out_width,
            outputs,
        };
        Some((convolution, last))
    }

    /// Height, width and channels of the result.
    pub(crate) fn result(&self) -> [usize; 3] {
        [self.out_height, self.out_width, self.outputs]
    }

    /// Copies the pixels under the kernel at one position of the result; zeros where there are none.
    fn gather(&self, from: &[f32], position: usize, to: &mut [f32]) {
        let (y, x) = (position / self.out_width, position % self.out_width);
        let row = self.kernel[1] * self.channels;
        let left = x * self.stride[1];
        // Columns of the kernel that lie inside the picture.
        let first = self.padding[1].saturating_sub(left).min(self.kernel[1]);
        let end = (self.width + self.padding[1])
            .saturating_sub(left)
            .clamp(first, self.kernel[1]);
        for (tap, to) in to.chunks_exact_mut(row).enumerate() {
            let line = (y * self.stride[0] + tap)
                .checked_sub(self.padding[0])
                .filter(|line| *line < self.height);
            let Some(line) = line.filter(|_| first < end) else {
                to.fill(0.0);
                continue;
            };
            let (inside, behind) = to.split_at_mut(end * self.channels);
            let (before, inside) = inside.split_at_mut(first * self.channels);
            before.fill(0.0);
            behind.fill(0.0);
            let start = line * self.width + left + first - self.padding[1];
            inside.copy_from_slice(&from[start * self.channels..][..inside.len()]);
        }
    }
}

impl Compute for Patches {
    const NAME: &'static str = "Patches";

    fn products(&self) -> (DatumType, usize) {
        let positions = self.out_height * self.out_width;
        (self.weights.factors(), positions * self.weights.count())
    }

    fn compute(&self, inputs: &[&[f32]], to: &mut [f32], scratch: &mut Scratch) {
        let size = self.kernel[0] * self.kernel[1] * self.channels;
        for (block, to) in to.chunks_mut(BLOCK * self.outputs).enumerate() {
            let positions = to.len() / self.outputs;
            let view = View {
                numbers: &[],
                order: Order::ChannelsInner,
                positions,
                channels: size,
                before: Before::Gathered(&|index, patch| {
                    self.gather(inputs[0], block * BLOCK + index, patch);
                }),
            };
            pack(self.weights.isa(), view, false, &mut scratch.packed);
            let finish = Finish::Activate(self.activation);
            product(&self.weights, &mut scratch.packed, positions, finish, to);
        }
    }
}

//! Matches convolutions and pools, and translates them to the operators of this crate.

use tract_onnx::{
    prelude::{TypedModel, TypedNode},
    tract_core::ops::{
        cnn::{Conv, Deconv, KernelFormat, MaxPool as TractMaxPool, PoolSpec, SumPool},
        nn::DataFormat,
    },
};

use super::{
    int8_weights::Int8Weights,
    patterns::{Value, match_activation},
};
use crate::{
    kernel::{Activation, FloatWeights, Layout, PackedWeights, SimdLevel},
    ops::{Depthwise, FloatConv, MAX_KERNEL, MaxPool, QConv2d, Upsample},
};

/// The depthwise convolution or average pooling of 3x3 pixels at this node, and the last node that it
/// replaces.
pub(super) fn match_depthwise(
    model: &TypedModel,
    node: &TypedNode,
    level: SimdLevel,
) -> Option<(Depthwise, usize)> {
    let (spec, weights, bias);
    if let Some(conv) = node.op_as::<Conv>() {
        spec = &conv.pool_spec;
        weights = Value::new(model, *node.inputs.get(1)?).constant()?;
        bias = Value::new(model, *node.inputs.get(2)?).constant()?;
        if conv.group != spec.input_channels
            || conv.q_params.is_some()
            || conv.kernel_fmt != KernelFormat::OIHW
        {
            return None;
        }
    } else {
        let pool = node.op_as::<SumPool>()?;
        spec = &pool.pool_spec;
        // If the padding is not counted, pixels at the edge have other divisors.
        let weight = match (pool.normalize, pool.count_include_pad) {
            (false, _) => 1.0,
            (true, true) => 1.0 / 9.0,
            (true, false) => return None,
        };
        weights = vec![weight; 9 * spec.input_channels];
        bias = vec![0.0];
    }
    let input = image(model, node, spec)?;
    let [height, width, channels] = input;
    let [stride @ (1 | 2), other] = spec.strides()[..] else {
        return None;
    };
    let padding = spec.computed_padding(&[height, width]);
    let results = Value::new(model, node.id).shape()?.iter().product::<usize>();
    if other != stride
        || spec.kernel_shape[..] != [3, 3]
        || spec.dilations().iter().any(|dilation| *dilation != 1)
        || padding[0].pad_before != padding[1].pad_before
        || results != channels * height.div_ceil(stride) * width.div_ceil(stride)
    {
        return None;
    }
    let (activation, last) = match_activation(model, node.id);
    let strides = [stride, padding[0].pad_before];
    let convolution = Depthwise::new(level, &weights, &bias, activation, input, strides)?;
    Some((convolution, last))
}

/// A dense convolution, regardless of the arithmetic.
pub(super) struct DenseConv {
    /// `[output][kernel row][kernel column][channel]`
    weights: Vec<f32>,
    bias: Vec<f32>,
    activation: Activation,
    input: [usize; 3],
    /// Height, width and channels of the result.
    pub(super) output: [usize; 3],
    kernel: [usize; 2],
    stride: [usize; 2],
    padding: [usize; 2],
}

impl DenseConv {
    /// In int8, if the weights are int8.
    pub(super) fn to_int8(&self, level: SimdLevel) -> Option<QConv2d> {
        let [rows, columns] = self.kernel;
        let mut int8 = Int8Weights::default();
        int8.append(&self.weights, rows * columns * self.input[2])?;
        Some(QConv2d {
            weights: PackedWeights::new(level, Layout::ChannelsLast, &int8.bytes, &int8.scales, &self.bias),
            activation: self.activation,
            input: self.input,
            output: self.output,
            kernel: self.kernel,
            stride: self.stride,
            padding: self.padding,
        })
    }

    /// In floats.
    pub(super) fn to_floats(&self, level: SimdLevel, input_layout: Layout) -> FloatConv {
        FloatConv {
            weights: FloatWeights::new(level, &self.weights, &self.bias),
            activation: self.activation,
            input_layout,
            input: self.input,
            output: self.output,
            kernel: self.kernel,
            stride: self.stride,
            padding: self.padding,
        }
    }
}

/// The dense convolution at this node, and the last node that it replaces.
pub(super) fn match_dense(model: &TypedModel, node: &TypedNode) -> Option<(DenseConv, usize)> {
    let conv = node.op_as::<Conv>()?;
    let spec = &conv.pool_spec;
    let input = image(model, node, spec)?;
    let [height, width, channels] = input;
    let output = match Value::new(model, node.id).shape()?[..] {
        [.., height, width, channels] if spec.data_format.c_is_last() => [height, width, channels],
        [.., channels, height, width] => [height, width, channels],
        _ => return None,
    };
    let [.., outputs] = output;
    let [rows, columns] = spec.kernel_shape[..] else {
        return None;
    };
    if conv.group != 1
        || conv.q_params.is_some()
        || conv.kernel_fmt != KernelFormat::OIHW
        || spec.dilations().iter().any(|dilation| *dilation != 1)
        || rows.max(columns) > MAX_KERNEL
    {
        return None;
    }
    let taps = rows * columns;
    let weights = Value::new(model, *node.inputs.get(1)?).constant()?;
    let bias = Value::new(model, *node.inputs.get(2)?).constant()?;
    if weights.len() != outputs * channels * taps || ![1, outputs].contains(&bias.len()) {
        return None;
    }
    // `[output][channel][tap]` to `[output][tap][channel]`
    let mut by_tap = Vec::with_capacity(weights.len());
    for kernel in weights.chunks_exact(channels * taps) {
        for tap in 0..taps {
            by_tap.extend((0..channels).map(|channel| kernel[channel * taps + tap]));
        }
    }
    let padding = spec.computed_padding(&[height, width]);
    let strides = spec.strides();
    let (activation, last) = match_activation(model, node.id);
    let convolution = DenseConv {
        weights: by_tap,
        bias: (0..outputs).map(|output| bias[output % bias.len()]).collect(),
        activation,
        input,
        output,
        kernel: [rows, columns],
        stride: [strides[0], strides[1]],
        padding: [padding[0].pad_before, padding[1].pad_before],
    };
    Some((convolution, last))
}

/// The maximum over 2x2 pixels at this node.
pub(super) fn match_max_pool(model: &TypedModel, node: &TypedNode, level: SimdLevel) -> Option<MaxPool> {
    let pool = node.op_as::<TractMaxPool>()?;
    let spec = &pool.pool_spec;
    let [height, width, channels] = image(model, node, spec)?;
    let padding = spec.computed_padding(&[height, width]);
    let is_half = spec.kernel_shape[..] == [2, 2]
        && spec.strides()[..] == [2, 2]
        && spec.dilations()[..] == [1, 1]
        && padding
            .iter()
            .all(|axis| axis.pad_before == 0 && axis.pad_after == 0)
        && height.is_multiple_of(2)
        && width.is_multiple_of(2);
    (is_half && pool.with_index_outputs.is_none()).then_some(MaxPool {
        level,
        output: [height / 2, width / 2, channels],
    })
}

/// The transposed convolution of 2x2 pixels at this node, if its kernels do not overlap, and the last node
/// that it replaces.
pub(super) fn match_upsample(
    model: &TypedModel,
    node: &TypedNode,
    level: SimdLevel,
) -> Option<(Upsample, usize)> {
    let deconv = node.op_as::<Deconv>()?;
    let spec = &deconv.pool_spec;
    let [height, width, channels] = image(model, node, spec)?;
    let shape = Value::new(model, node.id).shape()?;
    if deconv.group != 1
        || deconv.kernel_format != KernelFormat::OIHW
        || spec.kernel_shape[..] != [2, 2]
        || spec.strides()[..] != [2, 2]
        || spec.dilations()[..] != [1, 1]
        || shape.iter().product::<usize>() != spec.output_channels * height * width * 4
    {
        return None;
    }
    let weights = Value::new(model, *node.inputs.get(1)?).constant()?;
    let bias = Value::new(model, *node.inputs.get(2)?).constant()?;
    let outputs = spec.output_channels;
    if weights.len() != outputs * channels * 4 || ![1, outputs].contains(&bias.len()) {
        return None;
    }
    let bias: Vec<f32> = (0..2 * outputs)
        .map(|output| bias[output % outputs % bias.len()])
        .collect();
    let (activation, last) = match_activation(model, node.id);
    let row = |row: usize| {
        let mut by_column = Vec::with_capacity(2 * outputs * channels);
        for column in 0..2 {
            for kernels in weights.chunks_exact(channels * 4) {
                by_column.extend(kernels.chunks_exact(4).map(|taps| taps[row * 2 + column]));
            }
        }
        FloatWeights::new(level, &by_column, &bias)
    };
    let upsample = Upsample {
        weights: [row(0), row(1)],
        activation,
        input: [height, width, channels],
        outputs,
    };
    Some((upsample, last))
}

/// Height, width and channels of the single f32 image that a node reads.
fn image(model: &TypedModel, node: &TypedNode, spec: &PoolSpec) -> Option<[usize; 3]> {
    let input = Value::new(model, node.inputs[0]);
    // On ARM, tract's declutter makes some convolutions channels-last.
    let image = match (spec.data_format, &input.shape()?[..]) {
        (DataFormat::NCHW, &[1, channels, height, width])
        | (DataFormat::CHW, &[channels, height, width])
        | (DataFormat::NHWC, &[1, height, width, channels])
        | (DataFormat::HWC, &[height, width, channels]) => [height, width, channels],
        _ => return None,
    };
    input.is_f32().then_some(image)
}

//! Matches convolutions and pools, and translates them to the operators of this crate.

use tract_onnx::{
    prelude::{TypedModel, TypedNode},
    tract_core::ops::{
        cnn::{Conv, KernelFormat, PoolSpec, SumPool},
        nn::DataFormat,
    },
};

use super::{
    int8_weights::Int8Weights,
    patterns::{Value, match_activation},
};
use crate::{
    kernel::{Layout, PackedWeights, SimdLevel},
    ops::{Depthwise, QConv2d},
};

/// Longest side of a dense kernel.
const MAX_KERNEL: usize = 7;

/// The depthwise convolution or average pooling of 3x3 pixels at this node, and the last node that it stands
/// for.
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
        // Without the padding, pixels at the edge have other divisors.
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
        || padding.iter().any(|axis| axis.pad_before != 1)
        || results != channels * height.div_ceil(stride) * width.div_ceil(stride)
    {
        return None;
    }
    let (activation, last) = match_activation(model, node.id);
    let convolution = Depthwise::new(level, &weights, &bias, activation, input, stride)?;
    Some((convolution, last))
}

/// The dense convolution at this node, if its weights are int8, and the last node that it stands for.
pub(super) fn match_qconv2d(
    model: &TypedModel,
    node: &TypedNode,
    level: SimdLevel,
) -> Option<(QConv2d, usize)> {
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
    let mut int8 = Int8Weights::default();
    int8.append(&by_tap, channels * taps)?;
    let bias: Vec<f32> = (0..outputs).map(|output| bias[output % bias.len()]).collect();
    let padding = spec.computed_padding(&[height, width]);
    let strides = spec.strides();
    let (activation, last) = match_activation(model, node.id);
    let convolution = QConv2d {
        weights: PackedWeights::new(level, Layout::ChannelsLast, &int8.bytes, &int8.scales, &bias),
        activation,
        input,
        output,
        kernel: [rows, columns],
        stride: [strides[0], strides[1]],
        padding: [padding[0].pad_before, padding[1].pad_before],
    };
    Some((convolution, last))
}

/// Height, width and channels of the one f32 image that a node reads.
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

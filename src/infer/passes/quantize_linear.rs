//! Computes linear layers in int8, if the file has their weights in int8.
//!
//! Fully connected layers and convolutions of 1x1 pixels are both an einsum with constant weights.
//! Activations are quantized per token at run time, which needs no calibration.
//!
//! A layer of a single token (squeeze-and-excitation, the head) costs almost nothing and strongly affects the
//! result, so it gets two-byte activations, or stays in floats if the instruction set has none. With one
//! byte, these layers caused three quarters of the error of a network of CAGE's shape.

use tract_onnx::prelude::{TVec, TractResult, TypedModel, TypedNode, tvec};

use super::{
    Context, Pass,
    einsum_axes::{match_bias, match_matmul},
    int8_weights::Int8Weights,
    patterns::{
        Value, match_activation, match_channel_scale, match_layer_norm, match_move_to_channels_last,
        match_residual, skip_reshapes,
    },
    rewrite::{Match, replace_all},
};
use crate::{
    kernel::{Activation, Layout, PackedWeights, SimdLevel},
    ops::{QLinear, TractOp},
};

/// Products with fewer weights are no faster in int8.
const MIN_WEIGHTS: usize = 64;

/// Replaces each einsum with int8 weights, and fuses what surrounds it.
pub(super) struct QuantizeLinear;

impl Pass for QuantizeLinear {
    fn name(&self) -> &'static str {
        "quantize linear layers"
    }

    fn run(&self, model: &mut TypedModel, context: &Context) -> TractResult<usize> {
        if !context.int8 {
            return Ok(0);
        }
        replace_all(model, |model, node| find(model, node, context.level))
    }
}

/// The layer that begins with this einsum.
fn find(model: &TypedModel, node: &TypedNode, level: SimdLevel) -> Option<Match<QLinear>> {
    let (source, axes, weights) = match_matmul(model, node)?;
    if axes.inputs * axes.outputs < MIN_WEIGHTS {
        return None;
    }
    let tokens: usize = source.shape()?.iter().product::<usize>() / axes.inputs;
    let level = if tokens == 1 { level.int16()? } else { level };
    let mut int8 = Int8Weights::default();
    int8.bytes.reserve(axes.inputs * axes.outputs);
    axes.gather(&weights, |rows| int8.append(rows, axes.inputs))?;

    let (last, bias) = match_bias(model, node, &axes).unwrap_or_else(|| (node.id, vec![0.0; axes.outputs]));
    let (activation, mut last) = match_activation(model, skip_reshapes(model, last));
    let mut output_layout = axes.output_layout;
    if output_layout == Layout::ChannelsFirst
        && let Some(moved) = match_move_to_channels_last(model, last, axes.outputs)
    {
        (output_layout, last) = (Layout::ChannelsLast, moved);
    }

    let (mut norm, mut factors) = (None, None);
    let mut inputs: TVec<_> = tvec!(source.outlet);
    if axes.input_layout == Layout::ChannelsLast {
        if let Some((found, source)) = match_layer_norm(source, axes.inputs) {
            norm = Some(found);
            inputs[0] = source;
        } else if let Some((source, outlet)) = match_channel_scale(source, axes.inputs) {
            factors = Some(outlet);
            inputs[0] = source;
        }
    }
    inputs.extend(factors);
    if activation == Activation::Identity
        && let Some((sum, residual)) = match_residual(model, last)
    {
        inputs.push(residual);
        last = sum;
    }

    let layer = QLinear {
        weights: PackedWeights::new(level, output_layout, &int8.bytes, &int8.scales, &bias),
        norm,
        scaled: factors.is_some(),
        activation,
        input_layout: axes.input_layout,
        tokens,
        channels: axes.inputs,
        outputs: axes.outputs,
    };
    Some(Match {
        op: TractOp::new(layer, Value::new(model, last).shape()?),
        inputs,
        last,
    })
}

#[cfg(test)]
#[path = "quantize_linear_tests.rs"]
mod tests;

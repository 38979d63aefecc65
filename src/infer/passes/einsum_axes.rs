//! The roles of the axes of an einsum with constant weights, and its bias.

use std::sync::Arc;

use tract_onnx::{
    prelude::{TVec, Tensor, TypedModel, TypedNode},
    tract_core::ops::{einsum::EinSum, math::Add},
};

use super::patterns::{Value, skip_reshapes};
use crate::kernel::Layout;

/// An einsum as a matrix product of tokens and weights.
pub(super) struct MatMulAxes {
    pub(super) input_layout: Layout,
    pub(super) output_layout: Layout,
    /// Input channels.
    pub(super) inputs: usize,
    /// Output channels.
    pub(super) outputs: usize,
    /// The axes of the weights: those of outputs, then those of inputs, in the order of the activations.
    weight_axes: TVec<WeightAxis>,
}

struct WeightAxis {
    position: usize,
    length: usize,
}

/// An axis shared by two of the three tensors, with its positions in them.
struct SharedAxis {
    /// In the activations or the result.
    outer: usize,
    /// In the weights; for an axis of tokens, in the result.
    other: usize,
}

impl MatMulAxes {
    /// `None` if the einsum is not such a product, or its channels are neither first nor last.
    pub(super) fn of(
        einsum: &EinSum,
        input: usize,
        from: &[usize],
        weights: &[usize],
        to: &[usize],
    ) -> Option<Self> {
        let (mut tokens, mut inputs, mut outputs) = (vec![], vec![], vec![]);
        for axis in einsum.axes.iter_all_axes() {
            // Axes of length 1 may be anywhere.
            let position = |positions: &TVec<usize>, shape: &[usize]| match positions[..] {
                [] => Some(None),
                [position] => Some((shape[position] > 1).then_some(position)),
                _ => None,
            };
            let positions = (
                position(&axis.inputs[input], from)?,
                position(&axis.inputs[1 - input], weights)?,
                position(&axis.outputs[0], to)?,
            );
            match positions {
                (None, None, None) => (),
                (Some(outer), None, Some(other)) => tokens.push(SharedAxis { outer, other }),
                (Some(outer), Some(other), None) => inputs.push(SharedAxis { outer, other }),
                (None, Some(other), Some(outer)) => outputs.push(SharedAxis { outer, other }),
                _ => return None,
            }
        }
        for axes in [&mut tokens, &mut inputs, &mut outputs] {
            axes.sort_unstable_by_key(|axis| axis.outer);
        }
        if inputs.is_empty() || !tokens.is_sorted_by_key(|axis| axis.other) {
            return None;
        }
        let axes: TVec<WeightAxis> = outputs
            .iter()
            .chain(&inputs)
            .map(|axis| WeightAxis {
                position: axis.other,
                length: weights[axis.other],
            })
            .collect();
        let channels = |axes: &[WeightAxis]| axes.iter().map(|axis| axis.length).product::<usize>();
        let (output_axes, input_axes) = axes.split_at(outputs.len());
        let (output_channels, input_channels) = (channels(output_axes), channels(input_axes));
        Some(Self {
            input_layout: layout(&inputs, tokens.iter().map(|axis| axis.outer))?,
            // A single output is both first and last.
            output_layout: match outputs[..] {
                [] => Layout::ChannelsLast,
                _ => layout(&outputs, tokens.iter().map(|axis| axis.other))?,
            },
            inputs: input_channels,
            outputs: output_channels,
            weight_axes: axes,
        })
    }

    /// Calls `each` with the weights as `[output][input]`, some outputs at a time.
    pub(super) fn gather(&self, weights: &Tensor, mut each: impl FnMut(&[f32]) -> Option<()>) -> Option<()> {
        // Weights of this many adjacent outputs often share a cache line.
        const OUTPUTS: usize = 16;
        let values = weights.try_as_plain_ram().ok()?.as_slice::<f32>().ok()?;
        let strides = weights.strides();
        let (last, others) = self.weight_axes.split_last()?;
        let mut starts = vec![0];
        for axis in others {
            let stride = strides[axis.position].cast_unsigned();
            starts = starts
                .iter()
                .flat_map(|start| (0..axis.length).map(move |index| start + index * stride))
                .collect();
        }
        // Offsets only for runs along the last axis, because some layers have millions of weights.
        let length = last.length;
        let stride = strides[last.position].cast_unsigned();
        let runs = OUTPUTS * self.inputs / length;
        let mut gathered = vec![0.0; runs * length];
        for starts in starts.chunks(runs) {
            let gathered = &mut gathered[..starts.len() * length];
            if stride == 1 {
                for (start, run) in starts.iter().zip(gathered.chunks_exact_mut(length)) {
                    run.copy_from_slice(values.get(*start..)?.get(..length)?);
                }
            } else {
                for index in 0..length {
                    for (start, run) in starts.iter().zip(gathered.chunks_exact_mut(length)) {
                        run[index] = *values.get(start + index * stride)?;
                    }
                }
            }
            each(gathered)?;
        }
        Some(())
    }
}

/// The activations, axes and weights of an einsum with one constant operand.
pub(super) fn match_matmul<'m>(
    model: &'m TypedModel,
    node: &'m TypedNode,
) -> Option<(Value<'m>, MatMulAxes, Arc<Tensor>)> {
    let einsum = node.op_as::<EinSum>()?;
    let [a, b] = node.inputs[..] else {
        return None;
    };
    let (a, b) = (Value::new(model, a), Value::new(model, b));
    let (input, source, weights) = match (a.tensor(), b.tensor()) {
        (None, Some(weights)) => (0, a, weights),
        (Some(weights), None) => (1, b, weights),
        _ => return None,
    };
    if einsum.q_params.is_some() || !source.is_f32() {
        return None;
    }
    let to_shape = Value::new(model, node.id).shape()?;
    let axes = MatMulAxes::of(einsum, input, &source.shape()?, weights.shape(), &to_shape)?;
    Some((source, axes, weights))
}

/// The bias that is added to a matrix product, if the addition is its only reader, and the adding node.
pub(super) fn match_bias(
    model: &TypedModel,
    node: &TypedNode,
    axes: &MatMulAxes,
) -> Option<(usize, Vec<f32>)> {
    let product = Value::new(model, skip_reshapes(model, node.id));
    let next = model.single_succ(product.outlet.node).ok()??;
    let sum = Value::new(model, next.id);
    let operands = sum.operands::<Add>()?;
    let shape = product.shape()?;
    if sum.shape()? != shape {
        return None;
    }
    let other = operands
        .into_iter()
        .find(|operand| operand.outlet.node != product.outlet.node)?;
    let bias = other.constant()?;
    // Reshapes may split or merge axes, but the channel axis stays outermost or innermost.
    let axis = match axes.output_layout {
        Layout::ChannelsLast => shape.iter().rposition(|length| *length > 1)?,
        Layout::ChannelsFirst => shape.iter().position(|length| *length > 1)?,
    };
    let expected = (0..shape.len()).map(|at| if at == axis { axes.outputs } else { 1 });
    (other.shape()?.iter().copied().eq(expected)).then_some((next.id, bias))
}

/// Where the channel axes are in a tensor with tokens at these positions; `None` if they are in between.
fn layout(channels: &[SharedAxis], tokens: impl Iterator<Item = usize>) -> Option<Layout> {
    let (first, last) = (channels.first()?.outer, channels.last()?.outer);
    let (mut before, mut after) = (true, true);
    for token in tokens {
        before &= token < first;
        after &= token > last;
    }
    match (before, after) {
        (true, _) => Some(Layout::ChannelsLast),
        (_, true) => Some(Layout::ChannelsFirst),
        _ => None,
    }
}

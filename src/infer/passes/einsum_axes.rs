//! What the axes of an einsum with constant weights are for.

use tract_onnx::{
    prelude::{TVec, Tensor},
    tract_core::ops::einsum::EinSum,
};

use crate::kernel::Layout;

/// Products with fewer weights gain nothing in int8.
const MIN_WEIGHTS: usize = 64;

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

/// An axis that two of the three tensors have, by its positions in them.
struct SharedAxis {
    /// In the activations or the result.
    outer: usize,
    /// In the weights; for an axis of tokens, in the result.
    other: usize,
}

impl MatMulAxes {
    /// `None` if the einsum is no such product, or its channels are neither first nor last.
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
        if inputs.is_empty() || outputs.is_empty() || !tokens.is_sorted_by_key(|axis| axis.other) {
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
        if input_channels * output_channels < MIN_WEIGHTS {
            return None;
        }
        Some(Self {
            input_layout: layout(&inputs, tokens.iter().map(|axis| axis.outer))?,
            output_layout: layout(&outputs, tokens.iter().map(|axis| axis.other))?,
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
        // Offsets for runs along the last axis only: some layers have millions of weights.
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

/// Where the channels' axes are, in a tensor with tokens at these positions; `None` if in between.
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

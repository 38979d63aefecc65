//! What the axes of a product with constant weights are for.

use tract_onnx::{
    prelude::{TVec, Tensor},
    tract_core::ops::einsum::EinSum,
};

use crate::kernel::Order;

/// A product below this many weights gains nothing in integers.
const MIN_WEIGHTS: usize = 64;

/// What the axes of a product are for.
pub(crate) struct Roles {
    pub(crate) from: Order,
    pub(crate) to: Order,
    pub(crate) inputs: usize,
    pub(crate) outputs: usize,
    /// Length and position in the weights of each axis of outputs, then of inputs, as the activations order
    /// them.
    weight_axes: TVec<(usize, usize)>,
}

impl Roles {
    /// None where the product is no linear layer, or an axis lies elsewhere than at either end.
    pub(crate) fn of(
        product: &EinSum,
        input: usize,
        from: &[usize],
        weights: &[usize],
        to: &[usize],
    ) -> Option<Self> {
        let (mut positions, mut inputs, mut outputs) = (vec![], vec![], vec![]);
        for axis in product.axes.iter_all_axes() {
            let at = |places: &TVec<usize>, shape: &[usize]| match places[..] {
                [] => Some(None),
                // Axes of one element are in nobody's way.
                [place] => Some((shape[place] > 1).then_some(place)),
                _ => None,
            };
            let places = (
                at(&axis.inputs[input], from)?,
                at(&axis.inputs[1 - input], weights)?,
                at(&axis.outputs[0], to)?,
            );
            match places {
                (None, None, None) => (),
                (Some(from), None, Some(to)) => positions.push((from, to)),
                (Some(from), Some(weight), None) => inputs.push((from, weight)),
                (None, Some(weight), Some(to)) => outputs.push((to, weight)),
                _ => return None,
            }
        }
        positions.sort_unstable();
        inputs.sort_unstable();
        outputs.sort_unstable();
        if inputs.is_empty() || outputs.is_empty() || !positions.is_sorted_by_key(|(_, to)| *to) {
            return None;
        }
        let order = |channels: &[(usize, usize)], positions: &mut dyn Iterator<Item = usize>| {
            let (first, last) = (channels[0].0, channels[channels.len() - 1].0);
            let (mut before, mut behind) = (true, true);
            for position in positions {
                before &= position < first;
                behind &= position > last;
            }
            match (before, behind) {
                (true, _) => Some(Order::ChannelsInner),
                (_, true) => Some(Order::PositionsInner),
                _ => None,
            }
        };
        let length = |axes: &[(usize, usize)]| axes.iter().map(|(_, axis)| weights[*axis]).product::<usize>();
        let (input_count, output_count) = (length(&inputs), length(&outputs));
        if input_count * output_count < MIN_WEIGHTS {
            return None;
        }
        Some(Self {
            from: order(&inputs, &mut positions.iter().map(|(from, _)| *from))?,
            to: order(&outputs, &mut positions.iter().map(|(_, to)| *to))?,
            inputs: input_count,
            outputs: output_count,
            weight_axes: outputs
                .iter()
                .chain(&inputs)
                .map(|(_, axis)| (weights[*axis], *axis))
                .collect(),
        })
    }

    /// Hands out the weights as `[output][input]`, some outputs at a time.
    pub(crate) fn gather(&self, weights: &Tensor, mut each: impl FnMut(&[f32]) -> Option<()>) -> Option<()> {
        // Weights of so many outputs often lie in one line of the cache.
        const OUTPUTS: usize = 16;
        let numbers = weights.try_as_plain_ram().ok()?.as_slice::<f32>().ok()?;
        let strides = weights.strides();
        let (last, others) = self.weight_axes.split_last()?;
        let mut starts = vec![0];
        for (length, axis) in others {
            let stride = strides[*axis].cast_unsigned();
            starts = starts
                .iter()
                .flat_map(|start| (0..*length).map(move |index| start + index * stride))
                .collect();
        }
        // No offset for each weight: some layers have millions.
        let (length, axis) = *last;
        let stride = strides[axis].cast_unsigned();
        let rows = OUTPUTS * self.inputs / length;
        let mut gathered = vec![0.0; rows * length];
        for starts in starts.chunks(rows) {
            let gathered = &mut gathered[..starts.len() * length];
            if stride == 1 {
                for (start, row) in starts.iter().zip(gathered.chunks_exact_mut(length)) {
                    row.copy_from_slice(numbers.get(*start..)?.get(..length)?);
                }
            } else {
                for index in 0..length {
                    for (start, row) in starts.iter().zip(gathered.chunks_exact_mut(length)) {
                        row[index] = *numbers.get(start + index * stride)?;
                    }
                }
            }
            each(gathered)?;
        }
        Some(())
    }
}

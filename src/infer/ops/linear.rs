//! Runs linear layers in integers, where the file holds their weights as eight-bit integers.
//!
//! Fully connected layers and convolutions of one pixel are both an `EinSum` with a constant factor. tract has
//! folded that constant to floats; whether it came from eight bits shows, as each output's weights are then
//! whole multiples of a 127th of the largest, or of a somewhat greater part. Other weights stay as they are, and so does their layer. As small
//! weights made by hand look the same, the caller says whether a network is to come here at all.
//!
//! Activations are quantized as they come, with a scale and an offset for each position (token or pixel), so
//! that no calibration is needed and one bright pixel costs no other its accuracy. A layer of a single position (squeeze
//! and excitation, the head) takes no time and decides much: it gets the steps of two bytes, or stays in floats where
//! the instruction set has none. With 256 steps, those layers had three quarters of the error of a network of CAGE's shape.

use std::ops::RangeInclusive;

use tract_onnx::{
    prelude::{Datum, DatumType, OutletId, TVec, TractResult, TypedModel, TypedNode, tvec},
    tract_core::ops::einsum::EinSum,
};

use crate::{
    kernel::{
        Activation, Before, Best, Finish, Normalisation, Order, Packed, View, Weights, invert, pack, product,
    },
    ops::operator::{Compute, Operator, Scratch, replace, shape},
    passes::einsum_axes::Roles,
    passes::patterns::{
        activation_behind, behind_shapes, bias, channels_put_last, factors_before, normalisation_before,
        residual_behind,
    },
};

/// Positions that are quantized and multiplied before the next ones: they stay in a near cache.
const BLOCK: usize = 256;

/// A linear layer in integers, with what stands before and behind it. Its inputs are the activations, then the
/// factors, then the residual, as far as it has them.
#[derive(Debug)]
pub(crate) struct Linear {
    weights: Weights,
    /// Before it.
    normalisation: Option<Normalisation>,
    /// Whether a factor for each channel comes in.
    scaled: bool,
    activation: Activation,
    from: Order,
    positions: usize,
    channels: usize,
    outputs: usize,
}

/// A layer of a model: what it reads, and the last node that it stands for.
struct Found {
    layer: Operator<Linear>,
    inputs: TVec<OutletId>,
    last: usize,
}

/// Replaces every linear layer with eight-bit weights of a decluttered model; returns how many.
pub(crate) fn multiply_integers(model: &mut TypedModel, isa: Best) -> TractResult<usize> {
    let mut replaced = 0;
    for node in 0..model.nodes().len() {
        if let Some(found) = find(model, model.node(node), isa) {
            replace(model, found.last, &found.inputs, found.layer)?;
            replaced += 1;
        }
    }
    Ok(replaced)
}

/// The layer that begins with this node.
fn find(model: &TypedModel, node: &TypedNode, isa: Best) -> Option<Found> {
    let product = node.op_as::<EinSum>()?;
    let [a, b] = node.inputs[..] else {
        return None;
    };
    let factor = |outlet| model.outlet_fact(outlet).ok()?.konst.clone();
    let (input, factor) = match (factor(a), factor(b)) {
        (None, Some(factor)) => (0, factor),
        (Some(factor), None) => (1, factor),
        _ => return None,
    };
    let source = node.inputs[input];
    let from_shape = shape(model, source)?;
    let to_shape = shape(model, node.id.into())?;
    if product.q_params.is_some() || model.outlet_fact(source).ok()?.datum_type != f32::datum_type() {
        return None;
    }
    let roles = Roles::of(product, input, &from_shape, factor.shape(), &to_shape)?;
    let positions: usize = from_shape.iter().product::<usize>() / roles.inputs;
    let isa = if positions == 1 { isa.precise()? } else { isa };
    let (mut bytes, mut scales) = (Vec::with_capacity(roles.inputs * roles.outputs), Vec::new());
    roles.gather(&factor, |rows| {
        eight_bits(rows, roles.inputs, &mut bytes, &mut scales)
    })?;
    let (last, bias) = bias(model, node, &roles).unwrap_or_else(|| (node.id, vec![0.0; roles.outputs]));
    // A shape between the two is nothing to the numbers.
    let (activation, last) = activation_behind(model, behind_shapes(model, last));
    let (to, last) = match channels_put_last(model, last, roles.outputs) {
        Some(moved) if roles.to == Order::PositionsInner => (Order::ChannelsInner, moved),
        _ => (roles.to, last),
    };
    let weights = Weights::new(isa, to, &bytes, &scales, &bias);
    let (mut normalisation, mut factors) = (None, None);
    let mut inputs: TVec<OutletId> = tvec!(source);
    if roles.from == Order::ChannelsInner {
        if let Some((found, source)) = normalisation_before(model, source, roles.inputs) {
            normalisation = Some(found);
            inputs[0] = source;
        } else if let Some((source, outlet)) = factors_before(model, source, roles.inputs) {
            factors = Some(outlet);
            inputs[0] = source;
        }
    }
    inputs.extend(factors);
    let mut last = last;
    if activation == Activation::Identity
        && let Some((id, outlet)) = residual_behind(model, last)
    {
        inputs.push(outlet);
        last = id;
    }
    let layer = Linear {
        weights,
        normalisation,
        scaled: factors.is_some(),
        activation,
        from: roles.from,
        positions,
        channels: roles.inputs,
        outputs: roles.outputs,
    };
    let to_shape = shape(model, last.into())?;
    Some(Found {
        layer: Operator::new(layer, to_shape),
        inputs,
        last,
    })
}

/// Steps from nothing to an output's largest weight in files that `models/tools/quantize.py` writes: fewer than 127 where two
/// neighbours of one sign would add up to more than 128.
const STEPS: RangeInclusive<u8> = 64..=127;

/// Far above what rounding in f32 adds, far below what would pass by chance.
const TOLERANCE: f32 = 1e-3;

/// Weights that are tried before all others.
const FIRST: usize = 8;

/// Adding 1.5 * 2^23 rounds to a whole number, which then stands in the low bits.
const ROUND: f32 = 12_582_912.0;

/// Appends the bytes and the scale of each output's weights, if all weights are whole multiples of the latter.
pub(crate) fn eight_bits(
    weights: &[f32],
    inputs: usize,
    bytes: &mut Vec<i8>,
    scales: &mut Vec<f32>,
) -> Option<()> {
    for row in weights.chunks_exact(inputs) {
        // The bits of what is not negative are ordered as the numbers are.
        let largest = row
            .iter()
            .fold(0, |largest, weight| weight.abs().to_bits().max(largest));
        let largest = f32::from_bits(largest);
        // The fewest where several will do, as for weights that are all alike: their pairs are smaller.
        let steps = STEPS
            .map(f32::from)
            .find(|steps| in_steps(row, invert(largest, *steps), bytes))?;
        scales.push(largest / steps);
    }
    Some(())
}

/// Whether all weights of an output are whole, multiplied with this; their bytes are then appended.
fn in_steps(row: &[f32], inverse: f32, bytes: &mut Vec<i8>) -> bool {
    // What is no number is no step either.
    let is_whole = |weight: &f32| {
        let steps = weight * inverse;
        (steps - ((steps + ROUND) - ROUND)).abs() <= TOLERANCE
    };
    // Most often the first ones tell.
    if !row.iter().take(FIRST).all(is_whole) {
        return false;
    }
    // Without a way out, so that the compiler vectorises it: some networks have 30 million weights.
    if !row.iter().fold(true, |whole, weight| whole & is_whole(weight)) {
        return false;
    }
    bytes.extend(
        row.iter()
            .map(|weight| (weight * inverse + ROUND).to_bits() as i8),
    );
    true
}

impl Compute for Linear {
    const NAME: &'static str = "Linear";

    fn products(&self) -> (DatumType, usize) {
        (self.weights.factors(), self.positions * self.weights.count())
    }

    fn compute(&self, inputs: &[&[f32]], to: &mut [f32], scratch: &mut Scratch) {
        let block = if self.is_by_position() {
            BLOCK
        } else {
            self.positions
        };
        for (index, to) in to.chunks_mut(block * self.outputs).enumerate() {
            self.some(inputs, index * block, to, &mut scratch.packed);
        }
    }
}

impl Linear {
    /// How the activations are ordered, and the results.
    pub(crate) fn orders(&self) -> [Order; 2] {
        [self.from, self.weights.order()]
    }

    /// The input that is added to the result, of so many inputs.
    pub(crate) fn added(&self, inputs: usize) -> Option<usize> {
        let others = 1 + usize::from(self.scaled);
        (inputs > others).then_some(others)
    }

    /// The same with the channels of the activations innermost, or those of the result, or both; they were outermost.
    pub(crate) fn channels_inner(&self, from: bool, to: bool) -> Self {
        Self {
            weights: if to {
                self.weights.channels_inner()
            } else {
                self.weights.clone()
            },
            normalisation: self.normalisation.clone(),
            from: if from { Order::ChannelsInner } else { self.from },
            ..*self
        }
    }

    /// Positions and outputs.
    pub(crate) fn result(&self) -> [usize; 2] {
        [self.positions, self.outputs]
    }

    /// Whether the numbers of a position are neighbours, before it and behind, so that [`Self::some`] need not be all.
    pub(crate) fn is_by_position(&self) -> bool {
        self.orders() == [Order::ChannelsInner; 2]
    }

    /// Computes some positions, from the one at `first` on.
    pub(crate) fn some(&self, inputs: &[&[f32]], first: usize, to: &mut [f32], packed: &mut Packed) {
        let mut further = inputs[1..].iter().copied();
        let before = match &self.normalisation {
            Some(normalisation) => Before::Normalised(normalisation),
            None if self.scaled => further.next().map_or(Before::Nothing, Before::Scaled),
            None => Before::Nothing,
        };
        let positions = to.len() / self.outputs;
        let view = View {
            numbers: &inputs[0][first * self.channels..][..positions * self.channels],
            order: self.from,
            positions,
            channels: self.channels,
            before,
        };
        pack(self.weights.isa(), view, self.weights.wants_lanes(), packed);
        let finish = match further.next() {
            Some(residual) => Finish::Add(&residual[first * self.outputs..][..to.len()]),
            None => Finish::Activate(self.activation),
        };
        product(&self.weights, packed, positions, finish, to);
    }
}

#[cfg(test)]
#[path = "linear_tests.rs"]
mod tests;

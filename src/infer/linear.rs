//! Runs linear layers in integers, where the file holds their weights as eight-bit integers.
//!
//! Fully connected layers and convolutions of one pixel are both an `EinSum` with a constant factor. tract has
//! folded that constant to floats; whether it came from eight bits shows, as each output's weights are then
//! whole multiples of a 127th of the largest. Other weights stay as they are, and so does their layer. As small
//! weights made by hand look the same, the caller says whether a network is to come here at all.
//!
//! Activations are quantized as they come, with a scale and an offset for each position (token or pixel), so
//! that no calibration is needed and one bright pixel costs no other its accuracy.

use tract_onnx::{
    prelude::{
        Datum, DatumType, TVec, Tensor, TractResult, TypedModel, TypedModelPatch, TypedNode,
    },
    tract_core::ops::{
        binary::TypedBinOp,
        einsum::EinSum,
        element_wise::ElementWiseOp,
        math::Add,
        nn::{GeluApproximate, GeluExact},
    },
};

use super::{
    kernel::{Activation, Best, Order, View, Weights, pack, product},
    operator::{Compute, Operator, Scratch},
};

/// A product below this many weights gains nothing.
const MIN_WEIGHTS: usize = 64;

/// A linear layer in integers.
#[derive(Debug)]
struct Linear {
    weights: Weights,
    activation: Activation,
    from: Order,
    positions: usize,
    channels: usize,
}

/// Replaces every linear layer with eight-bit weights of a decluttered model; returns how many.
pub(super) fn multiply_integers(model: &mut TypedModel, isa: Best) -> TractResult<usize> {
    let mut replaced = 0;
    // A patch leaves the ids of other nodes as they are, and adds new ones at the end.
    for node in 0..model.nodes().len() {
        if let Some((linear, input, last)) = find(model, model.node(node), isa) {
            let mut patch = TypedModelPatch::default();
            let input = patch.tap_model(model, model.node(node).inputs[input])?;
            let name = format!("{}.int8", model.node(last).name);
            let output = patch.wire_node(name, linear, &[input])?;
            patch.shunt_outside(model, last.into(), output[0])?;
            patch.apply(model)?;
            replaced += 1;
        }
    }
    Ok(replaced)
}

/// The layer that begins with this node, which of the node's inputs it reads, and its last node.
fn find(model: &TypedModel, node: &TypedNode, isa: Best) -> Option<(Operator<Linear>, usize, usize)> {
    let product = node.op_as::<EinSum>()?;
    let [a, b] = node.inputs[..] else {
        return None;
    };
    let constant = |outlet| model.outlet_fact(outlet).ok()?.konst.clone();
    let (input, factor) = match (constant(a), constant(b)) {
        (None, Some(factor)) => (0, factor),
        (Some(factor), None) => (1, factor),
        _ => return None,
    };
    let shape = |outlet| {
        model
            .outlet_fact(outlet)
            .ok()?
            .shape
            .as_concrete()
            .map(TVec::from)
    };
    let from_shape = shape(node.inputs[input])?;
    let to_shape = shape(node.id.into())?;
    if product.q_params.is_some()
        || model.outlet_fact(node.inputs[input]).ok()?.datum_type != f32::datum_type()
    {
        return None;
    }
    let roles = Roles::of(product, input, &from_shape, factor.shape(), &to_shape)?;
    let (bytes, scales) = eight_bits(&roles.gather(&factor)?, roles.outputs)?;
    let positions: usize = from_shape.iter().product::<usize>() / roles.inputs;
    let mut weights = Weights::new(isa, roles.to, &bytes, &scales, &vec![0.0; roles.outputs]);

    let mut last = node.id;
    if let Some((id, bias)) = bias(model, node, &to_shape, &roles) {
        weights.set_bias(&bias);
        last = id;
    }
    let (activation, last) = activation_behind(model, last);
    let linear = Linear {
        weights,
        activation,
        from: roles.from,
        positions,
        channels: roles.inputs,
    };
    Some((Operator::new(linear, to_shape), input, last))
}

/// The activation that is all that follows a node, and its node; else nothing and the node itself.
pub(super) fn activation_behind(model: &TypedModel, node: usize) -> (Activation, usize) {
    if let Ok(Some(next)) = model.single_succ(node)
        && let Some(ElementWiseOp(op, _)) = next.op_as::<ElementWiseOp>()
    {
        if op
            .downcast_ref::<GeluApproximate>()
            .is_some_and(|gelu| !gelu.fast_impl)
        {
            return (Activation::GeluTanh, next.id);
        }
        if op.downcast_ref::<GeluExact>().is_some() {
            return (Activation::GeluErf, next.id);
        }
    }
    (Activation::Identity, node)
}

/// The constant of one number an output that is added next, and the node that does so.
fn bias(model: &TypedModel, node: &TypedNode, shape: &[usize], roles: &Roles) -> Option<(usize, Vec<f32>)> {
    let next = model.single_succ(node.id).ok()??;
    next.op_as::<TypedBinOp>()?.0.downcast_ref::<Add>()?;
    let fact = &next.outputs[0].fact;
    if fact.shape.as_concrete()? != shape {
        return None;
    }
    let other = next.inputs.iter().find(|input| input.node != node.id)?;
    let constant = model.outlet_fact(*other).ok()?.konst.clone()?;
    let expected = (0..shape.len()).map(|axis| {
        if axis == roles.output_axis? {
            Some(shape[axis])
        } else {
            Some(1)
        }
    });
    if !expected.eq(constant.shape().iter().copied().map(Some)) {
        return None;
    }
    let bias = constant.try_as_plain_ram().ok()?.as_slice::<f32>().ok()?.to_vec();
    Some((next.id, bias))
}

/// What the axes of a product are for.
struct Roles {
    from: Order,
    to: Order,
    inputs: usize,
    outputs: usize,
    /// Length and position in the weights of each axis of outputs, then of inputs, as the activations order
    /// them.
    weight_axes: TVec<(usize, usize)>,
    /// The axis of outputs in the result, if there is but one.
    output_axis: Option<usize>,
}

impl Roles {
    /// None where the product is no linear layer, or an axis lies elsewhere than at either end.
    fn of(product: &EinSum, input: usize, from: &[usize], weights: &[usize], to: &[usize]) -> Option<Self> {
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
            output_axis: match outputs[..] {
                [(axis, _)] => Some(axis),
                _ => None,
            },
            weight_axes: outputs
                .iter()
                .chain(&inputs)
                .map(|(_, axis)| (weights[*axis], *axis))
                .collect(),
        })
    }

    /// The weights as `[output][input]`.
    fn gather(&self, weights: &Tensor) -> Option<Vec<f32>> {
        let numbers = weights.try_as_plain_ram().ok()?.as_slice::<f32>().ok()?;
        let strides = weights.strides();
        let mut offsets = vec![0];
        for (length, axis) in &self.weight_axes {
            let stride = strides[*axis].cast_unsigned();
            offsets = offsets
                .iter()
                .flat_map(|start| (0..*length).map(move |index| start + index * stride))
                .collect();
        }
        Some(offsets.into_iter().map(|offset| numbers[offset]).collect())
    }
}

/// The bytes and the scale of each output, if all weights are whole multiples of the latter.
fn eight_bits(weights: &[f32], outputs: usize) -> Option<(Vec<i8>, Vec<f32>)> {
    // Far above what rounding in f32 adds, far below what would pass by chance.
    const TOLERANCE: f32 = 1e-3;
    let mut bytes = Vec::with_capacity(weights.len());
    let mut scales = Vec::with_capacity(outputs);
    for row in weights.chunks_exact(weights.len() / outputs) {
        let scale = row
            .iter()
            .fold(0.0, |largest: f32, weight| largest.max(weight.abs()))
            / 127.0;
        let inverse = if scale > 0.0 { scale.recip() } else { 0.0 };
        for weight in row {
            let steps = weight * inverse;
            let whole = steps.round();
            // What is no number is no step either.
            if steps.is_nan() || (steps - whole).abs() > TOLERANCE {
                return None;
            }
            bytes.push(whole as i8);
        }
        scales.push(scale);
    }
    Some((bytes, scales))
}

impl Compute for Linear {
    const NAME: &'static str = "Linear";

    fn products(&self) -> (DatumType, usize) {
        (DatumType::I8, self.positions * self.weights.count())
    }

    fn compute(&self, inputs: &[&[f32]], to: &mut [f32], scratch: &mut Scratch) {
        let view = View {
            numbers: inputs[0],
            order: self.from,
            positions: self.positions,
            channels: self.channels,
        };
        let packed = &mut scratch.packed;
        pack(self.weights.isa(), view, self.weights.wants_lanes(), packed);
        product(&self.weights, packed, self.positions, self.activation, to);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use tract_onnx::{
        prelude::{DatumExt, IntoRunnable, IntoTValue, IntoTensor},
        tract_core::ops::nn::gelu_exact::gelu_exact,
        tract_hir::internal::SpecialOps,
    };

    use super::*;

    fn noise(count: usize, step: f32) -> Vec<f32> {
        (0..count).map(|n| (n as f32 * step).sin()).collect()
    }

    /// A layer of this expression, `bias` and GELU; the weights are whole steps of a scale of their output, or
    /// else any number.
    fn layer(
        expression: &str,
        from: &[usize],
        weights: &[usize],
        bias: &[usize],
        in_steps: bool,
    ) -> TypedModel {
        let mut model = TypedModel::default();
        let source = model.add_source("source", f32::fact(from)).unwrap();
        let numbers = noise(weights.iter().product(), 0.7);
        let outputs = bias.iter().product::<usize>();
        let inputs = numbers.len() / outputs;
        let outputs_first = weights[0] == outputs;
        let numbers: Vec<f32> = numbers
            .iter()
            .enumerate()
            .map(|(at, number)| {
                let (output, input) = if outputs_first {
                    (at / inputs, at % inputs)
                } else {
                    (at % outputs, at / outputs)
                };
                let scale = 0.01 + output as f32 * 0.003;
                match (in_steps, input) {
                    (false, _) => *number,
                    (true, 0) => 127.0 * scale,
                    (true, _) => (number * 127.0).round() * scale,
                }
            })
            .collect();
        let weights = Tensor::from_shape(weights, &numbers).unwrap();
        let weights = model.add_const("weights", weights).unwrap();
        let product = EinSum::new(expression.parse().unwrap(), f32::datum_type());
        let product = model.wire_node("product", product, &[source, weights]).unwrap();
        let constant = Tensor::from_shape(bias, &noise(outputs, 1.3)).unwrap();
        let constant = model.add_const("bias", constant).unwrap();
        let sum = tract_onnx::tract_core::ops::math::add();
        let sum = model.wire_node("sum", sum, &[product[0], constant]).unwrap();
        let last = model.wire_node("gelu", gelu_exact(), &sum).unwrap();
        model.select_output_outlets(&last).unwrap();
        model
    }

    fn run(model: TypedModel, shape: &[usize]) -> Tensor {
        let input = Tensor::from_shape(shape, &noise(shape.iter().product(), 0.37)).unwrap();
        let mut outputs = model
            .into_runnable()
            .unwrap()
            .run(tvec!(input.into_tvalue()))
            .unwrap();
        outputs.remove(0).into_tensor()
    }

    type Shape = &'static [usize];

    /// Tokens, pixels, either into the other, one vector, and heads that are joined.
    const LAYERS: [(&str, Shape, Shape, Shape); 6] = [
        ("amk,kn->amn", &[4, 9, 48], &[48, 33], &[1, 1, 33]),
        ("NIHW,OI->OHW", &[1, 30, 5, 7], &[21, 30], &[21, 1, 1]),
        ("IHW,OI->HWO", &[30, 5, 7], &[21, 30], &[1, 1, 21]),
        ("HWI,OI->OHW", &[5, 7, 30], &[21, 30], &[21, 1, 1]),
        ("IHW,OI->O", &[192, 1, 1], &[12, 192], &[12]),
        ("ambk,bkn->amn", &[4, 9, 3, 16], &[3, 16, 20], &[1, 1, 20]),
    ];

    #[test]
    fn every_kind_of_layer_gives_nearly_the_same_in_integers() {
        for (expression, from, weights, bias) in LAYERS {
            for isa in Best::all() {
                let mut changed = layer(expression, from, weights, bias, true);
                assert_eq!(multiply_integers(&mut changed, isa).unwrap(), 1, "{expression}");
                let changed = changed.into_optimized().unwrap();
                assert!(
                    !changed
                        .nodes()
                        .iter()
                        .any(|node| node.op_is::<EinSum>() || node.op_is::<TypedBinOp>())
                );
                let expected = run(layer(expression, from, weights, bias, true), from);
                let found = run(changed, from);
                assert_eq!(found.shape(), expected.shape(), "{expression}");
                let numbers = |tensor: &Tensor| {
                    tensor
                        .try_as_plain_ram()
                        .unwrap()
                        .as_slice::<f32>()
                        .unwrap()
                        .to_vec()
                };
                let (expected, found) = (numbers(&expected), numbers(&found));
                let squares = |numbers: &mut dyn Iterator<Item = f32>| numbers.map(|x| x * x).sum::<f32>();
                let error = squares(&mut expected.iter().zip(&found).map(|(a, b)| a - b));
                let error = (error / squares(&mut expected.iter().copied())).sqrt();
                assert!(error < 0.06, "{expression} {isa:?}: {error}");
            }
        }
    }

    #[test]
    fn weights_of_more_than_eight_bits_stay() {
        for (expression, from, weights, bias) in LAYERS {
            let mut model = layer(expression, from, weights, bias, false);
            assert_eq!(
                multiply_integers(&mut model, Best::detect()).unwrap(),
                0,
                "{expression}"
            );
        }
    }
}

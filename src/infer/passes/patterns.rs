//! What stands before and behind a layer for it alone, and can become part of it.

use tract_onnx::{
    prelude::{OutletId, TypedModel, TypedNode},
    tract_core::ops::{
        binary::{BinMiniOp, TypedBinOp},
        change_axes::AxisOp,
        element_wise::ElementWiseOp,
        math::{Add, Max, Mul, Sub},
        nn::{GeluApproximate, GeluExact, Reduce, Reducer, RmsNorm},
    },
};

use crate::{
    kernel::{Activation, Normalisation, Order},
    ops::operator::{constant, shape},
    passes::einsum_axes::Roles,
};

/// The node of this outlet as a binary operator of this kind that nothing but one node reads, and its two inputs.
fn only<B: BinMiniOp>(model: &TypedModel, outlet: OutletId) -> Option<[OutletId; 2]> {
    let node = model.node(outlet.node);
    node.op_as::<TypedBinOp>()?.0.downcast_ref::<B>()?;
    model.single_succ(node.id).ok()??;
    node.inputs[..].try_into().ok()
}

/// The same where one of the inputs is constant, a number for each channel: those and the other input.
fn only_with_channels<B: BinMiniOp>(
    model: &TypedModel,
    outlet: OutletId,
    channels: usize,
) -> Option<(Vec<f32>, OutletId)> {
    let [a, b] = only::<B>(model, outlet)?;
    let by_channel = |outlet| {
        let last = *shape(model, outlet)?.last()?;
        constant(model, outlet).filter(|numbers| numbers.len() == channels && last == channels)
    };
    match (by_channel(a), by_channel(b)) {
        (Some(numbers), None) => Some((numbers, b)),
        (None, Some(numbers)) => Some((numbers, a)),
        _ => None,
    }
}

/// The layer normalisation that nothing else reads, and what it reads.
pub(crate) fn normalisation_before(
    model: &TypedModel,
    outlet: OutletId,
    channels: usize,
) -> Option<(Normalisation, OutletId)> {
    let (shift, outlet) = only_with_channels::<Add>(model, outlet, channels)?;
    let (gain, outlet) = only_with_channels::<Mul>(model, outlet, channels)?;
    let node = model.node(outlet.node);
    let norm = node.op_as::<RmsNorm>()?;
    model.single_succ(node.id).ok()??;
    let dimensions = shape(model, outlet)?;
    let last = dimensions.len() - 1;
    let [source, mean] = only::<Sub>(model, node.inputs[0])?;
    let [a, b] = only::<Mul>(model, mean)?;
    let (sum, share) = match (constant(model, a), constant(model, b)) {
        (Some(share), None) => (b, share),
        (None, Some(share)) => (a, share),
        _ => return None,
    };
    let reduce = model.node(sum.node);
    let is_sum = reduce
        .op_as::<Reduce>()
        .is_some_and(|op| op.reducer == Reducer::Sum && op.axes[..] == [last]);
    model.single_succ(reduce.id).ok()??;
    let is_mean = share.len() == 1 && (share[0] * channels as f32 - 1.0).abs() < 1e-5;
    if norm.axis != last || dimensions[last] != channels || !is_sum || !is_mean || reduce.inputs[0] != source
    {
        return None;
    }
    let epsilon = norm.eps.cast_to::<f32>().ok()?;
    let epsilon = *epsilon.try_as_plain_ram().ok()?.as_slice::<f32>().ok()?.first()?;
    Some((Normalisation { gain, shift, epsilon }, source))
}

/// What is multiplied with a factor for each channel for nothing else, and these factors.
pub(crate) fn factors_before(
    model: &TypedModel,
    outlet: OutletId,
    channels: usize,
) -> Option<(OutletId, OutletId)> {
    let [a, b] = only::<Mul>(model, outlet)?;
    let whole = shape(model, outlet)?;
    let is_whole = |outlet| shape(model, outlet) == Some(whole.clone());
    let is_factors = |outlet| {
        let shape = shape(model, outlet);
        shape.is_some_and(|shape| {
            shape.last() == Some(&channels) && shape.iter().product::<usize>() == channels
        })
    };
    if whole.last() != Some(&channels) || whole.iter().product::<usize>() == channels {
        return None;
    }
    match (is_whole(a) && is_factors(b), is_whole(b) && is_factors(a)) {
        (true, _) => Some((a, b)),
        (_, true) => Some((b, a)),
        _ => None,
    }
}

/// The sum with something of the same shape that is all that follows a node, and that something.
pub(crate) fn residual_behind(model: &TypedModel, node: usize) -> Option<(usize, OutletId)> {
    let next = model.single_succ(node).ok()??;
    next.op_as::<TypedBinOp>()?.0.downcast_ref::<Add>()?;
    let other = *next.inputs.iter().find(|input| input.node != node)?;
    let here = shape(model, node.into())?;
    let fact = model.outlet_fact(other).ok()?;
    (fact.konst.is_none() && shape(model, other)? == here && shape(model, next.id.into())? == here)
        .then_some((next.id, other))
}

/// The activation that is all that follows a node, and its node; else nothing and the node itself.
pub(crate) fn activation_behind(model: &TypedModel, node: usize) -> (Activation, usize) {
    let Ok(Some(next)) = model.single_succ(node) else {
        return (Activation::Identity, node);
    };
    if let Some(op) = next.op_as::<TypedBinOp>()
        && op.0.downcast_ref::<Max>().is_some()
        && let Some(other) = next.inputs.iter().find(|input| input.node != node)
        && constant(model, *other).is_some_and(|numbers| numbers.iter().all(|number| *number == 0.0))
        && shape(model, next.id.into()) == shape(model, node.into())
    {
        return (Activation::Relu, next.id);
    }
    if let Some(ElementWiseOp(op, _)) = next.op_as::<ElementWiseOp>() {
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

/// The node that moves so many channels from outermost to innermost, if that is all that follows.
pub(crate) fn channels_put_last(model: &TypedModel, node: usize, channels: usize) -> Option<usize> {
    let next = model.single_succ(node).ok()??;
    let AxisOp::Move(from, to) = *next.op_as::<AxisOp>()? else {
        return None;
    };
    let here = shape(model, node.into())?;
    let is_outermost = here[..from].iter().all(|length| *length == 1);
    (is_outermost && here[from] == channels && to + 1 == here.len()).then_some(next.id)
}

/// The node behind which nothing but the shape is another.
pub(crate) fn behind_shapes(model: &TypedModel, node: usize) -> usize {
    match model.single_succ(node) {
        Ok(Some(next)) => match next.op_as::<AxisOp>() {
            Some(AxisOp::Add(_) | AxisOp::Rm(_) | AxisOp::Reshape(..)) => behind_shapes(model, next.id),
            _ => node,
        },
        _ => node,
    }
}

/// The constant of one number an output that is added next, and the node that does so.
pub(crate) fn bias(model: &TypedModel, node: &TypedNode, roles: &Roles) -> Option<(usize, Vec<f32>)> {
    let before = behind_shapes(model, node.id);
    let next = model.single_succ(before).ok()??;
    next.op_as::<TypedBinOp>()?.0.downcast_ref::<Add>()?;
    let here = shape(model, before.into())?;
    if shape(model, next.id.into())? != here {
        return None;
    }
    let other = *next.inputs.iter().find(|input| input.node != before)?;
    let numbers = constant(model, other)?;
    // At their end outputs can be told, whatever the shape.
    let axis = match roles.to {
        Order::ChannelsInner => here.iter().rposition(|length| *length > 1)?,
        Order::PositionsInner => here.iter().position(|length| *length > 1)?,
    };
    let expected = (0..here.len()).map(|at| if at == axis { roles.outputs } else { 1 });
    (shape(model, other)?.iter().copied().eq(expected)).then_some((next.id, numbers))
}

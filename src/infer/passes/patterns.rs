//! Matches parts of a graph.
//!
//! A [`Value`] walks against the data flow; the `match_*` functions find what can be fused into an operator
//! before or after it.

use std::sync::Arc;

use tract_onnx::{
    prelude::{Datum, Op, OutletId, TVec, Tensor, TypedModel, TypedNode},
    tract_core::ops::{
        binary::{BinMiniOp, TypedBinOp},
        change_axes::AxisOp,
        element_wise::ElementWiseOp,
        math::{Add, Max, Mul, Sub},
        nn::{GeluApproximate, GeluExact, Reduce, Reducer, RmsNorm},
    },
};

use crate::kernel::{Activation, LayerNorm};

/// A value in a graph: the output of a node.
#[derive(Clone, Copy)]
pub(super) struct Value<'m> {
    model: &'m TypedModel,
    pub(super) outlet: OutletId,
}

impl PartialEq for Value<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.outlet == other.outlet
    }
}

impl<'m> Value<'m> {
    pub(super) fn new(model: &'m TypedModel, outlet: impl Into<OutletId>) -> Self {
        let outlet = outlet.into();
        Self { model, outlet }
    }

    /// The node that produces it.
    pub(super) fn node(self) -> &'m TypedNode {
        self.model.node(self.outlet.node)
    }

    /// The operator of that node, if it has this type.
    pub(super) fn op<O: Op>(self) -> Option<&'m O> {
        self.node().op_as::<O>()
    }

    /// An input of that node.
    pub(super) fn input(self, index: usize) -> Option<Self> {
        let outlet = *self.node().inputs.get(index)?;
        Some(Self { outlet, ..self })
    }

    /// This value, if a single node reads it.
    pub(super) fn single_use(self) -> Option<Self> {
        self.model.single_succ(self.outlet.node).ok()??;
        Some(self)
    }

    /// Its dimensions, if they are fixed.
    pub(super) fn shape(self) -> Option<TVec<usize>> {
        let fact = self.model.outlet_fact(self.outlet).ok()?;
        fact.shape.as_concrete().map(TVec::from)
    }

    pub(super) fn is_f32(self) -> bool {
        let fact = self.model.outlet_fact(self.outlet);
        fact.is_ok_and(|fact| fact.datum_type == f32::datum_type())
    }

    /// The tensor, if the value is constant.
    pub(super) fn tensor(self) -> Option<Arc<Tensor>> {
        self.model.outlet_fact(self.outlet).ok()?.konst.clone()
    }

    /// Its elements, if they are constant floats.
    pub(super) fn constant(self) -> Option<Vec<f32>> {
        let tensor = self.tensor()?;
        Some(tensor.try_as_plain_ram().ok()?.as_slice::<f32>().ok()?.to_vec())
    }

    /// Both operands of the binary operator that produces it.
    pub(super) fn operands<B: BinMiniOp>(self) -> Option<[Self; 2]> {
        self.op::<TypedBinOp>()?.0.downcast_ref::<B>()?;
        Some([self.input(0)?, self.input(1)?])
    }

    /// The constant float operand of that operator, and the other operand, which is not one.
    pub(super) fn constant_operand<B: BinMiniOp>(self) -> Option<(Vec<f32>, Self)> {
        let [a, b] = self.operands::<B>()?;
        match (a.constant(), b.constant()) {
            (Some(constant), None) => Some((constant, b)),
            (None, Some(constant)) => Some((constant, a)),
            _ => None,
        }
    }

    /// As [`Value::constant_operand`], where the constant has one element for each channel and channels are
    /// last.
    fn channel_operand<B: BinMiniOp>(self, channels: usize) -> Option<(Vec<f32>, Self)> {
        let [a, b] = self.operands::<B>()?;
        let by_channel = |value: Self| {
            let last = *value.shape()?.last()?;
            value
                .constant()
                .filter(|constant| constant.len() == channels && last == channels)
        };
        match (by_channel(a), by_channel(b)) {
            (Some(constant), None) => Some((constant, b)),
            (None, Some(constant)) => Some((constant, a)),
            _ => None,
        }
    }

    /// What this value was before its axis `from` was moved to `to`.
    pub(super) fn before_move(self, from: usize, to: usize) -> Option<Self> {
        let is_move = *self.op::<AxisOp>()? == AxisOp::Move(from, to);
        self.input(0).filter(|_| is_move)
    }
}

/// The layer normalization that produces a value for a single reader, and its input: `(x - mean) * rms * gain
/// + bias`, as tract simplifies it.
pub(super) fn match_layer_norm(value: Value<'_>, channels: usize) -> Option<(LayerNorm, OutletId)> {
    let (bias, value) = value.single_use()?.channel_operand::<Add>(channels)?;
    let (gain, value) = value.single_use()?.channel_operand::<Mul>(channels)?;
    let norm = value.single_use()?.op::<RmsNorm>()?;
    let shape = value.shape()?;
    let last = shape.len() - 1;
    let [source, mean] = value.input(0)?.single_use()?.operands::<Sub>()?;
    let (per_channel, sum) = mean.single_use()?.constant_operand::<Mul>()?;
    let reduce = sum.single_use()?.op::<Reduce>()?;
    let is_sum = reduce.reducer == Reducer::Sum && reduce.axes[..] == [last];
    let is_mean = per_channel.len() == 1 && (per_channel[0] * channels as f32 - 1.0).abs() < 1e-5;
    if norm.axis != last || shape[last] != channels || !is_sum || !is_mean || sum.input(0)? != source {
        return None;
    }
    let epsilon = norm.eps.cast_to::<f32>().ok()?;
    let epsilon = *epsilon.try_as_plain_ram().ok()?.as_slice::<f32>().ok()?.first()?;
    Some((LayerNorm { gain, bias, epsilon }, source.outlet))
}

/// The multiplication by one factor per channel that produces a value for a single reader: its input and the
/// factors.
pub(super) fn match_channel_scale(value: Value<'_>, channels: usize) -> Option<(OutletId, OutletId)> {
    let [a, b] = value.single_use()?.operands::<Mul>()?;
    let shape = value.shape()?;
    let is_whole = |value: Value<'_>| value.shape().as_ref() == Some(&shape);
    let is_factors = |value: Value<'_>| {
        value.shape().is_some_and(|shape| {
            shape.last() == Some(&channels) && shape.iter().product::<usize>() == channels
        })
    };
    if shape.last() != Some(&channels) || shape.iter().product::<usize>() == channels {
        return None;
    }
    match (is_whole(a) && is_factors(b), is_whole(b) && is_factors(a)) {
        (true, _) => Some((a.outlet, b.outlet)),
        (_, true) => Some((b.outlet, a.outlet)),
        _ => None,
    }
}

/// The addition of another value of the same shape, if it is the only reader of a node: the adding node and
/// that value.
pub(super) fn match_residual(model: &TypedModel, node: usize) -> Option<(usize, OutletId)> {
    let next = model.single_succ(node).ok()??;
    let sum = Value::new(model, next.id);
    let operands = sum.operands::<Add>()?;
    let other = operands.into_iter().find(|operand| operand.outlet.node != node)?;
    let shape = Value::new(model, node).shape()?;
    let fits = other.tensor().is_none() && other.shape()? == shape && sum.shape()? == shape;
    fits.then_some((next.id, other.outlet))
}

/// The activation that is the only reader of a node, and its node; else the identity and the node itself.
pub(super) fn match_activation(model: &TypedModel, node: usize) -> (Activation, usize) {
    let Ok(Some(next)) = model.single_succ(node) else {
        return (Activation::Identity, node);
    };
    let result = Value::new(model, next.id);
    if let Some((constant, _)) = result.constant_operand::<Max>()
        && constant.iter().all(|value| *value == 0.0)
        && result.shape() == Value::new(model, node).shape()
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

/// The node that moves the channels from first to last, if it is the only reader of a node.
pub(super) fn match_move_to_channels_last(model: &TypedModel, node: usize, channels: usize) -> Option<usize> {
    let next = model.single_succ(node).ok()??;
    let AxisOp::Move(from, to) = *next.op_as::<AxisOp>()? else {
        return None;
    };
    let shape = Value::new(model, node).shape()?;
    let is_first = shape[..from].iter().all(|length| *length == 1);
    (is_first && shape[from] == channels && to + 1 == shape.len()).then_some(next.id)
}

/// The last of the nodes after this one that change only the shape, each of which is read only by the next.
pub(super) fn skip_reshapes(model: &TypedModel, node: usize) -> usize {
    match model.single_succ(node) {
        Ok(Some(next)) => match next.op_as::<AxisOp>() {
            Some(AxisOp::Add(_) | AxisOp::Rm(_) | AxisOp::Reshape(..)) => skip_reshapes(model, next.id),
            _ => node,
        },
        _ => node,
    }
}

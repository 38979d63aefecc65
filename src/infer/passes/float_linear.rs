//! Computes linear layers in floats, where integers are not available or not allowed.
//!
//! tract would compute the same as a product for which it packs both operands, with separate operators for
//! bias, activation and residual.

use std::sync::Arc;

use tract_onnx::{
    prelude::{OutletId, TractResult, TypedModel, TypedNode, tvec},
    tract_core::ops::array::{Pad, PadMode},
};

use super::{
    Context, Pass,
    einsum_axes::{match_bias, match_matmul},
    patterns::{Value, match_activation, match_move_to_channels_last, match_residual, skip_reshapes},
    rewrite::{Match, replace_all},
};
use crate::{
    kernel::{FloatWeights, Layout, SimdLevel},
    ops::{FloatLinear, TractOp},
};

/// Replaces each einsum with constant weights, and fuses what follows it.
pub(super) struct FloatLinears;

impl Pass for FloatLinears {
    fn name(&self) -> &'static str {
        "float linear layers"
    }

    fn run(&self, model: &mut TypedModel, context: &Context) -> TractResult<usize> {
        replace_all(model, |model, node| find(model, node, context.level))
    }
}

/// The layer that begins with this einsum.
fn find(model: &TypedModel, node: &TypedNode, level: SimdLevel) -> Option<Match<FloatLinear>> {
    let (source, axes, weights) = match_matmul(model, node)?;
    let tokens = source.shape()?.iter().product::<usize>() / axes.inputs;
    let mut rows = Vec::with_capacity(axes.inputs * axes.outputs);
    axes.gather(&weights, |some| {
        rows.extend_from_slice(some);
        Some(())
    })?;
    let (last, bias) = match_bias(model, node, &axes).unwrap_or_else(|| (node.id, vec![0.0; axes.outputs]));
    let mut last = skip_reshapes(model, last);
    let mut output_layout = axes.output_layout;
    let mut inputs = tvec!(source.outlet);
    let mut residual = None;
    if let Some((sum, outlet)) = match_residual(model, last) {
        let other = Value::new(model, outlet);
        let narrow = (output_layout == Layout::ChannelsLast)
            .then(|| match_padded_channels(other))
            .flatten();
        let (outlet, channels) = narrow.unwrap_or((outlet, axes.outputs));
        residual = Some(channels);
        inputs.push(outlet);
        last = sum;
    }
    let (activation, mut last) = match_activation(model, last);
    if residual.is_none()
        && output_layout == Layout::ChannelsFirst
        && let Some(moved) = match_move_to_channels_last(model, skip_reshapes(model, last), axes.outputs)
    {
        (output_layout, last) = (Layout::ChannelsLast, moved);
    }
    let layer = FloatLinear {
        weights: Arc::new(FloatWeights::new(level, &rows, &bias)),
        activation,
        tokens,
        residual,
        input_layout: axes.input_layout,
        output_layout,
    };
    Some(Match {
        op: TractOp::new(layer, Value::new(model, last).shape()?),
        inputs,
        last,
    })
}

/// For a value with a zero-padded last axis and a single reader: the value before padding, and the length of
/// its last axis.
fn match_padded_channels(value: Value<'_>) -> Option<(OutletId, usize)> {
    let pad = value.single_use()?.op::<Pad>()?;
    let PadMode::Constant(constant) = &pad.mode else {
        return None;
    };
    let ((first, _), others) = pad.pads.split_last()?;
    if *first > 0 || others.iter().any(|pads| *pads != (0, 0)) || !constant.is_zero().ok()? {
        return None;
    }
    let narrow = value.input(0)?;
    Some((narrow.outlet, *narrow.shape()?.last()?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use tract_onnx::{
        prelude::{Datum as _, DatumExt as _},
        tract_core::ops::{array::Slice, einsum::EinSum, math, nn::gelu_approximate::gelu_approximate},
        tract_hir::internal::SpecialOps as _,
    };

    use super::*;
    use crate::testing::{apply_at, assert_near, noise, run};

    /// What follows a product of 24 outputs.
    #[derive(Clone, Copy, PartialEq)]
    enum After {
        Nothing,
        Gelu,
        /// A residual of this number of channels, then ReLU.
        Residual(usize),
    }

    fn model(expression: &str, from: &[usize], after: After) -> TypedModel {
        let mut model = TypedModel::default();
        let source = model.add_source("source", f32::fact(from)).unwrap();
        let weights = model.add_const("weights", noise(&[24, 12], 0.7, 1.0)).unwrap();
        let product = EinSum::new(expression.parse().unwrap(), f32::datum_type());
        let mut last = model.wire_node("product", product, &[source, weights]).unwrap();
        let shape = model
            .outlet_fact(last[0])
            .unwrap()
            .shape
            .as_concrete()
            .unwrap()
            .to_vec();
        let is_first = shape[0] == 24;
        let bias = noise(if is_first { &[24, 1, 1] } else { &[1, 1, 24] }, 1.3, 1.0);
        let bias = model.add_const("bias", bias).unwrap();
        last = model.wire_node("sum", math::add(), &[last[0], bias]).unwrap();
        match after {
            After::Nothing => (),
            After::Gelu => last = model.wire_node("gelu", gelu_approximate(false), &last).unwrap(),
            After::Residual(channels) => {
                let mut narrow = shape;
                narrow[if is_first { 0 } else { 2 }] = channels;
                // Computed, because a constant is not matched as a residual.
                let zero = model.add_const("zero", noise(&[1, 1, 1], 0.0, 0.0)).unwrap();
                let scaled = model.wire_node("scaled", math::mul(), &[source, zero]).unwrap()[0];
                let first = model.wire_node("first", Slice::new(0, 0, 1), &[scaled]).unwrap()[0];
                let second = model.wire_node("second", Slice::new(1, 0, 1), &[first]).unwrap()[0];
                let one = model.wire_node("one", Slice::new(2, 0, 1), &[second]).unwrap()[0];
                let constant = model.add_const("constant", noise(&narrow, 0.9, 2.0)).unwrap();
                let mut residual = model
                    .wire_node("residual", math::add(), &[constant, one])
                    .unwrap()[0];
                if channels < 24 {
                    let pad = Pad::new(vec![(0, 0), (0, 0), (0, 24 - channels)], PadMode::default());
                    residual = model.wire_node("pad", pad, &[residual]).unwrap()[0];
                }
                last = model
                    .wire_node("added", math::add(), &[residual, last[0]])
                    .unwrap();
                let zeros = model.add_const("zeros", noise(&[1, 1, 1], 0.0, 0.0)).unwrap();
                last = model.wire_node("relu", math::max(), &[last[0], zeros]).unwrap();
            }
        }
        model.select_output_outlets(&last).unwrap();
        model
    }

    #[test]
    fn layers_of_any_layout_compute_the_same() {
        for (expression, from) in [
            ("HWI,OI->HWO", [7, 40, 12]),
            ("HWI,OI->OHW", [7, 40, 12]),
            ("IHW,OI->OHW", [12, 7, 40]),
            ("IHW,OI->HWO", [12, 7, 40]),
            ("HWI,OI->HWO", [1, 1, 12]),
        ] {
            for after in [
                After::Nothing,
                After::Gelu,
                After::Residual(24),
                After::Residual(17),
            ] {
                let is_first = expression.ends_with("OHW");
                if is_first && after == After::Residual(17) {
                    continue;
                }
                let before = model(expression, &from, after);
                let input = noise(&from, 0.37, 1.0);
                for level in SimdLevel::all_supported() {
                    let mut rewritten = before.clone();
                    assert_eq!(apply_at(&FloatLinears, &mut rewritten, level), 1, "{expression}");
                    let is_left = |node: &TypedNode| node.op_is::<EinSum>() || node.name == "added";
                    assert!(
                        !rewritten
                            .nodes()
                            .iter()
                            .any(|node| is_left(node) && !node.outputs[0].successors.is_empty())
                    );
                    assert_near(&run(rewritten, &input), &run(before.clone(), &input), 1e-5, level);
                }
            }
        }
    }

    #[test]
    fn products_of_two_activations_are_left_to_tract() {
        let mut model = TypedModel::default();
        let source = model.add_source("source", f32::fact([5, 5])).unwrap();
        let product = EinSum::new("ab,cb->ac".parse().unwrap(), f32::datum_type());
        let last = model.wire_node("product", product, &[source, source]).unwrap();
        model.select_output_outlets(&last).unwrap();
        assert_eq!(apply_at(&FloatLinears, &mut model, SimdLevel::detect()), 0);
    }
}

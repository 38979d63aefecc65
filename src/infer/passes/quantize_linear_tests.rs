//! Linear layers of every form in int8, with what is fused into them.
#![allow(clippy::unwrap_used)]
use tract_onnx::{
    prelude::{Datum as _, DatumExt as _, OutletId, Tensor},
    tract_core::ops::{
        binary::TypedBinOp,
        change_axes::AxisOp,
        einsum::EinSum,
        element_wise::ElementWiseOp,
        nn::{Reduce, Reducer, RmsNorm, gelu_exact::gelu_exact},
    },
    tract_hir::internal::SpecialOps as _,
};

use super::*;
use crate::testing::{self, apply, apply_at, assert_near, noise, values};

/// A layer of this expression, then a bias and, after a reshape, a GELU. The weights of an output are integer
/// levels up to `max_level`, or arbitrary without one.
fn layer(
    expression: &str,
    from: &[usize],
    weights: &[usize],
    bias: &[usize],
    max_level: Option<f32>,
) -> TypedModel {
    let mut model = TypedModel::default();
    let source = model.add_source("source", f32::fact(from)).unwrap();
    let values = values(&noise(weights, 0.7, 1.0));
    let outputs = bias.iter().product::<usize>();
    let inputs = values.len() / outputs;
    let outputs_first = weights[0] == outputs;
    let values: Vec<f32> = values
        .iter()
        .enumerate()
        .map(|(at, value)| {
            let (output, input) = if outputs_first {
                (at / inputs, at % inputs)
            } else {
                (at % outputs, at / outputs)
            };
            let scale = 0.01 + output as f32 * 0.003;
            match (max_level, input) {
                (None, _) => *value,
                (Some(level), 0) => level * scale,
                (Some(level), _) => (value * level).round() * scale,
            }
        })
        .collect();
    let weights = Tensor::from_shape(weights, &values).unwrap();
    let weights = model.add_const("weights", weights).unwrap();
    let einsum = EinSum::new(expression.parse().unwrap(), f32::datum_type());
    let product = model.wire_node("product", einsum, &[source, weights]).unwrap();
    let constant = model.add_const("bias", noise(bias, 1.3, 1.0)).unwrap();
    let sum = tract_onnx::tract_core::ops::math::add();
    let sum = model.wire_node("sum", sum, &[product[0], constant]).unwrap();
    let shaped = model.wire_node("shaped", AxisOp::Add(0), &sum).unwrap();
    let last = model.wire_node("gelu", gelu_exact(), &shaped).unwrap();
    model.select_output_outlets(&last).unwrap();
    model
}

fn run(model: TypedModel, shape: &[usize]) -> Tensor {
    testing::run(model, &noise(shape, 0.37, 1.0))
}

type Shape = &'static [usize];

/// Layers of tokens, of pixels, from either layout to the other, of a single token, and one that joins heads.
const LAYERS: [(&str, Shape, Shape, Shape); 6] = [
    ("amk,kn->amn", &[4, 9, 48], &[48, 33], &[1, 1, 33]),
    ("NIHW,OI->OHW", &[1, 30, 5, 7], &[21, 30], &[21, 1, 1]),
    ("IHW,OI->HWO", &[30, 5, 7], &[21, 30], &[1, 1, 21]),
    ("HWI,OI->OHW", &[5, 7, 30], &[21, 30], &[21, 1, 1]),
    ("IHW,OI->O", &[192, 1, 1], &[12, 192], &[12]),
    ("ambk,bkn->amn", &[4, 9, 3, 16], &[3, 16, 20], &[1, 1, 20]),
];

/// The level of the largest weight of an output, if all pairs of weights must add up to at most 128, and if
/// none must.
const MAX_LEVELS: [f32; 2] = [64.0, 127.0];

#[test]
fn every_form_of_layer_computes_nearly_the_same_in_int8() {
    for (expression, from, weights, bias) in LAYERS {
        let all = SimdLevel::all_supported()
            .into_iter()
            .flat_map(|level| MAX_LEVELS.map(|max_level| (level, max_level)));
        for (level, max_level) in all {
            let before = layer(expression, from, weights, bias, Some(max_level));
            let mut changed = before.clone();
            let replaced = apply_at(&QuantizeLinear, &mut changed, level);
            if expression.ends_with("->O") && level.int16().is_none() {
                assert_eq!(replaced, 0, "a single token is not worth the loss");
                continue;
            }
            assert_eq!(replaced, 1, "{expression}");
            let changed = changed.into_optimized().unwrap();
            let is_left = |node: &TypedNode| {
                node.op_is::<EinSum>() || node.op_is::<TypedBinOp>() || node.op_is::<ElementWiseOp>()
            };
            assert!(!changed.nodes().iter().any(is_left));
            let expected = run(before, from);
            let result = run(changed, from);
            assert_eq!(result.shape(), expected.shape(), "{expression}");
            let (expected, result) = (values(&expected), values(&result));
            let squares = |values: &mut dyn Iterator<Item = f32>| values.map(|x| x * x).sum::<f32>();
            let error = squares(&mut expected.iter().zip(&result).map(|(a, b)| a - b));
            let error = (error / squares(&mut expected.iter().copied())).sqrt();
            let bound = if level.activation_bytes() == 2 { 1e-3 } else { 0.06 };
            assert!(error < bound, "{expression} {level:?} {max_level}: {error}");
        }
    }
}

/// A layer with or without a layer normalization, a scale and a residual.
fn surrounded(normalized: bool, scaled: bool, residual: bool) -> TypedModel {
    let (shape, channels) = ([4, 300, 48], 48);
    let mut model = TypedModel::default();
    let source = model.add_source("source", f32::fact(shape)).unwrap();
    let constant = |model: &mut TypedModel, name: &str, shape: &[usize], step: f32| {
        model.add_const(name, noise(shape, step, 1.0)).unwrap()
    };
    let wire = |model: &mut TypedModel, name: &str, op: TypedBinOp, inputs: &[OutletId]| {
        model.wire_node(name, op, inputs).unwrap()[0]
    };
    use tract_onnx::tract_core::ops::math::{add, mul, sub};
    let mut outlet = source;
    if normalized {
        let sum = Reduce {
            axes: tvec!(2),
            reducer: Reducer::Sum,
        };
        let sum = model.wire_node("sum", sum, &[outlet]).unwrap()[0];
        let per_channel = Tensor::from_shape(&[1, 1, 1], &[1.0 / channels as f32]).unwrap();
        let per_channel = model.add_const("per_channel", per_channel).unwrap();
        let mean = wire(&mut model, "mean", mul(), &[sum, per_channel]);
        outlet = wire(&mut model, "centered", sub(), &[outlet, mean]);
        let norm = RmsNorm {
            axis: 2,
            eps: std::sync::Arc::new(Tensor::from(1e-5_f32)),
        };
        outlet = model.wire_node("norm", norm, &[outlet]).unwrap()[0];
        let gain = constant(&mut model, "gain", &[1, 1, channels], 0.9);
        outlet = wire(&mut model, "scaled", mul(), &[outlet, gain]);
        let offset = constant(&mut model, "offset", &[1, 1, channels], 1.7);
        outlet = wire(&mut model, "offset_added", add(), &[outlet, offset]);
    }
    if scaled {
        // Not constant, or declutter would fold it into the weights.
        let sum = Reduce {
            axes: tvec!(0, 1),
            reducer: Reducer::Sum,
        };
        let factors = model.wire_node("factors", sum, &[source]).unwrap()[0];
        outlet = wire(&mut model, "multiplied", mul(), &[outlet, factors]);
    }
    let levels: Vec<f32> = (0..channels * 48)
        .map(|n| {
            if n < 48 {
                0.64
            } else {
                ((n as f32 * 0.7).sin() * 64.0).round() * 0.01
            }
        })
        .collect();
    let weights = model
        .add_const("weights", Tensor::from_shape(&[channels, 48], &levels).unwrap())
        .unwrap();
    let einsum = EinSum::new("amk,kn->amn".parse().unwrap(), f32::datum_type());
    outlet = model.wire_node("product", einsum, &[outlet, weights]).unwrap()[0];
    let bias = constant(&mut model, "bias", &[1, 1, 48], 1.3);
    outlet = wire(&mut model, "biased", add(), &[outlet, bias]);
    if residual {
        outlet = wire(&mut model, "added", add(), &[source, outlet]);
    }
    model.select_output_outlets(&[outlet]).unwrap();
    model
}

#[test]
fn surrounding_operators_are_fused() {
    for (normalized, scaled, residual) in [
        (true, false, false),
        (false, true, false),
        (false, false, true),
        (true, false, true),
        (false, true, true),
    ] {
        let before = surrounded(normalized, scaled, residual);
        let expected = run(before.clone(), &[4, 300, 48]);
        for level in SimdLevel::all_supported() {
            let mut changed = before.clone();
            assert_eq!(apply_at(&QuantizeLinear, &mut changed, level), 1);
            let changed = changed.into_decluttered().unwrap();
            let left = changed.nodes().iter().filter(|node| {
                node.op_is::<TypedBinOp>() || node.op_is::<RmsNorm>() || node.op_is::<EinSum>()
            });
            assert_eq!(left.count(), 0, "{normalized} {scaled} {residual}");
            let bound = if level.activation_bytes() == 2 { 1e-3 } else { 0.06 };
            assert_near(&run(changed, &[4, 300, 48]), &expected, bound, level);
        }
    }
}

/// A layer that writes channels first, and a move of the channels to the end.
#[test]
fn a_move_to_channels_last_is_fused() {
    let from = [5, 2, 3, 30];
    let mut model = TypedModel::default();
    let source = model.add_source("source", f32::fact(from)).unwrap();
    let like = layer("HWI,OI->OHW", &[5, 6, 30], &[21, 30], &[21, 1, 1], Some(64.0));
    let constant = |name: &str| {
        like.node_by_name(name).unwrap().outputs[0]
            .fact
            .konst
            .clone()
            .unwrap()
    };
    let weights = model.add_const("weights", constant("weights")).unwrap();
    let bias = model.add_const("bias", constant("bias")).unwrap();
    let einsum = EinSum::new("HaWI,OI->OHaW".parse().unwrap(), f32::datum_type());
    let product = model.wire_node("product", einsum, &[source, weights]).unwrap();
    let joined = AxisOp::Reshape(2, tvec!(2.into(), 3.into()), tvec!(6.into()));
    let joined = model.wire_node("joined", joined, &product).unwrap();
    let sum = tract_onnx::tract_core::ops::math::add();
    let sum = model.wire_node("sum", sum, &[joined[0], bias]).unwrap();
    let gelu = model.wire_node("gelu", gelu_exact(), &sum).unwrap();
    let last = model.wire_node("last", AxisOp::Move(0, 2), &gelu).unwrap();
    model.select_output_outlets(&last).unwrap();
    let expected = run(model.clone(), &from);
    for level in SimdLevel::all_supported() {
        let mut changed = model.clone();
        assert_eq!(apply_at(&QuantizeLinear, &mut changed, level), 1);
        let changed = changed.into_decluttered().unwrap();
        let names: Vec<_> = changed.nodes().iter().map(|node| node.op().name()).collect();
        assert_eq!(names, ["Source", "QLinear"]);
        let bound = if level.activation_bytes() == 2 { 1e-3 } else { 0.06 };
        assert_near(&run(changed, &from), &expected, bound, level);
    }
}

#[test]
fn a_normalization_with_another_reader_stays() {
    let mut model = surrounded(true, false, false);
    let normalized = model.node_by_name("offset_added").unwrap().id;
    let last = model.output_outlets().unwrap()[0];
    model.select_output_outlets(&[last, normalized.into()]).unwrap();
    apply(&QuantizeLinear, &mut model);
    let model = model.into_decluttered().unwrap();
    assert_eq!(
        model
            .nodes()
            .iter()
            .filter(|node| node.op_is::<RmsNorm>())
            .count(),
        1
    );
}

#[test]
fn weights_that_are_not_int8_stay() {
    for (expression, from, weights, bias) in LAYERS {
        let mut model = layer(expression, from, weights, bias, None);
        assert_eq!(apply(&QuantizeLinear, &mut model), 0, "{expression}");
    }
}

//! Layers of every kind in integers, with what stands before and behind them.
#![allow(clippy::unwrap_used)]
use tract_onnx::{
    prelude::{DatumExt, Tensor},
    tract_core::ops::{
        binary::TypedBinOp,
        change_axes::AxisOp,
        element_wise::ElementWiseOp,
        nn::{Reduce, Reducer, RmsNorm, gelu_exact::gelu_exact},
    },
    tract_hir::internal::SpecialOps,
};

use super::*;
use crate::testing::{self, assert_near, noise, numbers};

/// A layer of this expression, `bias` and GELU, which sees another shape; the weights are at most so many whole steps of a scale of
/// their output, or else any number.
fn layer(
    expression: &str,
    from: &[usize],
    weights: &[usize],
    bias: &[usize],
    steps: Option<f32>,
) -> TypedModel {
    let mut model = TypedModel::default();
    let source = model.add_source("source", f32::fact(from)).unwrap();
    let numbers = numbers(&noise(weights, 0.7, 1.0));
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
            match (steps, input) {
                (None, _) => *number,
                (Some(steps), 0) => steps * scale,
                (Some(steps), _) => (number * steps).round() * scale,
            }
        })
        .collect();
    let weights = Tensor::from_shape(weights, &numbers).unwrap();
    let weights = model.add_const("weights", weights).unwrap();
    let product = EinSum::new(expression.parse().unwrap(), f32::datum_type());
    let product = model.wire_node("product", product, &[source, weights]).unwrap();
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

/// Tokens, pixels, either into the other, one vector, and heads that are joined.
const LAYERS: [(&str, Shape, Shape, Shape); 6] = [
    ("amk,kn->amn", &[4, 9, 48], &[48, 33], &[1, 1, 33]),
    ("NIHW,OI->OHW", &[1, 30, 5, 7], &[21, 30], &[21, 1, 1]),
    ("IHW,OI->HWO", &[30, 5, 7], &[21, 30], &[1, 1, 21]),
    ("HWI,OI->OHW", &[5, 7, 30], &[21, 30], &[21, 1, 1]),
    ("IHW,OI->O", &[192, 1, 1], &[12, 192], &[12]),
    ("ambk,bkn->amn", &[4, 9, 3, 16], &[3, 16, 20], &[1, 1, 20]),
];

/// The largest weight of files in steps, from one whose neighbours all add up to no more than 128.
const FEWEST_AND_MOST: [f32; 2] = [64.0, 127.0];

#[test]
fn every_kind_of_layer_gives_nearly_the_same_in_integers() {
    for (expression, from, weights, bias) in LAYERS {
        let all = Best::all()
            .into_iter()
            .flat_map(|isa| FEWEST_AND_MOST.map(|steps| (isa, steps)));
        for (isa, steps) in all {
            let before = layer(expression, from, weights, bias, Some(steps));
            let mut changed = before.clone();
            let replaced = multiply_integers(&mut changed, isa).unwrap();
            if expression.ends_with("->O") && isa.precise().is_none() {
                assert_eq!(replaced, 0, "a single position is not worth the loss");
                continue;
            }
            assert_eq!(replaced, 1, "{expression}");
            let changed = changed.into_optimized().unwrap();
            let is_left = |node: &TypedNode| {
                node.op_is::<EinSum>() || node.op_is::<TypedBinOp>() || node.op_is::<ElementWiseOp>()
            };
            assert!(!changed.nodes().iter().any(is_left));
            let expected = run(before, from);
            let found = run(changed, from);
            assert_eq!(found.shape(), expected.shape(), "{expression}");
            let (expected, found) = (numbers(&expected), numbers(&found));
            let squares = |numbers: &mut dyn Iterator<Item = f32>| numbers.map(|x| x * x).sum::<f32>();
            let error = squares(&mut expected.iter().zip(&found).map(|(a, b)| a - b));
            let error = (error / squares(&mut expected.iter().copied())).sqrt();
            let bound = if isa.activation_bytes() == 2 { 1e-3 } else { 0.06 };
            assert!(error < bound, "{expression} {isa:?} {steps}: {error}");
        }
    }
}

/// Layer normalisation, factors or neither before a layer; something that is added behind it or not.
fn surrounded(normalised: bool, scaled: bool, residual: bool) -> TypedModel {
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
    if normalised {
        let sum = Reduce {
            axes: tvec!(2),
            reducer: Reducer::Sum,
        };
        let sum = model.wire_node("sum", sum, &[outlet]).unwrap()[0];
        let share = Tensor::from_shape(&[1, 1, 1], &[1.0 / channels as f32]).unwrap();
        let share = model.add_const("share", share).unwrap();
        let mean = wire(&mut model, "mean", mul(), &[sum, share]);
        outlet = wire(&mut model, "centred", sub(), &[outlet, mean]);
        let norm = RmsNorm {
            axis: 2,
            eps: std::sync::Arc::new(Tensor::from(1e-5_f32)),
        };
        outlet = model.wire_node("norm", norm, &[outlet]).unwrap()[0];
        let gain = constant(&mut model, "gain", &[1, 1, channels], 0.9);
        outlet = wire(&mut model, "scaled", mul(), &[outlet, gain]);
        let shift = constant(&mut model, "shift", &[1, 1, channels], 1.7);
        outlet = wire(&mut model, "shifted", add(), &[outlet, shift]);
    }
    if scaled {
        // Not constant, or it would be part of something else.
        let sum = Reduce {
            axes: tvec!(0, 1),
            reducer: Reducer::Sum,
        };
        let factors = model.wire_node("factors", sum, &[source]).unwrap()[0];
        outlet = wire(&mut model, "multiplied", mul(), &[outlet, factors]);
    }
    let steps: Vec<f32> = (0..channels * 48)
        .map(|n| {
            if n < 48 {
                0.64
            } else {
                ((n as f32 * 0.7).sin() * 64.0).round() * 0.01
            }
        })
        .collect();
    let weights = model
        .add_const("weights", Tensor::from_shape(&[channels, 48], &steps).unwrap())
        .unwrap();
    let product = EinSum::new("amk,kn->amn".parse().unwrap(), f32::datum_type());
    outlet = model.wire_node("product", product, &[outlet, weights]).unwrap()[0];
    let bias = constant(&mut model, "bias", &[1, 1, 48], 1.3);
    outlet = wire(&mut model, "biased", add(), &[outlet, bias]);
    if residual {
        outlet = wire(&mut model, "added", add(), &[source, outlet]);
    }
    model.select_output_outlets(&[outlet]).unwrap();
    model
}

#[test]
fn what_stands_before_and_behind_becomes_part_of_the_layer() {
    for (normalised, scaled, residual) in [
        (true, false, false),
        (false, true, false),
        (false, false, true),
        (true, false, true),
        (false, true, true),
    ] {
        let before = surrounded(normalised, scaled, residual);
        let expected = run(before.clone(), &[4, 300, 48]);
        for isa in Best::all() {
            let mut changed = before.clone();
            assert_eq!(multiply_integers(&mut changed, isa).unwrap(), 1);
            let changed = changed.into_decluttered().unwrap();
            let left = changed.nodes().iter().filter(|node| {
                node.op_is::<TypedBinOp>() || node.op_is::<RmsNorm>() || node.op_is::<EinSum>()
            });
            assert_eq!(left.count(), 0, "{normalised} {scaled} {residual}");
            let bound = if isa.activation_bytes() == 2 { 1e-3 } else { 0.06 };
            assert_near(&run(changed, &[4, 300, 48]), &expected, bound, isa);
        }
    }
}

/// Channels that a layer puts first, and that are put last behind it, lie last from the beginning.
#[test]
fn channels_are_not_moved_there_and_back() {
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
    let product = EinSum::new("HaWI,OI->OHaW".parse().unwrap(), f32::datum_type());
    let product = model.wire_node("product", product, &[source, weights]).unwrap();
    let joined = AxisOp::Reshape(2, tvec!(2.into(), 3.into()), tvec!(6.into()));
    let joined = model.wire_node("joined", joined, &product).unwrap();
    let sum = tract_onnx::tract_core::ops::math::add();
    let sum = model.wire_node("sum", sum, &[joined[0], bias]).unwrap();
    let gelu = model.wire_node("gelu", gelu_exact(), &sum).unwrap();
    let last = model.wire_node("last", AxisOp::Move(0, 2), &gelu).unwrap();
    model.select_output_outlets(&last).unwrap();
    let expected = run(model.clone(), &from);
    for isa in Best::all() {
        let mut changed = model.clone();
        assert_eq!(multiply_integers(&mut changed, isa).unwrap(), 1);
        let changed = changed.into_decluttered().unwrap();
        let names: Vec<_> = changed.nodes().iter().map(|node| node.op().name()).collect();
        assert_eq!(names, ["Source", "Linear"]);
        let bound = if isa.activation_bytes() == 2 { 1e-3 } else { 0.06 };
        assert_near(&run(changed, &from), &expected, bound, isa);
    }
}

/// A second reader of a normalisation still gets it.
#[test]
fn what_others_read_stays() {
    let mut model = surrounded(true, false, false);
    let shifted = model.node_by_name("shifted").unwrap().id;
    let last = model.output_outlets().unwrap()[0];
    model.select_output_outlets(&[last, shifted.into()]).unwrap();
    multiply_integers(&mut model, Best::detect()).unwrap();
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
fn weights_of_more_than_eight_bits_stay() {
    for (expression, from, weights, bias) in LAYERS {
        let mut model = layer(expression, from, weights, bias, None);
        assert_eq!(
            multiply_integers(&mut model, Best::detect()).unwrap(),
            0,
            "{expression}"
        );
    }
}

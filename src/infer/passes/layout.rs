//! Propagates the channels-last layout between linear layers.
//!
//! tract has no preferred output layout for an einsum and keeps the exporter's. Layers that are channels-last
//! on both sides are faster, and can be evaluated a few tokens at a time.

use std::collections::HashSet;

use tract_onnx::{
    prelude::{DatumExt, OutletId, TVec, TractResult, TypedModel},
    tract_hir::internal::TypedOp,
};

use super::{Context, Pass, patterns::Value};
use crate::{
    kernel::Layout,
    ops::{FloatLinear, QLinear, TractOp},
};

/// Makes results channels-last if only linear layers write and read them.
pub(super) struct PropagateChannelsLast;

impl Pass for PropagateChannelsLast {
    fn name(&self) -> &'static str {
        "propagate channels last"
    }

    fn run(&self, model: &mut TypedModel, _: &Context) -> TractResult<usize> {
        let mut changed = 0;
        for node in 0..model.nodes().len() {
            let results = connected_results(model, node.into()).unwrap_or_default();
            changed += results.len();
            let mut layers: HashSet<usize> = results.iter().map(|result| result.node).collect();
            for result in &results {
                layers.extend(model.outlet_successors(*result).iter().map(|reader| reader.node));
            }
            for layer in layers {
                make_channels_last(model, layer, &results)?;
            }
        }
        Ok(changed)
    }
}

/// What this pass needs to know about a linear layer, in integers or floats.
struct LayerInfo {
    input_layout: Layout,
    output_layout: Layout,
    outputs: usize,
    /// Index of the input that is added to the result.
    residual: Option<usize>,
}

fn layer(model: &TypedModel, node: usize) -> Option<LayerInfo> {
    let node = model.node(node);
    if let Some(layer) = node.op_as::<TractOp<QLinear>>() {
        let layer = layer.op();
        return Some(LayerInfo {
            input_layout: layer.input_layout,
            output_layout: layer.output_layout(),
            outputs: layer.outputs,
            residual: layer.residual_input(node.inputs.len()),
        });
    }
    let layer = node.op_as::<TractOp<FloatLinear>>()?.op();
    Some(LayerInfo {
        input_layout: layer.input_layout,
        output_layout: layer.output_layout,
        outputs: layer.weights.outputs(),
        residual: layer.residual.map(|_| 1),
    })
}

/// This channels-first result, and all results that must share its layout because one is added to another.
/// `None` if anything but a linear layer writes or reads one of them.
fn connected_results(model: &TypedModel, result: OutletId) -> Option<HashSet<OutletId>> {
    let mut results = HashSet::new();
    let mut left = vec![result];
    while let Some(result) = left.pop() {
        let layer = layer(model, result.node)?;
        if layer.output_layout != Layout::ChannelsFirst
            || channels_last_shape(model, result, layer.outputs).is_none()
            || model.output_outlets().ok()?.contains(&result)
        {
            return None;
        }
        if !results.insert(result) {
            continue;
        }
        let inputs = &model.node(result.node).inputs;
        left.extend(layer.residual.map(|input| inputs[input]));
        for reader in model.outlet_successors(result) {
            let layer = self::layer(model, reader.node)?;
            if reader.slot > 0 {
                left.push(reader.node.into());
            } else if layer.input_layout != Layout::ChannelsFirst {
                return None;
            }
        }
    }
    Some(results)
}

/// The shape of a channels-first result once its channels are last.
fn channels_last_shape(model: &TypedModel, result: OutletId, channels: usize) -> Option<TVec<usize>> {
    let mut shape = Value::new(model, result).shape()?;
    let axis = shape.iter().position(|length| *length > 1)?;
    (shape[axis] == channels).then(|| {
        shape[axis..].rotate_left(1);
        shape
    })
}

/// Replaces a layer that writes or reads some of these results.
fn make_channels_last(model: &mut TypedModel, node: usize, results: &HashSet<OutletId>) -> TractResult<()> {
    let result = OutletId::from(node);
    let (from, to) = (
        results.contains(&model.node(node).inputs[0]),
        results.contains(&result),
    );
    let Some(info) = layer(model, node) else {
        return Ok(());
    };
    let shape = if to {
        channels_last_shape(model, result, info.outputs)
    } else {
        Value::new(model, result).shape()
    };
    let shape = shape.unwrap_or_default();
    let operator: Box<dyn TypedOp> = if let Some(layer) = model.node(node).op_as::<TractOp<QLinear>>() {
        Box::new(TractOp::new(layer.op().to_channels_last(from, to), shape.clone()))
    } else if let Some(layer) = model.node(node).op_as::<TractOp<FloatLinear>>() {
        Box::new(TractOp::new(layer.op().to_channels_last(from, to), shape.clone()))
    } else {
        return Ok(());
    };
    model.set_outlet_fact(result, f32::fact(shape))?;
    model.node_mut(node).op = operator;
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use tract_onnx::{
        prelude::Datum as _,
        tract_core::ops::{einsum::EinSum, math::add},
        tract_hir::internal::SpecialOps as _,
    };

    use super::*;
    use crate::{
        kernel::SimdLevel,
        passes::quantize_linear::QuantizeLinear,
        testing::{apply, apply_at, assert_near, int8_weights, noise, run},
    };

    /// Three layers; the result of the second is added to that of the first.
    fn model(level: SimdLevel) -> TypedModel {
        let mut model = TypedModel::default();
        let source = model.add_source("source", f32::fact([6, 5, 16])).unwrap();
        let mut layer = |name: &str, expression: &str, input: OutletId, size: [usize; 2]| {
            let weights = model
                .add_const(format!("{name}.weights"), int8_weights(&size, size[1]))
                .unwrap();
            let product = EinSum::new(expression.parse().unwrap(), f32::datum_type());
            model.wire_node(name, product, &[input, weights]).unwrap()[0]
        };
        let first = layer("first", "HWI,OI->OHW", source, [24, 16]);
        let second = layer("second", "IHW,OI->OHW", first, [24, 24]);
        let sum = model.wire_node("sum", add(), &[first, second]).unwrap()[0];
        let weights = model
            .add_const("third.weights", int8_weights(&[20, 24], 24))
            .unwrap();
        let third = EinSum::new("IHW,OI->HWO".parse().unwrap(), f32::datum_type());
        let third = model.wire_node("third", third, &[sum, weights]).unwrap();
        model.select_output_outlets(&third).unwrap();
        assert_eq!(apply_at(&QuantizeLinear, &mut model, level), 3);
        model.into_decluttered().unwrap()
    }

    /// The number of layer inputs and outputs that are channels-first.
    fn channels_first_ends(model: &TypedModel) -> usize {
        let nodes = model.nodes().iter();
        let layers = nodes.filter_map(|node| layer(model, node.id));
        let layouts = layers.flat_map(|layer| [layer.input_layout, layer.output_layout]);
        layouts.filter(|layout| *layout == Layout::ChannelsFirst).count()
    }

    #[test]
    fn results_between_layers_become_channels_last() {
        let input = noise(&[6, 5, 16], 0.37, 1.0);
        for level in SimdLevel::all_supported() {
            let before = model(level);
            let mut after = before.clone();
            assert_eq!(channels_first_ends(&before), 4);
            assert_eq!(apply(&PropagateChannelsLast, &mut after), 2);
            assert_eq!(channels_first_ends(&after), 0);
            assert_near(&run(after, &input), &run(before, &input), 1e-5, level);
        }
    }

    #[test]
    fn results_read_by_others_stay() {
        let mut model = model(SimdLevel::detect());
        let last = model.output_outlets().unwrap()[0];
        let sum = model.node(last.node).inputs[0];
        model.select_output_outlets(&[last, sum]).unwrap();
        assert_eq!(apply(&PropagateChannelsLast, &mut model), 0);
        assert_eq!(channels_first_ends(&model), 4);
    }
}

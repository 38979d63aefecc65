//! Puts the channels last between linear layers.
//!
//! To tract a product is as good with the channels of its result first as last, and it leaves them where they happen to lie.
//! Layers whose channels lie last on both sides are faster, and can be computed some positions at a time.

use std::collections::HashSet;

use tract_onnx::prelude::{DatumExt, OutletId, TVec, TractResult, TypedModel};

use crate::{
    kernel::Order,
    ops::linear::Linear,
    ops::operator::{Operator, shape},
};

/// Puts channels last wherever a result is written and read by linear layers alone; returns how many results were.
pub(crate) fn put_results_last(model: &mut TypedModel) -> TractResult<usize> {
    let mut put = 0;
    for node in 0..model.nodes().len() {
        let results = results_around(model, node.into()).unwrap_or_default();
        put += results.len();
        let mut readers: HashSet<usize> = results.iter().map(|result| result.node).collect();
        for result in &results {
            readers.extend(model.outlet_successors(*result).iter().map(|reader| reader.node));
        }
        for node in readers {
            put_last(model, node, &results)?;
        }
    }
    Ok(put)
}

fn layer(model: &TypedModel, node: usize) -> Option<&Linear> {
    Some(model.node(node).op_as::<Operator<Linear>>()?.computation())
}

/// This result, which has its channels first, and all that must be ordered as it is because one is added to the other;
/// none if anything but a linear layer writes or reads one of them.
fn results_around(model: &TypedModel, result: OutletId) -> Option<HashSet<OutletId>> {
    let mut results = HashSet::new();
    let mut left = vec![result];
    while let Some(result) = left.pop() {
        let layer = layer(model, result.node)?;
        if layer.orders()[1] != Order::PositionsInner
            || turned(model, result, layer.result()[1]).is_none()
            || model.output_outlets().ok()?.contains(&result)
        {
            return None;
        }
        if !results.insert(result) {
            continue;
        }
        let inputs = &model.node(result.node).inputs;
        left.extend(layer.added(inputs.len()).map(|added| inputs[added]));
        for reader in model.outlet_successors(result) {
            let layer = self::layer(model, reader.node)?;
            if reader.slot > 0 {
                left.push(reader.node.into());
            } else if layer.orders()[0] != Order::PositionsInner {
                return None;
            }
        }
    }
    Some(results)
}

/// The shape of a result with so many channels first, once they are last.
fn turned(model: &TypedModel, result: OutletId, channels: usize) -> Option<TVec<usize>> {
    let mut shape = shape(model, result)?;
    let axis = shape.iter().position(|length| *length > 1)?;
    (shape[axis] == channels).then(|| {
        shape[axis..].rotate_left(1);
        shape
    })
}

/// Replaces a layer that writes or reads some of these results.
fn put_last(model: &mut TypedModel, node: usize, results: &HashSet<OutletId>) -> TractResult<()> {
    let result = OutletId::from(node);
    let (from, to) = (
        results.contains(&model.node(node).inputs[0]),
        results.contains(&result),
    );
    let Some(layer) = layer(model, node) else {
        return Ok(());
    };
    let shape = if to {
        turned(model, result, layer.result()[1])
    } else {
        shape(model, result)
    };
    let shape = shape.unwrap_or_default();
    let operator = Operator::new(layer.channels_inner(from, to), shape.clone());
    model.set_outlet_fact(result, f32::fact(shape))?;
    model.node_mut(node).op = Box::new(operator);
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use tract_onnx::{
        prelude::Datum,
        tract_core::ops::{einsum::EinSum, math::add},
        tract_hir::internal::SpecialOps,
    };

    use super::*;
    use crate::{
        kernel::Best,
        ops::linear::multiply_integers,
        testing::{assert_near, noise, run, steps},
    };

    /// Three layers, the second of which adds its result to the first one's.
    fn model(isa: Best) -> TypedModel {
        let mut model = TypedModel::default();
        let source = model.add_source("source", f32::fact([6, 5, 16])).unwrap();
        let mut layer = |name: &str, expression: &str, input: OutletId, size: [usize; 2]| {
            let weights = model
                .add_const(format!("{name}.weights"), steps(&size, size[1]))
                .unwrap();
            let product = EinSum::new(expression.parse().unwrap(), f32::datum_type());
            model.wire_node(name, product, &[input, weights]).unwrap()[0]
        };
        let first = layer("first", "HWI,OI->OHW", source, [24, 16]);
        let second = layer("second", "IHW,OI->OHW", first, [24, 24]);
        let sum = model.wire_node("sum", add(), &[first, second]).unwrap()[0];
        let weights = model.add_const("third.weights", steps(&[20, 24], 24)).unwrap();
        let third = EinSum::new("IHW,OI->HWO".parse().unwrap(), f32::datum_type());
        let third = model.wire_node("third", third, &[sum, weights]).unwrap();
        model.select_output_outlets(&third).unwrap();
        assert_eq!(multiply_integers(&mut model, isa).unwrap(), 3);
        model.into_decluttered().unwrap()
    }

    fn ends_first(model: &TypedModel) -> usize {
        let nodes = model.nodes().iter();
        let layers = nodes.filter_map(|node| layer(model, node.id));
        let orders = layers.flat_map(Linear::orders);
        orders.filter(|order| *order == Order::PositionsInner).count()
    }

    #[test]
    fn results_between_layers_have_their_channels_last() {
        let input = noise(&[6, 5, 16], 0.37, 1.0);
        for isa in Best::all() {
            let before = model(isa);
            let mut after = before.clone();
            assert_eq!(ends_first(&before), 4);
            assert_eq!(put_results_last(&mut after).unwrap(), 2);
            assert_eq!(ends_first(&after), 0);
            assert_near(&run(after, &input), &run(before, &input), 1e-5, isa);
        }
    }

    #[test]
    fn results_that_somebody_else_reads_stay() {
        let mut model = model(Best::detect());
        let last = model.output_outlets().unwrap()[0];
        let sum = model.node(last.node).inputs[0];
        model.select_output_outlets(&[last, sum]).unwrap();
        assert_eq!(put_results_last(&mut model).unwrap(), 0);
        assert_eq!(ends_first(&model), 4);
    }
}

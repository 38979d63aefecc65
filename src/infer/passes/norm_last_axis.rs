//! Makes layer normalizations run along the last axis.
//!
//! tract's declutter leaves axes of length 1 after the normalized one, which make its operators slow: a third
//! of a MaxViT's time was spent there.

use tract_onnx::{
    prelude::{TractResult, TypedModel, TypedNode},
    tract_core::ops::nn::{Reduce, RmsNorm},
};

use super::{Context, Pass};
use crate::ops::{AlongLastAxis, AxisOperator};

/// Wraps reductions and root mean squares along an axis followed only by axes of length 1. The model must
/// already be optimized.
pub(super) struct NormLastAxis;

impl Pass for NormLastAxis {
    fn name(&self) -> &'static str {
        "normalize along the last axis"
    }

    fn run(&self, model: &mut TypedModel, _: &Context) -> TractResult<usize> {
        let mut wrapped = 0;
        for node in 0..model.nodes().len() {
            if let Some(op) = find(model.node(node)) {
                model.node_mut(node).op = Box::new(op);
                wrapped += 1;
            }
        }
        Ok(wrapped)
    }
}

fn find(node: &TypedNode) -> Option<AlongLastAxis> {
    let (op, axis) = if let Some(norm) = node.op_as::<RmsNorm>() {
        (AxisOperator::Norm(norm.clone()), norm.axis)
    } else {
        let reduce = node.op_as::<Reduce>()?;
        let [axis] = reduce.axes[..] else {
            return None;
        };
        (AxisOperator::Reduce(reduce.clone()), axis)
    };
    // Neither operator changes the rank, or any length but that of its axis.
    let trailing = node.outputs[0].fact.shape.as_concrete()?.get(axis + 1..)?;
    let gains = !trailing.is_empty() && trailing.iter().all(|length| *length == 1);
    gains.then_some(AlongLastAxis { op, axis })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Arc;

    use tract_onnx::{
        prelude::{DatumExt as _, IntoRunnable as _, IntoTValue as _, IntoTensor, TVec, Tensor, tvec},
        tract_core::ops::nn::Reducer,
        tract_hir::internal::SpecialOps as _,
    };

    use super::*;
    use crate::testing::{apply, noise};

    /// Root mean square and sum along `axis` of a tensor of this shape.
    fn model(shape: &[usize], axis: usize) -> TypedModel {
        let mut model = TypedModel::default();
        let source = model.add_source("source", f32::fact(shape)).unwrap();
        let eps = Arc::new(Tensor::from(1e-5_f32));
        let norm = model.wire_node("norm", RmsNorm { axis, eps }, &[source]).unwrap()[0];
        let sum = Reduce {
            axes: tvec!(axis),
            reducer: Reducer::Sum,
        };
        let sum = model.wire_node("sum", sum, &[source]).unwrap()[0];
        model.select_output_outlets(&[norm, sum]).unwrap();
        model
    }

    fn outputs(model: TypedModel, shape: &[usize]) -> TVec<Tensor> {
        let input = noise(shape, 0.7, 1.0);
        let outputs = model
            .into_runnable()
            .unwrap()
            .run(tvec!(input.into_tvalue()))
            .unwrap();
        outputs.into_iter().map(IntoTensor::into_tensor).collect()
    }

    #[test]
    fn the_result_is_that_of_tract() {
        for shape in [&[3, 40, 1, 1][..], &[2, 3, 7, 1], &[5, 1]] {
            let axis = shape.iter().rposition(|length| *length > 1).unwrap();
            let mut rewritten = model(shape, axis);
            assert_eq!(apply(&NormLastAxis, &mut rewritten), 2, "{shape:?}");
            let expected = outputs(model(shape, axis), shape);
            for (expected, result) in expected.iter().zip(&outputs(rewritten, shape)) {
                assert_eq!(expected.shape(), result.shape());
                expected.close_enough(result, true).unwrap();
            }
        }
    }

    #[test]
    fn axes_in_front_of_others_are_left_to_tract() {
        for (shape, axis) in [(&[3, 40, 2, 1][..], 1), (&[3, 40], 1)] {
            let mut same = model(shape, axis);
            assert_eq!(apply(&NormLastAxis, &mut same), 0, "{shape:?}");
        }
    }
}

//! Makes layer normalisations run along memory.
//!
//! tract's declutter leaves axes of length one behind the normalised axis. Its sums and root mean squares are
//! fast on the last axis only and several times slower elsewhere, although with such axes the memory is the
//! same. A third of a MaxViT's time went there.

use tract_onnx::{
    prelude::{IntoTValue, IntoTensor, TValue, TVec, TractError, TractResult, TypedModel, tvec},
    tract_core::ops::nn::{Reduce, RmsNorm},
    tract_hir::{
        internal::{EvalContext, EvalOp, Op, StaticName, TypedFact, TypedOp},
        tract_core::{as_op, op_as_typed_op, op_out_of_plan},
    },
};

/// An operator along one axis, run as if that axis were the last one; those behind it have a length of one.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Innermost {
    op: Along,
    axis: usize,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Along {
    Norm(RmsNorm),
    Reduce(Reduce),
}

impl Along {
    fn op(&self) -> &dyn TypedOp {
        match self {
            Self::Norm(norm) => norm,
            Self::Reduce(reduce) => reduce,
        }
    }
}

/// Puts [`Innermost`] in the place of every operator that gains by it. The model must be optimised already.
pub(crate) fn normalise_along_memory(model: &mut TypedModel) -> TractResult<()> {
    for node in 0..model.nodes().len() {
        let along = if let Some(norm) = model.node(node).op_as::<RmsNorm>() {
            Some((Along::Norm(norm.clone()), norm.axis))
        } else if let Some(reduce) = model.node(node).op_as::<Reduce>() {
            match reduce.axes[..] {
                [axis] => Some((Along::Reduce(reduce.clone()), axis)),
                _ => None,
            }
        } else {
            None
        };
        let Some((op, axis)) = along else {
            continue;
        };
        // Neither operator changes the rank, and only the one axis its length.
        let shape = model.node(node).outputs[0].fact.shape.as_concrete();
        let behind = shape.and_then(|shape| shape.get(axis + 1..)).unwrap_or_default();
        if !behind.is_empty() && behind.iter().all(|length| *length == 1) {
            model.node_mut(node).op = Box::new(Innermost { op, axis });
        }
    }
    Ok(())
}

impl Op for Innermost {
    fn name(&self) -> StaticName {
        format!("Innermost{}", self.op.op().name()).into()
    }

    op_as_typed_op!();
}

impl EvalOp for Innermost {
    op_out_of_plan!();

    fn eval(&self, ctx: &EvalContext<'_>, mut inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let input = inputs
            .pop()
            .ok_or_else(|| TractError::msg("an input is missing"))?;
        let rank = input.rank();
        let mut tensor = input.into_tensor();
        for _ in self.axis + 1..rank {
            tensor.remove_axis(self.axis + 1)?;
        }
        let outputs = self.op.op().eval(ctx, tvec!(tensor.into_tvalue()))?;
        outputs
            .into_iter()
            .map(|output| {
                let mut tensor = output.into_tensor();
                for _ in self.axis + 1..rank {
                    tensor.insert_axis(self.axis + 1)?;
                }
                Ok(tensor.into_tvalue())
            })
            .collect()
    }
}

impl TypedOp for Innermost {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        self.op.op().output_facts(inputs)
    }

    as_op!();
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Arc;

    use tract_onnx::{
        prelude::{DatumExt, IntoRunnable, Tensor},
        tract_core::ops::nn::Reducer,
        tract_hir::internal::SpecialOps,
    };

    use super::*;

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

    fn run(model: TypedModel, shape: &[usize]) -> TVec<Tensor> {
        let numbers: Vec<f32> = (0..shape.iter().product::<usize>())
            .map(|n| (n as f32 * 0.7).sin())
            .collect();
        let input = Tensor::from_shape(shape, &numbers).unwrap();
        let outputs = model
            .into_runnable()
            .unwrap()
            .run(tvec!(input.into_tvalue()))
            .unwrap();
        outputs.into_iter().map(IntoTensor::into_tensor).collect()
    }

    fn replaced(model: &TypedModel) -> usize {
        model
            .nodes()
            .iter()
            .filter(|node| node.op_is::<Innermost>())
            .count()
    }

    #[test]
    fn the_same_numbers_along_memory() {
        for shape in [&[3, 40, 1, 1][..], &[2, 3, 7, 1], &[5, 1]] {
            let axis = shape.iter().rposition(|length| *length > 1).unwrap();
            let mut changed = model(shape, axis);
            normalise_along_memory(&mut changed).unwrap();
            assert_eq!(replaced(&changed), 2, "{shape:?}");
            for (expected, found) in run(model(shape, axis), shape).iter().zip(&run(changed, shape)) {
                assert_eq!(expected.shape(), found.shape());
                expected.close_enough(found, true).unwrap();
            }
        }
    }

    #[test]
    fn other_axes_are_left_alone() {
        for (shape, axis) in [(&[3, 40, 2, 1][..], 1), (&[3, 40], 1)] {
            let mut same = model(shape, axis);
            normalise_along_memory(&mut same).unwrap();
            assert_eq!(replaced(&same), 0, "{shape:?}");
        }
    }
}

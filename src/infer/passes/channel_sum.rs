//! Sums channels over all pixels with vectors of channels.

use tract_onnx::{
    prelude::{TractResult, TypedModel, TypedNode, tvec},
    tract_core::ops::nn::{Reduce, Reducer},
};

use super::{
    Context, Pass,
    patterns::Value,
    rewrite::{Match, replace_all},
};
use crate::{
    kernel::SimdLevel,
    ops::{ChannelSum, TractOp},
};

/// Replaces sums over all axes but the last.
pub(super) struct SumChannels;

impl Pass for SumChannels {
    fn name(&self) -> &'static str {
        "sum channels"
    }

    fn run(&self, model: &mut TypedModel, context: &Context) -> TractResult<usize> {
        replace_all(model, |model, node| find(model, node, context.level))
    }
}

fn find(model: &TypedModel, node: &TypedNode, level: SimdLevel) -> Option<Match<ChannelSum>> {
    let reduce = node.op_as::<Reduce>()?;
    let input = Value::new(model, node.inputs[0]);
    let shape = input.shape()?;
    let channels = *shape.last()?;
    let mut axes = reduce.axes.clone();
    axes.sort_unstable();
    if reduce.reducer != Reducer::Sum
        || channels < 2
        || !axes.iter().copied().eq(0..shape.len() - 1)
        || !input.is_f32()
    {
        return None;
    }
    let sum = ChannelSum {
        level,
        channels,
        pixels: shape.iter().product::<usize>() / channels,
    };
    Some(Match {
        op: TractOp::new(sum, Value::new(model, node.id).shape()?),
        inputs: tvec!(input.outlet),
        last: node.id,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use tract_onnx::{prelude::DatumExt as _, tract_hir::internal::SpecialOps as _};

    use super::*;
    use crate::testing::{apply, apply_at, noise, run};

    fn model(shape: &[usize], axes: &[usize]) -> TypedModel {
        let mut model = TypedModel::default();
        let source = model.add_source("source", f32::fact(shape)).unwrap();
        let reduce = Reduce {
            axes: axes.iter().copied().collect(),
            reducer: Reducer::Sum,
        };
        let last = model.wire_node("sum", reduce, &[source]).unwrap();
        model.select_output_outlets(&last).unwrap();
        model
    }

    #[test]
    fn the_result_is_that_of_reducing() {
        for shape in [[5, 7, 48], [1, 1, 3], [12, 12, 20]] {
            let input = noise(&shape, 0.7, 1.0);
            let expected = run(model(&shape, &[0, 1]), &input);
            for level in SimdLevel::all_supported() {
                let mut rewritten = model(&shape, &[0, 1]);
                assert_eq!(apply_at(&SumChannels, &mut rewritten, level), 1);
                expected.close_enough(&run(rewritten, &input), true).unwrap();
            }
        }
    }

    #[test]
    fn sums_over_other_axes_are_left_to_tract() {
        for axes in [&[0][..], &[1, 2], &[0, 1, 2]] {
            assert_eq!(apply(&SumChannels, &mut model(&[5, 7, 48], axes)), 0);
        }
    }
}

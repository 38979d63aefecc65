//! Transposes whole blocks of contiguous values where tract would move an axis element by element.

use tract_onnx::{
    prelude::{TractResult, TypedModel, TypedNode, tvec},
    tract_core::ops::change_axes::AxisOp,
};

use super::{
    Context, Pass,
    patterns::Value,
    rewrite::{Match, replace_all},
};
use crate::ops::{BlockTranspose, TractOp};

/// Shorter blocks are left to tract.
const MIN_BLOCK: usize = 8;

/// Replaces moves of axes that are followed by long contiguous blocks.
pub(super) struct TransposeBlocks;

impl Pass for TransposeBlocks {
    fn name(&self) -> &'static str {
        "transpose blocks"
    }

    fn run(&self, model: &mut TypedModel, _: &Context) -> TractResult<usize> {
        replace_all(model, find)
    }
}

fn find(model: &TypedModel, node: &TypedNode) -> Option<Match<BlockTranspose>> {
    let AxisOp::Move(from, to) = *node.op_as::<AxisOp>()? else {
        return None;
    };
    let input = Value::new(model, node.inputs[0]);
    let shape = input.shape()?;
    let length = |axes: &[usize]| axes.iter().product::<usize>();
    let block = length(&shape[from.max(to) + 1..]);
    let (first, second) = if from < to {
        (shape[from], length(&shape[from + 1..=to]))
    } else {
        (length(&shape[to..from]), shape[from])
    };
    if block < MIN_BLOCK || !input.is_f32() {
        return None;
    }
    let transpose = BlockTranspose { first, second, block };
    Some(Match {
        op: TractOp::new(transpose, Value::new(model, node.id).shape()?),
        inputs: tvec!(input.outlet),
        last: node.id,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use tract_onnx::{prelude::DatumExt as _, tract_hir::internal::SpecialOps as _};

    use super::*;
    use crate::testing::{apply, noise, run};

    fn model(shape: &[usize], from: usize, to: usize) -> TypedModel {
        let mut model = TypedModel::default();
        let source = model.add_source("source", f32::fact(shape)).unwrap();
        let last = model
            .wire_node("move", AxisOp::Move(from, to), &[source])
            .unwrap();
        model.select_output_outlets(&last).unwrap();
        model
    }

    #[test]
    fn the_result_is_that_of_moving_the_axis() {
        let shape = [2, 3, 4, 5, 16];
        let input = noise(&shape, 0.7, 1.0);
        for from in 0..4 {
            for to in 0..4 {
                if from != to {
                    let mut rewritten = model(&shape, from, to);
                    assert_eq!(apply(&TransposeBlocks, &mut rewritten), 1, "{from} to {to}");
                    let expected = run(model(&shape, from, to), &input);
                    assert_eq!(run(rewritten, &input), expected, "{from} to {to}");
                }
            }
        }
    }

    #[test]
    fn short_blocks_are_left_to_tract() {
        assert_eq!(apply(&TransposeBlocks, &mut model(&[4, 5, 16], 0, 2)), 0);
        assert_eq!(apply(&TransposeBlocks, &mut model(&[4, 5, 3], 0, 1)), 0);
    }
}

//! Moves an axis by whole runs of what lies behind it.
//!
//! tract moves axes number by number. Windows and grids move pixels, whose channels lie side by side.

use tract_onnx::{
    prelude::{Datum, DatumType, TractResult, TypedModel, TypedNode},
    tract_core::ops::change_axes::AxisOp,
};

use crate::ops::operator::{Compute, Operator, Scratch, replace, shape};

/// Shorter runs are tract's.
const MIN_RUN: usize = 8;

/// `[outer][first][second][run]` to `[outer][second][first][run]`.
#[derive(Debug)]
struct Exchange {
    first: usize,
    second: usize,
    run: usize,
}

/// Replaces every move of an axis over others with long runs behind them; returns how many.
pub(crate) fn move_runs(model: &mut TypedModel) -> TractResult<usize> {
    let mut replaced = 0;
    for node in 0..model.nodes().len() {
        if let Some(exchange) = find(model, model.node(node)) {
            let input = model.node(node).inputs[0];
            replace(model, node, &[input], exchange)?;
            replaced += 1;
        }
    }
    Ok(replaced)
}

fn find(model: &TypedModel, node: &TypedNode) -> Option<Operator<Exchange>> {
    let AxisOp::Move(from, to) = *node.op_as::<AxisOp>()? else {
        return None;
    };
    let dimensions = shape(model, node.inputs[0])?;
    let length = |axes: &[usize]| axes.iter().product::<usize>();
    let run = length(&dimensions[from.max(to) + 1..]);
    let (first, second) = if from < to {
        (dimensions[from], length(&dimensions[from + 1..=to]))
    } else {
        (length(&dimensions[to..from]), dimensions[from])
    };
    if run < MIN_RUN || model.outlet_fact(node.inputs[0]).ok()?.datum_type != f32::datum_type() {
        return None;
    }
    let exchange = Exchange { first, second, run };
    Some(Operator::new(exchange, shape(model, node.id.into())?))
}

impl Compute for Exchange {
    const NAME: &'static str = "MoveRuns";

    fn products(&self) -> (DatumType, usize) {
        (f32::datum_type(), 0)
    }

    fn compute(&self, inputs: &[&[f32]], to: &mut [f32], _: &mut Scratch) {
        let Self { first, second, run } = *self;
        let outer = first * second * run;
        for (from, to) in inputs[0].chunks_exact(outer).zip(to.chunks_exact_mut(outer)) {
            for (index, to) in to.chunks_exact_mut(run).enumerate() {
                let (second_index, first_index) = (index / first, index % first);
                to.copy_from_slice(&from[(first_index * second + second_index) * run..][..run]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use tract_onnx::{
        prelude::{DatumExt, IntoRunnable, IntoTValue, Tensor, tvec},
        tract_hir::internal::SpecialOps,
    };

    use super::*;

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
    fn moves_stay_what_they_are() {
        let shape = [2, 3, 4, 5, 16];
        let numbers: Vec<f32> = (0..shape.iter().product::<usize>()).map(|n| n as f32).collect();
        let input = Tensor::from_shape(&shape, &numbers).unwrap();
        let run = |model: TypedModel| {
            let input = tvec!(input.clone().into_tvalue());
            model.into_runnable().unwrap().run(input).unwrap().remove(0)
        };
        for from in 0..4 {
            for to in 0..4 {
                if from != to {
                    let mut changed = model(&shape, from, to);
                    assert_eq!(move_runs(&mut changed).unwrap(), 1, "{from} to {to}");
                    assert_eq!(run(model(&shape, from, to)), run(changed), "{from} to {to}");
                }
            }
        }
    }

    #[test]
    fn moves_without_runs_are_left_alone() {
        assert_eq!(move_runs(&mut model(&[4, 5, 16], 0, 2)).unwrap(), 0);
        assert_eq!(move_runs(&mut model(&[4, 5, 3], 0, 1)).unwrap(), 0);
    }
}

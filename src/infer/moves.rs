//! Moves an axis by whole runs of what lies behind it.
//!
//! tract moves axes number by number. Windows and grids move pixels, whose channels lie side by side.

use tract_onnx::{
    prelude::{Datum, DatumType, TractResult, TypedModel, TypedModelPatch, TypedNode},
    tract_core::ops::change_axes::AxisOp,
};

use super::operator::{Compute, Operator, Scratch, shape};

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
pub(super) fn move_runs(model: &mut TypedModel) -> TractResult<usize> {
    let mut replaced = 0;
    for node in 0..model.nodes().len() {
        if let Some(exchange) = find(model, model.node(node)) {
            let mut patch = TypedModelPatch::default();
            let input = patch.tap_model(model, model.node(node).inputs[0])?;
            let name = format!("{}.runs", model.node(node).name);
            let output = patch.wire_node(name, exchange, &[input])?;
            patch.shunt_outside(model, node.into(), output[0])?;
            patch.apply(model)?;
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

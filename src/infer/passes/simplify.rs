//! tract's own simplification of a graph, at half of its cost.
//!
//! The last of tract's declutter passes looks for axes to move or drop. It tries the changes that operators
//! suggest, and it tries to drop every axis of length 1 at every node. The former lets moves of axes cancel
//! out; the latter found nothing more in these networks and took a third of the loading time.

use std::{collections::HashSet, fmt};

use tract_onnx::{
    prelude::{TractResult, TypedModel, TypedModelPatch},
    tract_core::{
        ops::change_axes::AxisChange,
        optim::{Optimizer, OptimizerSession, TypedPass, change_axes::change_axes},
    },
};

use super::{Context, Pass};

/// The name of tract's pass.
const AXIS_PASS: &str = "ChangeAxes";

/// Folds constants, lets each operator replace itself with a simpler one, and moves axes to where they cancel
/// out, until nothing changes any more.
pub(super) struct Simplify;

impl Pass for Simplify {
    fn name(&self) -> &'static str {
        "simplify"
    }

    fn run(&self, model: &mut TypedModel, _: &Context) -> TractResult<usize> {
        nodes_removed(model, |model| optimizer().optimize(model))
    }
}

/// tract's selection of an implementation for each operator.
pub(super) struct TractOptimize;

impl Pass for TractOptimize {
    fn name(&self) -> &'static str {
        "optimize"
    }

    fn run(&self, model: &mut TypedModel, _: &Context) -> TractResult<usize> {
        nodes_removed(model, TypedModel::optimize)
    }
}

/// Returns the number of nodes removed, because tract does not count its rewrites.
fn nodes_removed(
    model: &mut TypedModel,
    rewrite: impl FnOnce(&mut TypedModel) -> TractResult<()>,
) -> TractResult<usize> {
    let before = model.nodes().len();
    rewrite(model)?;
    Ok(before.saturating_sub(model.nodes().len()))
}

fn optimizer() -> Optimizer {
    let mut optimizer = Optimizer::declutter();
    for pass in &mut optimizer.passes {
        // The only name of a pass is its debug output.
        if format!("{pass:?}") == AXIS_PASS {
            *pass = Box::new(SuggestedAxes::default());
        }
    }
    optimizer
}

/// Tries once each change of axes that an operator suggests.
#[derive(Clone, Default)]
struct SuggestedAxes {
    tried: HashSet<AxisChange>,
    /// The nodes before this one have nothing left to try.
    node: usize,
}

/// Omits the fields, because tract formats the pass for every patch that it makes.
impl fmt::Debug for SuggestedAxes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SuggestedAxes")
    }
}

impl TypedPass for SuggestedAxes {
    fn reset(&mut self) -> TractResult<()> {
        *self = Self::default();
        Ok(())
    }

    fn next(&mut self, _: &mut OptimizerSession, model: &TypedModel) -> TractResult<Option<TypedModelPatch>> {
        let mut explored = HashSet::new();
        let fixed = [model.output_outlets()?, model.input_outlets()?].concat();
        for node in &model.nodes()[self.node..] {
            for (io, op) in node.op.suggested_axis_changes()? {
                let outlet = io.as_outlet(node);
                let change = AxisChange { outlet, op };
                if self.tried.insert(change.clone())
                    && let Some((patch, _)) = change_axes(model, &change, &fixed, &[], &mut explored)?
                {
                    self.node = node.id;
                    return Ok(Some(patch));
                }
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use tract_onnx::{
        prelude::DatumExt as _,
        tract_core::ops::{change_axes::AxisOp, math, nn::gelu_approximate::gelu_approximate},
        tract_hir::internal::{SpecialOps as _, tensor3},
    };

    use super::*;
    use crate::testing::{apply, noise, run};

    /// Adds the double of a constant between the move of an axis and its inverse.
    fn model() -> TypedModel {
        let mut model = TypedModel::default();
        let source = model.add_source("source", f32::fact([1, 3, 2])).unwrap();
        let there = model.wire_node("there", AxisOp::Move(1, 2), &[source]).unwrap()[0];
        let one = model.add_const("one", tensor3(&[[[1.0f32], [2.0]]])).unwrap();
        let two = model.wire_node("two", math::add(), &[one, one]).unwrap()[0];
        let sum = model.wire_node("sum", math::add(), &[there, two]).unwrap()[0];
        let back = model.wire_node("back", AxisOp::Move(2, 1), &[sum]).unwrap()[0];
        let last = model.wire_node("last", gelu_approximate(false), &[back]).unwrap();
        model.select_output_outlets(&last).unwrap();
        model
    }

    #[test]
    fn constants_are_folded_and_inverse_moves_cancel_out() {
        let input = noise(&[1, 3, 2], 0.7, 1.0);
        let mut simple = model();
        apply(&Simplify, &mut simple);
        let names: Vec<_> = simple.nodes().iter().map(|node| node.op().name()).collect();
        assert_eq!(names, ["Source", "Const", "Add", "GeluApproximate"]);
        assert_eq!(run(simple, &input), run(model(), &input));
    }

    #[test]
    fn the_axis_pass_of_tract_is_replaced() {
        let names = |optimizer: &Optimizer| -> Vec<String> {
            let passes = optimizer.passes.iter();
            passes.map(|pass| format!("{pass:?}")).collect()
        };
        let (ours, all) = (names(&optimizer()), names(&Optimizer::declutter()));
        let changed: Vec<_> = all.iter().zip(&ours).filter(|(a, b)| a != b).collect();
        assert_eq!((ours.len(), changed.len()), (all.len(), 1), "{changed:?}");
    }
}

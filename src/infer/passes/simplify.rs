//! tract's simplification of a graph, in half of its time.
//!
//! Its last pass looks for axes that could be moved or left out: it tries what operators suggest, and besides that to
//! leave out every axis of length one at every node, over the whole graph. The former is what lets the moves of axes
//! meet and vanish. The latter found nothing in these networks that the former had not, and took a third of their loading.

use std::{collections::HashSet, fmt};

use tract_onnx::{
    prelude::{TractResult, TypedModel, TypedModelPatch},
    tract_core::{
        ops::change_axes::AxisChange,
        optim::{Optimizer, OptimizerSession, TypedPass, change_axes::change_axes},
    },
};

/// tract's own pass for axes, by its name.
const ITS_OWN: &str = "ChangeAxes";

/// Folds constants, lets every operator replace itself by a simpler one, and moves axes to where they vanish, until
/// nothing changes any more.
pub(crate) fn simplify(model: &mut TypedModel) -> TractResult<()> {
    optimizer().optimize(model)
}

fn optimizer() -> Optimizer {
    let mut optimizer = Optimizer::declutter();
    for pass in &mut optimizer.passes {
        // A pass has no other name than what it is printed as.
        if format!("{pass:?}") == ITS_OWN {
            *pass = Box::new(SuggestedAxes::default());
        }
    }
    optimizer
}

/// Tries the changes of axes that operators suggest, each once.
#[derive(Clone, Default)]
struct SuggestedAxes {
    tried: HashSet<AxisChange>,
    /// Nodes before this one have nothing left to try.
    node: usize,
}

/// tract notes with every change which pass made it: the name is enough, and all that was tried takes its time.
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
            for (place, op) in node.op.suggested_axis_changes()? {
                let outlet = place.as_outlet(node);
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
        prelude::DatumExt,
        tract_core::ops::{change_axes::AxisOp, math, nn::gelu_approximate::gelu_approximate},
        tract_hir::internal::{SpecialOps, tensor3},
    };

    use super::*;
    use crate::testing::{noise, run};

    /// Twice one is added between a move of an axis there and back.
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
    fn constants_are_folded_and_moves_vanish() {
        let input = noise(&[1, 3, 2], 0.7, 1.0);
        let mut simple = model();
        simplify(&mut simple).unwrap();
        let names: Vec<_> = simple.nodes().iter().map(|node| node.op().name()).collect();
        assert_eq!(names, ["Source", "Const", "Add", "GeluApproximate"]);
        assert_eq!(run(simple, &input), run(model(), &input));
    }

    #[test]
    fn tracts_own_pass_is_replaced() {
        let names = |optimizer: &Optimizer| -> Vec<String> {
            let passes = optimizer.passes.iter();
            passes.map(|pass| format!("{pass:?}")).collect()
        };
        let (ours, all) = (names(&optimizer()), names(&Optimizer::declutter()));
        let changed: Vec<_> = all.iter().zip(&ours).filter(|(a, b)| a != b).collect();
        assert_eq!((ours.len(), changed.len()), (all.len(), 1), "{changed:?}");
    }
}

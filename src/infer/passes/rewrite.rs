//! Replaces subgraphs by single operators.

use tract_onnx::prelude::{OutletId, TVec, TractResult, TypedModel, TypedModelPatch, TypedNode};

use crate::ops::{Compute, TractOp};

/// A subgraph that an operator can replace.
pub(super) struct Match<C> {
    pub(super) op: TractOp<C>,
    /// What the operator reads.
    pub(super) inputs: TVec<OutletId>,
    /// The node whose result the operator replaces.
    pub(super) last: usize,
}

/// Replaces every subgraph that `find` matches, which is called for one node at a time; returns their number.
pub(super) fn replace_all<C: Compute>(
    model: &mut TypedModel,
    find: impl Fn(&TypedModel, &TypedNode) -> Option<Match<C>>,
) -> TractResult<usize> {
    let mut replaced = 0;
    // A patch keeps the ids of existing nodes and appends new ones.
    for node in 0..model.nodes().len() {
        if let Some(found) = find(model, model.node(node)) {
            replace(model, found)?;
            replaced += 1;
        }
    }
    Ok(replaced)
}

fn replace<C: Compute>(model: &mut TypedModel, found: Match<C>) -> TractResult<()> {
    let mut patch = TypedModelPatch::default();
    let inputs = patch.taps(model, &found.inputs)?;
    let name = format!("{}.{}", model.node(found.last).name, found.op.op().name());
    let output = patch.wire_node(name, found.op, &inputs)?;
    patch.shunt_outside(model, found.last.into(), output[0])?;
    patch.apply(model)
}

//! Puts the channels of a pixel side by side.
//!
//! Convolutions come with each channel's plane for itself. The other way round a pixel is what a token is, so that
//! layers of one pixel are the linear layers of tokens, and quantizing a position reads its numbers where they are.
//! Here each convolution is wrapped into moves of the channels, and tract moves these on through the graph until
//! they meet and vanish.

use tract_onnx::{
    prelude::{OutletId, TVec, TractResult, TypedModel, TypedModelPatch},
    tract_core::ops::change_axes::AxisOp,
};

use super::{
    depthwise::Depthwise,
    kernel::Best,
    operator::{Compute, Operator, shape},
    patches::Patches,
};

/// Replaces every depthwise and, where `integers` are allowed, every dense convolution of a decluttered model by one
/// that has the channels last; returns how many. The model wants to be decluttered again.
pub(super) fn put_channels_last(model: &mut TypedModel, isa: Best, integers: bool) -> TractResult<usize> {
    let mut replaced = 0;
    // A patch leaves the ids of other nodes as they are, and adds new ones at the end.
    for node in 0..model.nodes().len() {
        let input = match model.node(node).inputs[..] {
            [input, ..] => input,
            [] => continue,
        };
        if let Some((convolution, last)) = Depthwise::find(model, model.node(node), isa) {
            let result = convolution.result();
            wrap(model, input, convolution, result, last)?;
        } else if integers && let Some((convolution, last)) = Patches::find(model, model.node(node), isa) {
            let result = convolution.result();
            wrap(model, input, convolution, result, last)?;
        } else {
            continue;
        }
        replaced += 1;
    }
    Ok(replaced)
}

fn wrap<C: Compute>(
    model: &mut TypedModel,
    input: OutletId,
    convolution: C,
    result: [usize; 3],
    last: usize,
) -> TractResult<()> {
    let name = model.node(last).name.clone();
    let in_rank = shape(model, input).map_or(3, |shape| shape.len());
    let out_rank = shape(model, last.into()).map_or(3, |shape| shape.len());
    let mut patch = TypedModelPatch::default();
    let mut outlet = patch.tap_model(model, input)?;
    if in_rank == 4 {
        outlet = patch.wire_node(format!("{name}.one"), AxisOp::Rm(0), &[outlet])?[0];
    }
    outlet = patch.wire_node(format!("{name}.last"), AxisOp::Move(0, 2), &[outlet])?[0];
    let operator = Operator::new(convolution, TVec::from_slice(&result));
    outlet = patch.wire_node(format!("{name}.channels_last"), operator, &[outlet])?[0];
    outlet = patch.wire_node(format!("{name}.first"), AxisOp::Move(2, 0), &[outlet])?[0];
    if out_rank == 4 {
        outlet = patch.wire_node(format!("{name}.batch"), AxisOp::Add(0), &[outlet])?[0];
    }
    patch.shunt_outside(model, last.into(), outlet)?;
    patch.apply(model)
}

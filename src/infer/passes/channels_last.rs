//! Makes convolutions channels-last (NHWC).
//!
//! With the channels of a pixel contiguous, 1x1 convolutions are the linear layers of tokens, and per-token
//! quantization reads values where they are. Each convolution is placed between moves of the channels, which
//! tract's declutter propagates through the graph until they cancel out.

use tract_onnx::{
    prelude::{OutletId, TractResult, TypedModel, TypedModelPatch, TypedNode},
    tract_core::ops::{
        array::{Pad, PadMode},
        change_axes::AxisOp,
        cnn::{Conv, Deconv, MaxPool, SumPool},
    },
    tract_hir::internal::TypedOp,
};

use super::{
    Context, Pass,
    match_conv::{match_dense, match_depthwise, match_max_pool, match_upsample},
    patterns::Value,
};
use crate::{kernel::Layout, ops::TractOp};

/// Replaces convolutions, small pools and the padding of channels. The model must be simplified again
/// afterwards.
pub(super) struct ChannelsLast;

impl Pass for ChannelsLast {
    fn name(&self) -> &'static str {
        "channels last"
    }

    fn run(&self, model: &mut TypedModel, context: &Context) -> TractResult<usize> {
        let mut replaced = 0;
        // A patch keeps the ids of existing nodes and appends new ones.
        for node in 0..model.nodes().len() {
            if let Some(place) = Place::of(model, node) {
                replaced += usize::from(replace(model, context, place)?);
            }
        }
        Ok(replaced)
    }
}

/// Where an operator is placed.
#[derive(Clone, Copy)]
struct Place {
    node: usize,
    input: OutletId,
    /// Whether the node reads its input channels-first and the operator channels-last.
    move_input: bool,
    /// The same for the result.
    move_output: bool,
}

impl Place {
    fn of(model: &TypedModel, node: usize) -> Option<Self> {
        let input = *model.node(node).inputs.first()?;
        let is_first = !is_channels_last(model.node(node));
        Some(Self {
            node,
            input,
            move_input: is_first,
            move_output: is_first,
        })
    }
}

/// Replaces the node if there is an operator for it.
fn replace(model: &mut TypedModel, context: &Context, place: Place) -> TractResult<bool> {
    let node = model.node(place.node);
    let Context { level, int8 } = *context;
    if let Some((convolution, last)) = match_depthwise(model, node, level) {
        let output = convolution.output();
        wrap(model, place, TractOp::new(convolution, &output[..]), last)?;
    } else if let Some((dense, last)) = match_dense(model, node) {
        let output = dense.output;
        let is_input = model.input_outlets()?.contains(&place.input);
        let allows_int8 = int8 && !is_input && level.has_fast_int8_convolutions();
        if let Some(convolution) = allows_int8.then(|| dense.to_int8(level)).flatten() {
            wrap(model, place, TractOp::new(convolution, &output[..]), last)?;
        } else {
            // Moving the channels of the whole input would cost more than reading them as they are.
            let move_input = place.move_input && !is_input;
            let input_layout = if place.move_input && is_input {
                Layout::ChannelsFirst
            } else {
                Layout::ChannelsLast
            };
            let convolution = dense.to_floats(level, input_layout);
            let place = Place { move_input, ..place };
            wrap(model, place, TractOp::new(convolution, &output[..]), last)?;
        }
    } else if let Some((upsample, last)) = match_upsample(model, node, level) {
        let output = upsample.output();
        wrap(model, place, TractOp::new(upsample, &output[..]), last)?;
    } else if let Some(pool) = match_max_pool(model, node, level) {
        let output = pool.output;
        wrap(model, place, TractOp::new(pool, &output[..]), place.node)?;
    } else if let Some(pad) = match_channel_pad(model, node) {
        wrap(model, place, pad, place.node)?;
    } else {
        return Ok(false);
    }
    Ok(true)
}

/// Whether this convolution or pool is already channels-last.
fn is_channels_last(node: &TypedNode) -> bool {
    let conv = node.op_as::<Conv>().map(|conv| &conv.pool_spec);
    let pool = || node.op_as::<SumPool>().map(|pool| &pool.pool_spec);
    let max_pool = || node.op_as::<MaxPool>().map(|pool| &pool.pool_spec);
    let deconv = || node.op_as::<Deconv>().map(|deconv| &deconv.pool_spec);
    let spec = conv.or_else(pool).or_else(max_pool).or_else(deconv);
    spec.is_some_and(|spec| spec.data_format.c_is_last())
}

/// The zero padding of an image's channels at this node, for an image with channels last.
fn match_channel_pad(model: &TypedModel, node: &TypedNode) -> Option<Pad> {
    let pad = node.op_as::<Pad>()?;
    let rank = Value::new(model, node.inputs[0]).shape()?.len();
    let channels = rank.checked_sub(3)?;
    let mut others = pad.pads.iter().enumerate().filter(|(axis, _)| *axis != channels);
    let is_zero = matches!(&pad.mode, PadMode::Constant(value) if value.is_zero().unwrap_or(false));
    let fits = rank <= 4 && is_zero && others.all(|(_, pads)| *pads == (0, 0));
    fits.then(|| Pad {
        pads: vec![(0, 0), (0, 0), pad.pads[channels]],
        mode: pad.mode.clone(),
    })
}

/// Replaces a node with a channels-last operator on images without a batch axis, between moves of the
/// channels.
fn wrap(
    model: &mut TypedModel,
    place: Place,
    operator: impl Into<Box<dyn TypedOp>>,
    last: usize,
) -> TractResult<()> {
    let Place { input, .. } = place;
    let name = model.node(last).name.clone();
    let in_rank = rank(model, input);
    let out_rank = rank(model, last.into());
    let mut patch = TypedModelPatch::default();
    let mut outlet = patch.tap_model(model, input)?;
    if in_rank == 4 {
        outlet = patch.wire_node(format!("{name}.batch_removed"), AxisOp::Rm(0), &[outlet])?[0];
    }
    if place.move_input {
        outlet = patch.wire_node(format!("{name}.last"), AxisOp::Move(0, 2), &[outlet])?[0];
    }
    outlet = patch.wire_node(format!("{name}.channels_last"), operator, &[outlet])?[0];
    if place.move_output {
        outlet = patch.wire_node(format!("{name}.first"), AxisOp::Move(2, 0), &[outlet])?[0];
    }
    if out_rank == 4 {
        outlet = patch.wire_node(format!("{name}.batch"), AxisOp::Add(0), &[outlet])?[0];
    }
    patch.shunt_outside(model, last.into(), outlet)?;
    patch.apply(model)
}

fn rank(model: &TypedModel, outlet: OutletId) -> usize {
    Value::new(model, outlet).shape().map_or(3, |shape| shape.len())
}

#[cfg(test)]
#[path = "channels_last_tests.rs"]
mod tests;

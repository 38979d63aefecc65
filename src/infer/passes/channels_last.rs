//! Makes convolutions channels-last (NHWC).
//!
//! With the channels of a pixel contiguous, 1x1 convolutions are the linear layers of tokens, and per-token
//! quantization reads values where they are. Each convolution is put between moves of the channels, and
//! tract's declutter moves these through the graph until they cancel out.

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

/// Replaces convolutions and small pools, and what pads channels. The model needs to be simplified again.
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

/// Where an operator is put.
#[derive(Clone, Copy)]
struct Place {
    node: usize,
    input: OutletId,
    /// Whether the node has channels first in its input, and the operator last.
    move_input: bool,
    /// The same of its result.
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

/// Whether this convolution or pool has channels last already.
fn is_channels_last(node: &TypedNode) -> bool {
    let conv = node.op_as::<Conv>().map(|conv| &conv.pool_spec);
    let pool = || node.op_as::<SumPool>().map(|pool| &pool.pool_spec);
    let max_pool = || node.op_as::<MaxPool>().map(|pool| &pool.pool_spec);
    let deconv = || node.op_as::<Deconv>().map(|deconv| &deconv.pool_spec);
    let spec = conv.or_else(pool).or_else(max_pool).or_else(deconv);
    spec.is_some_and(|spec| spec.data_format.c_is_last())
}

/// The padding of an image's channels by zeros at this node, of an image with channels last.
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

/// Puts a channels-last operator of images without a batch in place of a node, between moves of the channels.
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
mod tests {
    #![allow(clippy::unwrap_used)]
    use tract_onnx::{
        prelude::{DatumExt as _, Tensor, tvec},
        tract_core::ops::{
            cnn::{KernelFormat, PaddingSpec, PoolSpec},
            nn::DataFormat,
        },
        tract_hir::internal::SpecialOps as _,
    };

    use super::*;
    use crate::{
        kernel::SimdLevel,
        testing::{assert_near, convolution_in, int8_weights, noise, run, spec},
    };

    /// A convolution with bias and GELU, of channels, height and width.
    fn convolution(
        from: [usize; 3],
        weights: &Tensor,
        stride: usize,
        pad: usize,
        group: usize,
    ) -> TypedModel {
        let [channels, height, width] = from;
        convolution_in(
            DataFormat::NCHW,
            [1, channels, height, width],
            weights,
            stride,
            pad,
            group,
        )
    }

    fn rewrite(model: &mut TypedModel, level: SimdLevel, int8: bool) -> usize {
        ChannelsLast.run(model, &Context { level, int8 }).unwrap()
    }

    /// Compares the model before and after the pass on one input.
    fn compare(model: &TypedModel, input: &Tensor) {
        let expected = run(model.clone(), input);
        for level in SimdLevel::all_supported() {
            let mut rewritten = model.clone();
            assert_eq!(rewrite(&mut rewritten, level, false), 1, "{input:?}");
            assert!(
                !rewritten
                    .nodes()
                    .iter()
                    .any(|node| node.op_is::<Conv>() || node.op_is::<SumPool>() || node.op_is::<Deconv>())
            );
            assert_near(&run(rewritten, input), &expected, 3e-5, level);
        }
    }

    const IMAGES: [[usize; 2]; 7] = [[3, 3], [12, 12], [7, 5], [17, 33], [1, 2], [2, 1], [1, 1]];

    #[test]
    fn depthwise_convolutions_compute_the_same() {
        for [height, width] in IMAGES {
            for channels in [16, 24, 48] {
                for (stride, pad) in [(1, 1), (2, 1), (2, 0)] {
                    if pad == 0 && (height % 2 == 1 || width % 2 == 1) {
                        continue;
                    }
                    let model = convolution(
                        [channels, height, width],
                        &noise(&[channels, 1, 3, 3], 0.7, 1.0),
                        stride,
                        pad,
                        channels,
                    );
                    compare(&model, &noise(&[1, channels, height, width], 0.37, 1.0));
                }
            }
        }
    }

    /// As tract makes depthwise convolutions on ARM.
    #[test]
    fn channels_last_convolutions_are_not_moved() {
        let from = [1, 7, 5, 16];
        for (group, weights) in [
            (16, noise(&[16, 1, 3, 3], 0.7, 1.0)),
            (1, int8_weights(&[24, 16, 3, 3], 16 * 9)),
        ] {
            let model = convolution_in(DataFormat::NHWC, from, &weights, 1, 1, group);
            compare(&model, &noise(&from, 0.37, 1.0));
        }
    }

    #[test]
    fn average_pools_compute_the_same() {
        for [height, width] in IMAGES {
            let mut model = TypedModel::default();
            let source = model
                .add_source("source", f32::fact([1, 24, height, width]))
                .unwrap();
            let pool = SumPool {
                pool_spec: spec(3, 2, 1, 24, 24),
                count_include_pad: true,
                normalize: true,
            };
            let last = model.wire_node("pool", pool, &[source]).unwrap();
            model.select_output_outlets(&last).unwrap();
            compare(&model, &noise(&[1, 24, height, width], 0.37, 1.0));
        }
    }

    #[test]
    fn max_pools_and_padded_channels_compute_the_same() {
        let mut model = TypedModel::default();
        let source = model.add_source("source", f32::fact([1, 24, 12, 6])).unwrap();
        let pool = MaxPool {
            pool_spec: PoolSpec::new(
                DataFormat::NCHW,
                tvec!(2, 2),
                PaddingSpec::Valid,
                None,
                Some(tvec!(2, 2)),
                24,
                24,
            ),
            with_index_outputs: None,
        };
        let last = model.wire_node("pool", pool, &[source]).unwrap();
        let pad = Pad::new(vec![(0, 0), (0, 4), (0, 0), (0, 0)], PadMode::default());
        let last = model.wire_node("pad", pad, &last).unwrap();
        model.select_output_outlets(&last).unwrap();
        let input = noise(&[1, 24, 12, 6], 0.37, 1.0);
        let expected = run(model.clone(), &input);
        for level in SimdLevel::all_supported() {
            let mut rewritten = model.clone();
            assert_eq!(rewrite(&mut rewritten, level, false), 2);
            assert_eq!(run(rewritten, &input), expected);
        }
    }

    #[test]
    fn transposed_convolutions_compute_the_same() {
        for [height, width] in IMAGES {
            let mut model = TypedModel::default();
            let source = model
                .add_source("source", f32::fact([1, 20, height, width]))
                .unwrap();
            let weights = model
                .add_const("weights", noise(&[24, 20, 2, 2], 0.7, 1.0))
                .unwrap();
            let bias = model.add_const("bias", noise(&[24], 1.3, 1.0)).unwrap();
            let deconv = Deconv {
                pool_spec: PoolSpec::new(
                    DataFormat::NCHW,
                    tvec!(2, 2),
                    PaddingSpec::Valid,
                    None,
                    Some(tvec!(2, 2)),
                    20,
                    24,
                ),
                kernel_format: KernelFormat::OIHW,
                adjustments: tvec!(0, 0),
                group: 1,
            };
            let last = model
                .wire_node("deconv", deconv, &[source, weights, bias])
                .unwrap();
            model.select_output_outlets(&last).unwrap();
            compare(&model, &noise(&[1, 20, height, width], 0.37, 1.0));
        }
    }

    #[test]
    fn dense_convolutions_compute_the_same_in_floats() {
        for [height, width] in IMAGES {
            for (channels, outputs, side, stride, pad) in [
                (1, 32, 3, 2, 1),
                (3, 17, 3, 1, 1),
                (20, 7, 3, 1, 1),
                (3, 24, 5, 2, 1),
                (8, 16, 3, 1, 0),
            ] {
                if height.min(width) + pad + side / 2 < side {
                    continue;
                }
                let weights = noise(&[outputs, channels, side, side], 0.7, 1.0);
                let from = [1, height, width, channels];
                let last = convolution_in(DataFormat::NHWC, from, &weights, stride, pad, 1);
                compare(&last, &noise(&from, 0.37, 1.0));
                let first = convolution([channels, height, width], &weights, stride, pad, 1);
                compare(&first, &noise(&[1, channels, height, width], 0.37, 1.0));
            }
        }
    }

    #[test]
    fn dense_convolutions_compute_nearly_the_same_in_int8() {
        for [height, width] in IMAGES {
            for (channels, outputs, side, stride, pad) in [
                (1, 32, 3, 2, 1),
                (3, 17, 3, 1, 1),
                (20, 16, 3, 1, 1),
                (3, 24, 5, 2, 2),
                (8, 16, 3, 1, 0),
            ] {
                if height.min(width) + pad + side / 2 < side {
                    continue;
                }
                let weights = int8_weights(&[outputs, channels, side, side], channels * side * side);
                let from = [1, height, width, channels];
                let model = convolution_in(DataFormat::NHWC, from, &weights, stride, pad, 1);
                let input = noise(&from, 0.37, 1.0);
                let expected = run(model.clone(), &input);
                for level in SimdLevel::all_supported() {
                    let node = model.nodes().iter().find(|node| node.op_is::<Conv>()).unwrap();
                    let (dense, last) = match_dense(&model, node).unwrap();
                    let operator = TractOp::new(dense.to_int8(level).unwrap(), &dense.output[..]);
                    let mut rewritten = model.clone();
                    let place = Place::of(&model, node.id).unwrap();
                    wrap(&mut rewritten, place, operator, last).unwrap();
                    let bound = if level.activation_bytes() == 2 { 1e-3 } else { 0.06 };
                    assert_near(&run(rewritten, &input), &expected, bound, level);
                }
            }
        }
    }

    #[test]
    fn other_convolutions_are_left_to_tract() {
        for (channels, side, stride, pad) in [(16, 5, 1, 1), (16, 3, 3, 1), (16, 3, 1, 0), (8, 3, 1, 1)] {
            let weights = noise(&[channels, 1, side, side], 0.7, 1.0);
            let mut same = convolution([channels, 12, 12], &weights, stride, pad, channels);
            assert_eq!(rewrite(&mut same, SimdLevel::detect(), true), 0);
        }
    }

    #[test]
    fn moves_between_two_convolutions_cancel_out() {
        let mut model = convolution([16, 12, 12], &noise(&[16, 1, 3, 3], 0.7, 1.0), 1, 1, 16);
        let outlet = model.output_outlets().unwrap()[0];
        let weights = model
            .add_const("weights2", noise(&[16, 1, 3, 3], 0.9, 1.0))
            .unwrap();
        let bias = model.add_const("bias2", noise(&[16], 1.1, 1.0)).unwrap();
        let conv = Conv {
            pool_spec: spec(3, 2, 1, 16, 16),
            kernel_fmt: KernelFormat::OIHW,
            group: 16,
            q_params: None,
        };
        let last = model.wire_node("conv2", conv, &[outlet, weights, bias]).unwrap();
        model.select_output_outlets(&last).unwrap();
        let mut rewritten = model.clone();
        assert_eq!(rewrite(&mut rewritten, SimdLevel::detect(), false), 2);
        rewritten.declutter().unwrap();
        let moves = rewritten
            .nodes()
            .iter()
            .filter(|node| matches!(node.op_as::<AxisOp>(), Some(AxisOp::Move(..))));
        assert!(moves.count() <= 2);
        let input = noise(&[1, 16, 12, 12], 0.37, 1.0);
        run(model, &input)
            .close_enough(&run(rewritten, &input), true)
            .unwrap();
    }
}

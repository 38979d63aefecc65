//! Makes convolutions channels-last (NHWC).
//!
//! With the channels of a pixel contiguous, 1x1 convolutions are the linear layers of tokens, and per-token
//! quantization reads values where they are. Each convolution is put between moves of the channels, and
//! tract's declutter moves these through the graph until they cancel out.

use tract_onnx::{
    prelude::{OutletId, TractResult, TypedModel, TypedModelPatch, TypedNode},
    tract_core::ops::{
        change_axes::AxisOp,
        cnn::{Conv, SumPool},
    },
};

use super::{
    Context, Pass,
    match_conv::{match_depthwise, match_qconv2d},
    patterns::Value,
};
use crate::ops::{Compute, TractOp};

/// Replaces depthwise convolutions and 3x3 pools and, in int8, dense convolutions. The model needs to be
/// simplified again.
pub(super) struct ChannelsLast;

impl Pass for ChannelsLast {
    fn name(&self) -> &'static str {
        "channels last"
    }

    fn run(&self, model: &mut TypedModel, context: &Context) -> TractResult<usize> {
        let mut replaced = 0;
        // A patch keeps the ids of existing nodes and appends new ones.
        for node in 0..model.nodes().len() {
            let Some(input) = model.node(node).inputs.first().copied() else {
                continue;
            };
            let is_last = is_channels_last(model.node(node));
            if let Some((convolution, last)) = match_depthwise(model, model.node(node), context.level) {
                let output = convolution.output();
                wrap(model, input, is_last, convolution, output, last)?;
            } else if context.int8
                && let Some((convolution, last)) = match_qconv2d(model, model.node(node), context.level)
            {
                let output = convolution.output;
                wrap(model, input, is_last, convolution, output, last)?;
            } else {
                continue;
            }
            replaced += 1;
        }
        Ok(replaced)
    }
}

/// Whether this convolution or pool has channels last already.
fn is_channels_last(node: &TypedNode) -> bool {
    let conv = node.op_as::<Conv>().map(|conv| &conv.pool_spec);
    let spec = conv.or_else(|| Some(&node.op_as::<SumPool>()?.pool_spec));
    spec.is_some_and(|spec| spec.data_format.c_is_last())
}

/// Puts a channels-last operator in place of a node, between moves of the channels.
fn wrap<C: Compute>(
    model: &mut TypedModel,
    input: OutletId,
    is_last: bool,
    convolution: C,
    output: [usize; 3],
    last: usize,
) -> TractResult<()> {
    let name = model.node(last).name.clone();
    let in_rank = rank(model, input);
    let out_rank = rank(model, last.into());
    let mut patch = TypedModelPatch::default();
    let mut outlet = patch.tap_model(model, input)?;
    if in_rank == 4 {
        outlet = patch.wire_node(format!("{name}.batch_removed"), AxisOp::Rm(0), &[outlet])?[0];
    }
    if !is_last {
        outlet = patch.wire_node(format!("{name}.last"), AxisOp::Move(0, 2), &[outlet])?[0];
    }
    let operator = TractOp::new(convolution, &output[..]);
    outlet = patch.wire_node(format!("{name}.channels_last"), operator, &[outlet])?[0];
    if !is_last {
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
        prelude::{DatumExt as _, Tensor},
        tract_core::ops::{cnn::KernelFormat, nn::DataFormat},
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

    /// Compares the model before and after the pass on one input. In int8 the tolerance is a sixteenth of the
    /// largest value, with two-byte activations a thousandth.
    fn compare(model: &TypedModel, input: &Tensor, int8: bool) {
        let expected = run(model.clone(), input);
        for level in SimdLevel::all_supported() {
            let mut rewritten = model.clone();
            assert_eq!(rewrite(&mut rewritten, level, int8), 1, "{input:?}");
            assert!(
                !rewritten
                    .nodes()
                    .iter()
                    .any(|node| node.op_is::<Conv>() || node.op_is::<SumPool>())
            );
            let result = run(rewritten, input);
            let bound = match (int8, level.activation_bytes()) {
                (false, _) => 1e-5,
                (true, 2) => 1e-3,
                (true, _) => 0.06,
            };
            assert_near(&result, &expected, bound, level);
        }
    }

    const IMAGES: [[usize; 2]; 7] = [[3, 3], [12, 12], [7, 5], [17, 33], [1, 2], [2, 1], [1, 1]];

    #[test]
    fn depthwise_convolutions_compute_the_same() {
        for [height, width] in IMAGES {
            for channels in [16, 24, 48] {
                for stride in [1, 2] {
                    let model = convolution(
                        [channels, height, width],
                        &noise(&[channels, 1, 3, 3], 0.7, 1.0),
                        stride,
                        1,
                        channels,
                    );
                    compare(&model, &noise(&[1, channels, height, width], 0.37, 1.0), false);
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
            compare(&model, &noise(&from, 0.37, 1.0), group == 1);
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
            compare(&model, &noise(&[1, 24, height, width], 0.37, 1.0), false);
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
                let model = convolution([channels, height, width], &weights, stride, pad, 1);
                compare(&model, &noise(&[1, channels, height, width], 0.37, 1.0), true);
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
        // Weights that are not int8.
        let mut same = convolution([4, 12, 12], &noise(&[16, 4, 3, 3], 0.7, 1.0), 1, 1, 1);
        assert_eq!(rewrite(&mut same, SimdLevel::detect(), true), 0);
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

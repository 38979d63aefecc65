//! Puts the channels of a pixel side by side.
//!
//! Convolutions come with each channel's plane for itself. The other way round a pixel is what a token is, so that
//! layers of one pixel are the linear layers of tokens, and quantizing a position reads its numbers where they are.
//! Here each convolution is wrapped into moves of the channels, and tract moves these on through the graph until
//! they meet and vanish.

use tract_onnx::{
    prelude::{OutletId, TVec, TractResult, TypedModel, TypedModelPatch, TypedNode},
    tract_core::ops::{
        change_axes::AxisOp,
        cnn::{Conv, SumPool},
    },
};

use crate::{
    kernel::Best,
    ops::conv_im2col::Patches,
    ops::depthwise::Depthwise,
    ops::operator::{Compute, Operator, shape},
};

/// Replaces every depthwise and, where `integers` are allowed, every dense convolution of a decluttered model by one
/// that has the channels last; returns how many. The model wants to be decluttered again.
pub(crate) fn put_channels_last(model: &mut TypedModel, isa: Best, integers: bool) -> TractResult<usize> {
    let mut replaced = 0;
    // A patch leaves the ids of other nodes as they are, and adds new ones at the end.
    for node in 0..model.nodes().len() {
        let input = match model.node(node).inputs[..] {
            [input, ..] => input,
            [] => continue,
        };
        let is_last = is_channels_last(model.node(node));
        if let Some((convolution, last)) = Depthwise::find(model, model.node(node), isa) {
            let result = convolution.result();
            wrap(model, input, is_last, convolution, result, last)?;
        } else if integers && let Some((convolution, last)) = Patches::find(model, model.node(node), isa) {
            let result = convolution.result();
            wrap(model, input, is_last, convolution, result, last)?;
        } else {
            continue;
        }
        replaced += 1;
    }
    Ok(replaced)
}

/// Whether the channels of this convolution or pool are last already.
fn is_channels_last(node: &TypedNode) -> bool {
    let conv = node.op_as::<Conv>().map(|conv| &conv.pool_spec);
    let spec = conv.or_else(|| Some(&node.op_as::<SumPool>()?.pool_spec));
    spec.is_some_and(|spec| spec.data_format.c_is_last())
}

fn wrap<C: Compute>(
    model: &mut TypedModel,
    input: OutletId,
    is_last: bool,
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
    if !is_last {
        outlet = patch.wire_node(format!("{name}.last"), AxisOp::Move(0, 2), &[outlet])?[0];
    }
    let operator = Operator::new(convolution, TVec::from_slice(&result));
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use tract_onnx::{
        prelude::{DatumExt, Tensor},
        tract_core::ops::{cnn::KernelFormat, nn::DataFormat},
        tract_hir::internal::SpecialOps,
    };

    use super::*;
    use crate::testing::{assert_near, convolution_in, noise, run, spec, steps};

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

    /// The model before and after, on one input; with integers to a thousandth or, with bytes, a sixteenth of the
    /// largest number.
    fn compare(model: &TypedModel, input: &Tensor, integers: bool) {
        let expected = run(model.clone(), input);
        for isa in Best::all() {
            let mut changed = model.clone();
            assert_eq!(
                put_channels_last(&mut changed, isa, integers).unwrap(),
                1,
                "{input:?}"
            );
            assert!(
                !changed
                    .nodes()
                    .iter()
                    .any(|node| node.op_is::<Conv>() || node.op_is::<SumPool>())
            );
            let found = run(changed, input);
            let bound = match (integers, isa.activation_bytes()) {
                (false, _) => 1e-5,
                (true, 2) => 1e-3,
                (true, _) => 0.06,
            };
            assert_near(&found, &expected, bound, isa);
        }
    }

    const PICTURES: [[usize; 2]; 7] = [[3, 3], [12, 12], [7, 5], [17, 33], [1, 2], [2, 1], [1, 1]];

    #[test]
    fn depthwise_convolutions_stay_what_they_are() {
        for [height, width] in PICTURES {
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

    /// As tract puts those of one channel a group on ARM.
    #[test]
    fn channels_that_are_last_stay_there() {
        let from = [1, 7, 5, 16];
        for (group, weights) in [
            (16, noise(&[16, 1, 3, 3], 0.7, 1.0)),
            (1, steps(&[24, 16, 3, 3], 16 * 9)),
        ] {
            let model = convolution_in(DataFormat::NHWC, from, &weights, 1, 1, group);
            compare(&model, &noise(&from, 0.37, 1.0), group == 1);
        }
    }

    #[test]
    fn means_stay_what_they_are() {
        for [height, width] in PICTURES {
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
    fn dense_convolutions_stay_what_they_are_in_integers() {
        for [height, width] in PICTURES {
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
                let weights = steps(&[outputs, channels, side, side], channels * side * side);
                let model = convolution([channels, height, width], &weights, stride, pad, 1);
                compare(&model, &noise(&[1, channels, height, width], 0.37, 1.0), true);
            }
        }
    }

    #[test]
    fn other_convolutions_are_left_alone() {
        let isa = Best::detect();
        for (channels, side, stride, pad) in [(16, 5, 1, 1), (16, 3, 3, 1), (16, 3, 1, 0), (8, 3, 1, 1)] {
            let weights = noise(&[channels, 1, side, side], 0.7, 1.0);
            let mut same = convolution([channels, 12, 12], &weights, stride, pad, channels);
            assert_eq!(put_channels_last(&mut same, isa, true).unwrap(), 0);
        }
        // Weights of more than eight bits.
        let mut same = convolution([4, 12, 12], &noise(&[16, 4, 3, 3], 0.7, 1.0), 1, 1, 1);
        assert_eq!(put_channels_last(&mut same, isa, true).unwrap(), 0);
    }

    #[test]
    fn the_moves_between_two_convolutions_vanish() {
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
        let mut changed = model.clone();
        assert_eq!(put_channels_last(&mut changed, Best::detect(), false).unwrap(), 2);
        changed.declutter().unwrap();
        let moves = changed
            .nodes()
            .iter()
            .filter(|node| matches!(node.op_as::<AxisOp>(), Some(AxisOp::Move(..))));
        assert!(moves.count() <= 2);
        let input = noise(&[1, 16, 12, 12], 0.37, 1.0);
        run(model, &input)
            .close_enough(&run(changed, &input), true)
            .unwrap();
    }
}

//! Convolutions and pools of every form, before and after they become channels-last.
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

/// A convolution with bias and GELU; `from` is channels, height and width.
fn convolution(from: [usize; 3], weights: &Tensor, stride: usize, pad: usize, group: usize) -> TypedModel {
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

/// The form that tract gives depthwise convolutions on ARM.
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

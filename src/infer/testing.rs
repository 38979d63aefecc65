//! What the tests of the passes share: made-up numbers, and the way through a model.
#![allow(clippy::unwrap_used)]

use tract_onnx::{
    prelude::{DatumExt, IntoRunnable, IntoTValue, IntoTensor, Tensor, TypedModel, tvec},
    tract_core::ops::{
        cnn::{Conv, KernelFormat, PaddingSpec, PoolSpec},
        nn::{DataFormat, gelu_exact::gelu_exact},
    },
    tract_hir::internal::SpecialOps,
};

use crate::kernel::Best;

/// Numbers between -`largest` and `largest` that repeat nowhere, the same every time.
pub(crate) fn noise(shape: &[usize], step: f32, largest: f32) -> Tensor {
    let numbers: Vec<f32> = (0..shape.iter().product::<usize>())
        .map(|n| (n as f32 * step).sin() * largest)
        .collect();
    Tensor::from_shape(shape, &numbers).unwrap()
}

/// The first output for one input.
pub(crate) fn run(model: TypedModel, input: &Tensor) -> Tensor {
    let input = tvec!(input.clone().into_tvalue());
    model
        .into_runnable()
        .unwrap()
        .run(input)
        .unwrap()
        .remove(0)
        .into_tensor()
}

/// All numbers of a tensor.
pub(crate) fn numbers(tensor: &Tensor) -> Vec<f32> {
    tensor
        .try_as_plain_ram()
        .unwrap()
        .as_slice::<f32>()
        .unwrap()
        .to_vec()
}

/// Every number is the expected one to `bound` of the largest of those.
pub(crate) fn assert_near(found: &Tensor, expected: &Tensor, bound: f32, isa: Best) {
    assert_eq!(found.shape(), expected.shape());
    let (found, expected) = (numbers(found), numbers(expected));
    let unit = expected
        .iter()
        .fold(0.0_f32, |unit, number| unit.max(number.abs()));
    for (found, expected) in found.iter().zip(&expected) {
        assert!(
            (found - expected).abs() <= bound * unit,
            "{isa:?}: {found}, not {expected}"
        );
    }
}

/// Weights of `count` numbers an output that are whole steps of a scale.
pub(crate) fn steps(shape: &[usize], count: usize) -> Tensor {
    let numbers: Vec<f32> = (0..shape.iter().product::<usize>())
        .map(|n| {
            let step = if n % count == 0 {
                127.0
            } else {
                (n as f32 * 0.7).sin() * 127.0
            };
            step.round() * (0.001 + (n / count) as f32 * 1e-4)
        })
        .collect();
    Tensor::from_shape(shape, &numbers).unwrap()
}

/// A square kernel.
pub(crate) fn spec(side: usize, stride: usize, pad: usize, channels: usize, outputs: usize) -> PoolSpec {
    PoolSpec::new(
        DataFormat::NCHW,
        tvec!(side, side),
        PaddingSpec::Explicit(tvec!(pad, pad), tvec!(side / 2, side / 2)),
        None,
        Some(tvec!(stride, stride)),
        channels,
        outputs,
    )
}

/// A convolution with bias and GELU.
pub(crate) fn convolution_in(
    format: DataFormat,
    from: [usize; 4],
    weights: &Tensor,
    stride: usize,
    pad: usize,
    group: usize,
) -> TypedModel {
    let channels = weights.shape()[1] * group;
    let (outputs, side) = (weights.shape()[0], weights.shape()[2]);
    let mut model = TypedModel::default();
    let source = model.add_source("source", f32::fact(from)).unwrap();
    let weights = model.add_const("weights", weights.clone()).unwrap();
    let bias = model.add_const("bias", noise(&[outputs], 1.3, 1.0)).unwrap();
    let pool_spec = PoolSpec {
        data_format: format,
        ..spec(side, stride, pad, channels, outputs)
    };
    let conv = Conv {
        pool_spec,
        kernel_fmt: KernelFormat::OIHW,
        group,
        q_params: None,
    };
    let conv = model.wire_node("conv", conv, &[source, weights, bias]).unwrap();
    let last = model.wire_node("gelu", gelu_exact(), &conv).unwrap();
    model.select_output_outlets(&last).unwrap();
    model
}

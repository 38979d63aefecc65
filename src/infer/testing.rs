//! Shared by the tests of the passes: synthetic tensors and models, and functions to run them.
#![allow(clippy::unwrap_used)]

use std::path::PathBuf;

use tract_onnx::{
    prelude::{DatumExt as _, IntoRunnable as _, IntoTValue as _, IntoTensor as _, Tensor, TypedModel, tvec},
    tract_core::ops::{
        cnn::{Conv, KernelFormat, PaddingSpec, PoolSpec},
        nn::{DataFormat, gelu_exact::gelu_exact},
    },
    tract_hir::internal::SpecialOps as _,
};

use crate::{
    kernel::SimdLevel,
    passes::{Context, Pass},
};

/// A network of tests/data/models.
pub(crate) fn test_model(file: &str) -> PathBuf {
    let root: PathBuf = [env!("CARGO_MANIFEST_DIR"), "..", ".."].iter().collect();
    root.join("tests/data/models").join(file)
}

/// Runs a pass, with int8 allowed; returns how often it rewrote the model.
pub(crate) fn apply_at(pass: &dyn Pass, model: &mut TypedModel, level: SimdLevel) -> usize {
    pass.run(model, &Context { level, int8: true }).unwrap()
}

/// The same at the detected level.
pub(crate) fn apply(pass: &dyn Pass, model: &mut TypedModel) -> usize {
    apply_at(pass, model, SimdLevel::detect())
}

/// Deterministic values between `-largest` and `largest`, without a short period.
pub(crate) fn noise(shape: &[usize], step: f32, largest: f32) -> Tensor {
    let values: Vec<f32> = (0..shape.iter().product::<usize>())
        .map(|n| (n as f32 * step).sin() * largest)
        .collect();
    Tensor::from_shape(shape, &values).unwrap()
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

/// All elements of a tensor.
pub(crate) fn values(tensor: &Tensor) -> Vec<f32> {
    tensor
        .try_as_plain_ram()
        .unwrap()
        .as_slice::<f32>()
        .unwrap()
        .to_vec()
}

/// Asserts that no element differs from the expected one by more than `bound` times the largest expected
/// magnitude.
pub(crate) fn assert_near(result: &Tensor, expected: &Tensor, bound: f32, level: SimdLevel) {
    assert_eq!(result.shape(), expected.shape());
    let (result, expected) = (values(result), values(expected));
    let largest = expected
        .iter()
        .fold(0.0_f32, |largest, value| largest.max(value.abs()));
    for (result, expected) in result.iter().zip(&expected) {
        assert!(
            (result - expected).abs() <= bound * largest,
            "{level:?}: {result}, not {expected}"
        );
    }
}

/// Weights, `count` for each output, that are integer multiples of the output's scale.
pub(crate) fn int8_weights(shape: &[usize], count: usize) -> Tensor {
    let values: Vec<f32> = (0..shape.iter().product::<usize>())
        .map(|n| {
            let level = if n % count == 0 {
                127.0
            } else {
                (n as f32 * 0.7).sin() * 127.0
            };
            level.round() * (0.001 + (n / count) as f32 * 1e-4)
        })
        .collect();
    Tensor::from_shape(shape, &values).unwrap()
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

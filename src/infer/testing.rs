//! What the tests of the passes share: made-up numbers, and the way through a model.
#![allow(clippy::unwrap_used)]

use tract_onnx::prelude::{IntoRunnable, IntoTValue, IntoTensor, Tensor, TypedModel, tvec};

/// Numbers between -`largest` and `largest` that repeat nowhere, the same every time.
pub(super) fn noise(shape: &[usize], step: f32, largest: f32) -> Tensor {
    let numbers: Vec<f32> = (0..shape.iter().product::<usize>())
        .map(|n| (n as f32 * step).sin() * largest)
        .collect();
    Tensor::from_shape(shape, &numbers).unwrap()
}

/// The first output for one input.
pub(super) fn run(model: TypedModel, input: &Tensor) -> Tensor {
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
pub(super) fn numbers(tensor: &Tensor) -> Vec<f32> {
    tensor
        .try_as_plain_ram()
        .unwrap()
        .as_slice::<f32>()
        .unwrap()
        .to_vec()
}

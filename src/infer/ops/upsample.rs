//! Transposed convolutions of 2x2 pixels that double height and width: each input pixel becomes four, which
//! is a linear layer for each row of the kernel.

use tract_onnx::prelude::{Datum, DatumType};

use super::operator::{Compute, Scratch};
use crate::kernel::{Activation, FloatRows, FloatWeights, fgemm};

/// From `[row][column][channel]` to the same layout.
#[derive(Debug)]
pub(crate) struct Upsample {
    /// For each row of the kernel: a layer whose outputs are `[kernel column][channel]`.
    pub(crate) weights: [FloatWeights; 2],
    pub(crate) activation: Activation,
    /// Height, width and channels of the input.
    pub(crate) input: [usize; 3],
    /// Channels of the output.
    pub(crate) outputs: usize,
}

impl Upsample {
    /// Height, width and channels of the output.
    pub(crate) fn output(&self) -> [usize; 3] {
        let [height, width, _] = self.input;
        [2 * height, 2 * width, self.outputs]
    }
}

impl Compute for Upsample {
    fn name(&self) -> &'static str {
        "Upsample"
    }

    fn macs(&self) -> (DatumType, usize) {
        let [height, width, _] = self.input;
        (f32::datum_type(), height * width * 2 * self.weights[0].count())
    }

    fn eval(&self, inputs: &[&[f32]], to: &mut [f32], _: &mut Scratch) {
        let [_, width, channels] = self.input;
        let rows = inputs[0].chunks_exact(width * channels);
        let mut to = to.chunks_exact_mut(2 * width * self.outputs);
        for row in rows {
            for (weights, to) in self.weights.iter().zip(to.by_ref()) {
                fgemm(
                    weights,
                    FloatRows::contiguous(row, channels),
                    None,
                    self.activation,
                    to,
                );
            }
        }
    }
}

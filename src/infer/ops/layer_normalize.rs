//! Layer normalizations without a linear layer after them; others are fused into the layer's prologue.

use tract_onnx::prelude::{Datum, DatumType};

use super::operator::{Compute, Scratch};
use crate::kernel::{LayerNorm, SimdLevel, normalize};

/// A layer normalization of each token.
#[derive(Debug)]
pub(crate) struct LayerNormalize {
    pub(crate) level: SimdLevel,
    pub(crate) norm: LayerNorm,
    /// Elements of the tensor.
    pub(crate) length: usize,
}

impl Compute for LayerNormalize {
    fn name(&self) -> &'static str {
        "LayerNormalize"
    }

    fn macs(&self) -> (DatumType, usize) {
        (f32::datum_type(), self.length)
    }

    fn eval(&self, inputs: &[&[f32]], to: &mut [f32], _: &mut Scratch) {
        normalize(self.level, inputs[0], &self.norm, to);
    }
}

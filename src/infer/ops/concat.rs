//! Concatenates tensors.

use tract_onnx::prelude::{Datum, DatumType};

use super::operator::{Compute, Scratch};

/// Writes its inputs in sequence, which concatenates them along the first axis that is longer than 1.
#[derive(Debug)]
pub(crate) struct Concat;

impl Compute for Concat {
    fn name(&self) -> &'static str {
        "Concat"
    }

    fn macs(&self) -> (DatumType, usize) {
        (f32::datum_type(), 0)
    }

    fn eval(&self, inputs: &[&[f32]], to: &mut [f32], _: &mut Scratch) {
        let mut at = 0;
        for input in inputs {
            to[at..at + input.len()].copy_from_slice(input);
            at += input.len();
        }
    }
}

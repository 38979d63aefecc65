//! Transposes blocks of contiguous values.
//!
//! Partitioning a feature map into windows or grids moves whole pixels, whose channels are contiguous. tract
//! moves axes element by element.

use tract_onnx::prelude::{Datum, DatumType};

use super::operator::{Compute, Scratch};

/// `[outer][first][second][block]` to `[outer][second][first][block]`.
#[derive(Debug)]
pub(crate) struct BlockTranspose {
    pub(crate) first: usize,
    pub(crate) second: usize,
    pub(crate) block: usize,
}

impl Compute for BlockTranspose {
    fn name(&self) -> &'static str {
        "BlockTranspose"
    }

    fn macs(&self) -> (DatumType, usize) {
        (f32::datum_type(), 0)
    }

    fn eval(&self, inputs: &[&[f32]], to: &mut [f32], _: &mut Scratch) {
        let Self { first, second, block } = *self;
        let outer = first * second * block;
        for (from, to) in inputs[0].chunks_exact(outer).zip(to.chunks_exact_mut(outer)) {
            for (index, to) in to.chunks_exact_mut(block).enumerate() {
                let (second_index, first_index) = (index / first, index % first);
                to.copy_from_slice(&from[(first_index * second + second_index) * block..][..block]);
            }
        }
    }
}

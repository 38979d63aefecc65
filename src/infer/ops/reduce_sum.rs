//! Sums each channel over all pixels of a channels-last tensor, as global average pooling does.

use tract_onnx::prelude::{Datum, DatumType};

use super::operator::{Compute, Scratch};
use crate::kernel::{Isa, SimdLevel, SimdOp};

/// `[pixel][channel]` to `[channel]`.
#[derive(Debug)]
pub(crate) struct ChannelSum {
    pub(crate) level: SimdLevel,
    pub(crate) channels: usize,
    pub(crate) pixels: usize,
}

impl Compute for ChannelSum {
    fn name(&self) -> &'static str {
        "ChannelSum"
    }

    fn macs(&self) -> (DatumType, usize) {
        (f32::datum_type(), self.channels * self.pixels)
    }

    fn eval(&self, inputs: &[&[f32]], to: &mut [f32], _: &mut Scratch) {
        self.level.dispatch(Accumulate { from: inputs[0], to });
    }
}

struct Accumulate<'a> {
    from: &'a [f32],
    to: &'a mut [f32],
}

impl SimdOp for Accumulate<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, _: I) {
        self.to.fill(0.0);
        for pixel in self.from.chunks_exact(self.to.len()) {
            for (sum, value) in self.to.iter_mut().zip(pixel) {
                *sum += value;
            }
        }
    }
}

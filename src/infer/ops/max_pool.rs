//! Maximum over 2x2 pixels, channels last.

use tract_onnx::prelude::{Datum, DatumType};

use super::operator::{Compute, Scratch};
use crate::kernel::{Isa, SimdLevel, SimdOp};

/// `[row][column][channel]` to half of the rows and columns. Both must be even.
#[derive(Debug)]
pub(crate) struct MaxPool {
    pub(crate) level: SimdLevel,
    /// Height, width and channels of the output.
    pub(crate) output: [usize; 3],
}

impl Compute for MaxPool {
    fn name(&self) -> &'static str {
        "MaxPool"
    }

    fn macs(&self) -> (DatumType, usize) {
        (f32::datum_type(), 0)
    }

    fn eval(&self, inputs: &[&[f32]], to: &mut [f32], _: &mut Scratch) {
        let [_, width, channels] = self.output;
        self.level.dispatch(Pool {
            from: inputs[0],
            to,
            width,
            channels,
        });
    }
}

struct Pool<'a> {
    from: &'a [f32],
    to: &'a mut [f32],
    /// Width of the output.
    width: usize,
    channels: usize,
}

/// A NaN propagates only as `a`, so only from the first of four pixels.
#[inline(always)]
fn higher(a: f32, b: f32) -> f32 {
    if b > a { b } else { a }
}

impl SimdOp for Pool<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, _: I) {
        let Self {
            from,
            to,
            width,
            channels,
        } = self;
        let rows = from.chunks_exact(4 * width * channels);
        for (rows, to) in rows.zip(to.chunks_exact_mut(width * channels)) {
            let (upper, lower) = rows.split_at(2 * width * channels);
            let pixels = upper
                .chunks_exact(2 * channels)
                .zip(lower.chunks_exact(2 * channels));
            for ((upper, lower), to) in pixels.zip(to.chunks_exact_mut(channels)) {
                let (a, b) = upper.split_at(channels);
                let (c, d) = lower.split_at(channels);
                for ((((to, a), b), c), d) in to.iter_mut().zip(a).zip(b).zip(c).zip(d) {
                    *to = higher(higher(*a, *b), higher(*c, *d));
                }
            }
        }
    }
}

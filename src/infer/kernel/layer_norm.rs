//! Layer normalization.

use super::{
    isa::{Isa, LANES, SimdOp, fma},
    simd_level::SimdLevel,
};

/// Parameters of a layer normalization: J. Ba, J. Kiros and G. Hinton, "Layer normalization", arXiv
/// 1607.06450.
#[derive(Debug, Clone)]
pub(crate) struct LayerNorm {
    /// One for each channel.
    pub(crate) gain: Vec<f32>,
    /// One for each channel.
    pub(crate) bias: Vec<f32>,
    /// Added to the variance.
    pub(crate) epsilon: f32,
}

/// Normalizes each of the rows of `from`, which have as many values as `norm` has gains.
pub(crate) fn normalize(level: SimdLevel, from: &[f32], norm: &LayerNorm, to: &mut [f32]) {
    level.dispatch(Normalize { from, norm, to });
}

struct Normalize<'a> {
    from: &'a [f32],
    norm: &'a LayerNorm,
    to: &'a mut [f32],
}

impl SimdOp for Normalize<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let channels = self.norm.gain.len();
        let rows = self.from.chunks_exact(channels);
        for (row, to) in rows.zip(self.to.chunks_exact_mut(channels)) {
            layer_norm(isa, row, self.norm, to);
        }
    }
}

/// Normalizes one row.
#[inline(always)]
pub(super) fn layer_norm<I: Isa>(isa: I, row: &[f32], norm: &LayerNorm, to: &mut [f32]) {
    let per_channel = 1.0 / row.len() as f32;
    let mean = sum::<I, false>(isa, row) * per_channel;
    for (to, value) in to.iter_mut().zip(row) {
        *to = value - mean;
    }
    let inverse_deviation = (sum::<I, true>(isa, to) * per_channel + norm.epsilon)
        .sqrt()
        .recip();
    for ((to, gain), bias) in to.iter_mut().zip(&norm.gain).zip(&norm.bias) {
        *to = fma::<I>(*to, inverse_deviation * gain, *bias);
    }
}

/// The sum of the values or of their squares.
#[inline(always)]
fn sum<I: Isa, const SQUARES: bool>(isa: I, row: &[f32]) -> f32 {
    let one = isa.splat(1.0);
    let (chunks, rest) = row.as_chunks::<LANES>();
    let mut sums = isa.splat(0.0);
    for chunk in chunks {
        let values = isa.load(chunk);
        sums = isa.mul_add(values, if SQUARES { values } else { one }, sums);
    }
    let mut total = isa.reduce_sum(sums);
    for value in rest {
        total += if SQUARES { value * value } else { *value };
    }
    total
}

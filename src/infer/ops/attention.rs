//! Scaled dot-product attention with relative position bias (A. Vaswani et al., "Attention is all you need",
//! arXiv 1706.03762; Z. Liu et al., "Swin Transformer", arXiv 2103.14030) in one operator.
//!
//! The scores of a few query tokens at a time stay in the L1 cache. The queries must include the scale of the
//! scores.

use tract_onnx::prelude::{Datum, DatumType};

use super::operator::{Compute, Scratch};
use crate::kernel::{Isa, LANES, SimdLevel, SimdOp, exp, first_lanes};

/// Query tokens whose scores are computed together.
const QUERIES: usize = 4;

/// `softmax(q * k + bias) * v` for `[group][token][q, k, v][head][depth]`, giving
/// `[group][token][head][depth]`.
#[derive(Debug)]
pub(crate) struct Attention {
    level: SimdLevel,
    groups: usize,
    tokens: usize,
    heads: usize,
    /// Channels of a head: a multiple of [`LANES`].
    depth: usize,
    /// `[head][query][key]`, the keys padded to a multiple of [`LANES`] with a bias that gives them zero
    /// weight.
    bias: Box<[f32]>,
}

impl Attention {
    /// With a bias `[head][query][key]`. `None` if the depth is not a multiple of [`LANES`], or if the size
    /// of the bias does not match.
    pub(crate) fn new(
        level: SimdLevel,
        [groups, tokens, heads, depth]: [usize; 4],
        bias: &[f32],
    ) -> Option<Self> {
        if !depth.is_multiple_of(LANES) || bias.len() != heads * tokens * tokens {
            return None;
        }
        let padded = tokens.next_multiple_of(LANES);
        let mut padded_bias = Vec::with_capacity(heads * tokens * padded);
        for row in bias.chunks_exact(tokens) {
            padded_bias.extend_from_slice(row);
            padded_bias.resize(padded_bias.len() + padded - tokens, f32::MIN);
        }
        Some(Self {
            level,
            groups,
            tokens,
            heads,
            depth,
            bias: padded_bias.into(),
        })
    }
}

impl Compute for Attention {
    fn name(&self) -> &'static str {
        "Attention"
    }

    fn macs(&self) -> (DatumType, usize) {
        let scores = self.groups * self.heads * self.tokens * self.tokens;
        (f32::datum_type(), 2 * scores * self.depth)
    }

    fn eval(&self, inputs: &[&[f32]], to: &mut [f32], scratch: &mut Scratch) {
        // Zeroed, because the padding of the keys must be finite.
        scratch.values.clear();
        let size = (self.depth + QUERIES) * self.tokens.next_multiple_of(LANES);
        scratch.values.resize(size, 0.0);
        self.level.dispatch(Attend {
            attention: self,
            from: inputs[0],
            to,
            scratch: &mut scratch.values,
        });
    }
}

struct Attend<'a> {
    attention: &'a Attention,
    from: &'a [f32],
    to: &'a mut [f32],
    scratch: &'a mut [f32],
}

impl SimdOp for Attend<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let Attention {
            tokens, heads, depth, ..
        } = *self.attention;
        let channels = heads * depth;
        let padded = tokens.next_multiple_of(LANES);
        let (keys, scores) = self.scratch.split_at_mut(depth * padded);
        let groups = self.from.chunks_exact(tokens * 3 * channels);
        for (from, to) in groups.zip(self.to.chunks_exact_mut(tokens * channels)) {
            for head in 0..heads {
                pack_keys(&from[channels + head * depth..], 3 * channels, depth, keys);
                for first in (0..tokens).step_by(QUERIES) {
                    // Past the end, the last query is repeated and its results are dropped. Plain loops: a
                    // closure that fills an array is not inlined.
                    let mut queries: [&[f32]; QUERIES] = [&[]; QUERIES];
                    let mut bias: [&[f32]; QUERIES] = [&[]; QUERIES];
                    for row in 0..QUERIES {
                        let token = (first + row).min(tokens - 1);
                        queries[row] = &from[token * 3 * channels + head * depth..][..depth];
                        bias[row] = &self.attention.bias[(head * tokens + token) * padded..][..padded];
                    }
                    query_keys(isa, queries, keys, bias, scores);
                    let mut inverse_sums = [0.0; QUERIES];
                    for (row, inverse) in scores.chunks_exact_mut(padded).zip(&mut inverse_sums) {
                        *inverse = 1.0 / exp_scores(isa, row);
                    }
                    let values = &from[2 * channels + head * depth..];
                    for start in (0..depth).step_by(LANES) {
                        let sums = weigh_values(isa, scores, &values[start..], 3 * channels, tokens);
                        for (row, sum) in sums.iter().enumerate().take(tokens - first) {
                            let at = (first + row) * channels + head * depth + start;
                            if let Some(to) = to[at..].first_chunk_mut() {
                                isa.store(isa.mul(*sum, isa.splat(inverse_sums[row])), to);
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Packs keys, which are `stride` values apart, as `[token / 16][depth][16 tokens]`.
#[inline(always)]
fn pack_keys(from: &[f32], stride: usize, depth: usize, to: &mut [f32]) {
    let panels = to.chunks_exact_mut(depth * LANES);
    for (panel, from) in panels.zip(from.chunks(LANES * stride)) {
        let (columns, _) = panel.as_chunks_mut::<LANES>();
        for (lane, key) in from.chunks(stride).enumerate() {
            for (column, value) in columns.iter_mut().zip(key) {
                // The remainder avoids the bounds check.
                column[lane % LANES] = *value;
            }
        }
    }
}

/// Writes `q * k + bias` for each query.
#[inline(always)]
fn query_keys<I: Isa>(
    isa: I,
    queries: [&[f32]; QUERIES],
    keys: &[f32],
    bias: [&[f32]; QUERIES],
    scores: &mut [f32],
) {
    let padded = bias[0].len();
    let [first, second, third, fourth] = queries;
    let panels = keys.chunks_exact(first.len() * LANES);
    for (start, panel) in (0..padded).step_by(LANES).zip(panels) {
        let mut sums = [isa.splat(0.0); QUERIES];
        for (sum, bias) in sums.iter_mut().zip(&bias) {
            *sum = isa.load(first_lanes(&bias[start..]));
        }
        let queries = first.iter().zip(second).zip(third.iter().zip(fourth));
        for (keys, ((a, b), (c, d))) in panel.as_chunks().0.iter().zip(queries) {
            let keys = isa.load(keys);
            for (sum, query) in sums.iter_mut().zip([a, b, c, d]) {
                *sum = isa.mul_add(isa.splat(*query), keys, *sum);
            }
        }
        for (row, sum) in scores.chunks_exact_mut(padded).zip(&sums) {
            if let Some(to) = row[start..].first_chunk_mut() {
                isa.store(*sum, to);
            }
        }
    }
}

/// Replaces scores with `exp(score - max)` and returns their sum: a softmax without the division.
#[inline(always)]
fn exp_scores<I: Isa>(isa: I, scores: &mut [f32]) -> f32 {
    let (chunks, _) = scores.as_chunks_mut::<LANES>();
    let mut max = isa.splat(f32::MIN);
    for chunk in &*chunks {
        max = isa.max(isa.load(chunk), max);
    }
    let max = isa.splat(isa.reduce_max(max));
    let mut sums = isa.splat(0.0);
    for chunk in chunks {
        let weights = exp(isa, isa.sub(isa.load(chunk), max));
        isa.store(weights, chunk);
        sums = isa.mul_add(weights, isa.splat(1.0), sums);
    }
    isa.reduce_sum(sums)
}

/// Sums one vector of the values, weighted by the exponentials of each query's scores.
#[inline(always)]
fn weigh_values<I: Isa>(
    isa: I,
    scores: &[f32],
    values: &[f32],
    stride: usize,
    tokens: usize,
) -> [I::Floats; QUERIES] {
    let padded = scores.len() / QUERIES;
    let mut rows: [&[f32]; QUERIES] = [&[]; QUERIES];
    for (row, to) in rows.iter_mut().enumerate() {
        *to = &scores[row * padded..][..tokens];
    }
    let [first, second, third, fourth] = rows;
    let weights = first.iter().zip(second).zip(third.iter().zip(fourth));
    let mut sums = [isa.splat(0.0); QUERIES];
    for (values, ((a, b), (c, d))) in values.chunks(stride).zip(weights) {
        let values = isa.load(first_lanes(values));
        for (sum, weight) in sums.iter_mut().zip([a, b, c, d]) {
            *sum = isa.mul_add(isa.splat(*weight), values, *sum);
        }
    }
    sums
}

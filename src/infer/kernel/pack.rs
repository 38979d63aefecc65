//! Quantizes activations per token and packs them as an operand of the matrix product.
//!
//! Quantization is dynamic: each token (or pixel) gets its own scale and offset from its own range, so no
//! calibration is needed and an outlier does not reduce the resolution of other tokens. With one byte it is
//! asymmetric: level 0 is the token's minimum and level 255 its maximum. For the output of a GELU, which has
//! hardly any negative range, this has twice the resolution of symmetric levels. With two bytes, symmetric
//! levels are sufficient.

use super::{
    isa::{Isa, K_PACK, LANES, SimdOp, quantized},
    layer_norm::{LayerNorm, layer_norm},
    simd_level::SimdLevel,
};

/// Memory layout of a matrix of tokens (or pixels) and channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    /// `[token][channel]`, as in NHWC.
    ChannelsLast,
    /// `[channel][token]`, as in NCHW.
    ChannelsFirst,
}

/// Which operand of the matrix product a matrix is packed as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operand {
    /// `[row][K group][4]`
    Rows,
    /// `[row / 16][K group][16 rows][4]`
    Panels,
}

/// The operation applied to the channels of each token before they are quantized. Requires
/// [`Layout::ChannelsLast`].
#[derive(Clone, Copy)]
pub(crate) enum Prologue<'a> {
    /// Nothing.
    None,
    /// A layer normalization.
    LayerNorm(&'a LayerNorm),
    /// A multiplication by one factor per channel.
    Scale(&'a [f32]),
    /// The channels are not stored as such: the function writes those of the token with this index (im2col).
    Gather(&'a dyn Fn(usize, &mut [f32])),
}

/// Activations in memory.
#[derive(Clone, Copy)]
pub(crate) struct ActivationView<'a> {
    /// `tokens * channels` values; ignored by [`Prologue::Gather`].
    pub(crate) values: &'a [f32],
    pub(crate) layout: Layout,
    pub(crate) tokens: usize,
    pub(crate) channels: usize,
    pub(crate) prologue: Prologue<'a>,
}

/// Quantized and packed activations: `value = level * scale + offset`, with a scale and an offset per token.
/// (The offset is `-zero_point * scale` with a zero point that is not rounded to an integer.) Buffers are
/// reused.
#[derive(Debug, Default)]
pub(crate) struct PackedActivations {
    /// Packed as an [`Operand`] whose rows are tokens. A K group has four channels, or two with two-byte
    /// activations. Padding channels may hold any value: their weights are zero.
    pub(super) bytes: Vec<u8>,
    /// Rows of weights, widened to two bytes each.
    pub(super) widened: Vec<u8>,
    /// One for each token, padded to a multiple of [`LANES`].
    pub(super) scales: Vec<f32>,
    /// As `scales`.
    pub(super) offsets: Vec<f32>,
    /// As `scales`: [`QuantParams::base`] and [`QuantParams::inverse_scale`] of channels-first activations.
    bases: Vec<f32>,
    inverse_scales: Vec<f32>,
    /// One token's channels after a prologue.
    row: Vec<f32>,
}

/// The number of K groups for this number of one-byte channels.
#[inline(always)]
pub(super) fn groups(channels: usize) -> usize {
    channels.div_ceil(K_PACK)
}

/// Applies the prologue, quantizes, and packs as `operand`.
pub(crate) fn pack(level: SimdLevel, from: ActivationView<'_>, operand: Operand, to: &mut PackedActivations) {
    let padded = from.tokens.next_multiple_of(LANES);
    for values in [
        &mut to.scales,
        &mut to.offsets,
        &mut to.bases,
        &mut to.inverse_scales,
    ] {
        values.resize(padded, 0.0);
    }
    let size = padded * groups(from.channels) * K_PACK * level.activation_bytes();
    if to.bytes.len() < size {
        to.bytes.resize(size, 0);
    }
    debug_assert!(matches!(
        (from.layout, from.prologue),
        (Layout::ChannelsLast, _) | (_, Prologue::None)
    ));
    level.dispatch(Pack { from, operand, to });
}

struct Pack<'a> {
    from: ActivationView<'a>,
    operand: Operand,
    to: &'a mut PackedActivations,
}

impl SimdOp for Pack<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let Self { from, operand, to } = self;
        match from.layout {
            Layout::ChannelsLast => pack_channels_last(isa, from, operand, to),
            Layout::ChannelsFirst => pack_channels_first::<I>(from, operand, to),
        }
    }
}

/// Like [`f32::max`], but returns `b` if either is NaN, which is one instruction in SIMD.
#[inline(always)]
fn max(a: f32, b: f32) -> f32 {
    if a > b { a } else { b }
}

/// Like [`f32::min`], but returns `b` if either is NaN.
#[inline(always)]
fn min(a: f32, b: f32) -> f32 {
    if a < b { a } else { b }
}

/// How the values of one token are quantized: `level = round((value - base) * inverse_scale)`, and
/// dequantized: `value = level * scale + offset`. Dequantization sees the signed values of signed bytes, so
/// `offset` and `base` differ for them.
struct QuantParams {
    scale: f32,
    offset: f32,
    base: f32,
    inverse_scale: f32,
}

impl QuantParams {
    /// For a token's values from `lowest` to `highest`.
    #[inline(always)]
    fn for_range<I: Isa>(lowest: f32, highest: f32, channels: usize) -> Self {
        if I::ACTIVATION_BYTES == 2 {
            let range = max(highest, -lowest);
            let levels = max_level(channels);
            return Self {
                scale: range / levels,
                offset: 0.0,
                base: 0.0,
                inverse_scale: inverse_scale(range, levels),
            };
        }
        let range = highest - lowest;
        let scale = range * (1.0 / 255.0);
        Self {
            scale,
            offset: if I::UNSIGNED {
                lowest
            } else {
                lowest + 128.0 * scale
            },
            base: lowest,
            inverse_scale: inverse_scale(range, 255.0),
        }
    }
}

/// `levels / range`, or zero if the range is zero or so small that this overflows.
#[inline(always)]
pub(crate) fn inverse_scale(range: f32, levels: f32) -> f32 {
    let inverse = levels / range;
    if inverse < f32::MAX { inverse } else { 0.0 }
}

/// The highest symmetric two-byte level with which no sum over all channels overflows 32 bits.
#[inline(always)]
pub(super) fn max_level(channels: usize) -> f32 {
    (i32::MAX as usize / 127 / channels).min(i16::MAX as usize) as f32
}

/// Quantizes some channels of one token.
#[inline(always)]
fn quantize_row<I: Isa>(isa: I, values: &[f32], params: &QuantParams, to: &mut [u8]) {
    let (whole, rest) = values.as_chunks::<LANES>();
    let size = LANES * I::ACTIVATION_BYTES;
    for (values, to) in whole.iter().zip(to.chunks_exact_mut(size)) {
        isa.quantize(values, params.base, params.inverse_scale, to);
    }
    match values.last_chunk() {
        // The last vector overlaps the one before.
        Some(last) if !rest.is_empty() => {
            let start = (values.len() - LANES) * I::ACTIVATION_BYTES;
            isa.quantize(last, params.base, params.inverse_scale, &mut to[start..]);
        }
        Some(_) => (),
        None => {
            for (value, to) in rest.iter().zip(to.chunks_exact_mut(I::ACTIVATION_BYTES)) {
                let level = quantized::<I>(*value, params.base, params.inverse_scale).to_le_bytes();
                to.copy_from_slice(&level[..I::ACTIVATION_BYTES]);
            }
        }
    }
}

/// Minimum and maximum of a row.
#[inline(always)]
fn range<I: Isa>(isa: I, row: &[f32]) -> (f32, f32) {
    let Some(last) = row.last_chunk() else {
        let (mut lowest, mut highest) = (row[0], row[0]);
        for value in row {
            lowest = min(*value, lowest);
            highest = max(*value, highest);
        }
        return (lowest, highest);
    };
    // The last vector overlaps the one before.
    let (mut low, mut high) = (isa.load(last), isa.load(last));
    for chunk in row.as_chunks().0 {
        let values = isa.load(chunk);
        low = isa.min(values, low);
        high = isa.max(values, high);
    }
    (isa.reduce_min(low), isa.reduce_max(high))
}

#[inline(always)]
fn pack_channels_last<I: Isa>(
    isa: I,
    from: ActivationView<'_>,
    operand: Operand,
    to: &mut PackedActivations,
) {
    let padded = groups(from.channels) * K_PACK * I::ACTIVATION_BYTES;
    let mut buffer = std::mem::take(&mut to.row);
    buffer.resize(from.channels, 0.0);
    for token in 0..from.tokens {
        let stored = || &from.values[token * from.channels..][..from.channels];
        let row = match from.prologue {
            Prologue::None => stored(),
            Prologue::LayerNorm(norm) => {
                layer_norm(isa, stored(), norm, &mut buffer);
                &buffer
            }
            Prologue::Scale(factors) => {
                for ((to, value), factor) in buffer.iter_mut().zip(stored()).zip(factors) {
                    *to = value * factor;
                }
                &buffer
            }
            Prologue::Gather(gather) => {
                gather(token, &mut buffer);
                &buffer
            }
        };
        let (lowest, highest) = range(isa, row);
        let params = QuantParams::for_range::<I>(lowest, highest, from.channels);
        (to.scales[token], to.offsets[token]) = (params.scale, params.offset);
        match operand {
            Operand::Rows => {
                quantize_row(isa, row, &params, &mut to.bytes[token * padded..][..padded]);
            }
            Operand::Panels => {
                let start = token / LANES * LANES * padded + token % LANES * K_PACK;
                let to = to.bytes[start..].chunks_mut(LANES * K_PACK);
                for (to, values) in to.zip(row.chunks(K_PACK / I::ACTIVATION_BYTES)) {
                    quantize_row(isa, values, &params, &mut to[..K_PACK]);
                }
            }
        }
    }
    to.row = buffer;
}

#[inline(always)]
fn pack_channels_first<I: Isa>(from: ActivationView<'_>, operand: Operand, to: &mut PackedActivations) {
    quantize_columns::<I>(from, to);
    let (tokens, channels) = (from.tokens, from.channels);
    let groups = groups(channels) * I::ACTIVATION_BYTES;
    let group_channels = K_PACK / I::ACTIVATION_BYTES;
    for start in (0..tokens).step_by(LANES) {
        let count = LANES.min(tokens - start);
        let (mut base, mut inverse_scale) = ([0.0; LANES], [0.0; LANES]);
        base[..count].copy_from_slice(&to.bases[start..start + count]);
        inverse_scale[..count].copy_from_slice(&to.inverse_scales[start..start + count]);
        for group in 0..groups {
            let mut words = [0_u32; LANES];
            for next in 0..group_channels.min(channels.saturating_sub(group * group_channels)) {
                let column = &from.values[(group * group_channels + next) * tokens + start..][..count];
                let mut values = [0.0; LANES];
                // A length known at compile time keeps the values in a register.
                match column.first_chunk::<LANES>() {
                    Some(whole) => values = *whole,
                    None => values[..count].copy_from_slice(column),
                }
                for lane in 0..LANES {
                    let level = quantized::<I>(values[lane], base[lane], inverse_scale[lane]);
                    words[lane] |= level << (8 * I::ACTIVATION_BYTES * next);
                }
            }
            match operand {
                Operand::Panels => {
                    let to = &mut to.bytes[(start * groups + group * LANES) * K_PACK..][..LANES * K_PACK];
                    for (to, word) in to.as_chunks_mut::<K_PACK>().0.iter_mut().zip(&words) {
                        *to = word.to_le_bytes();
                    }
                }
                Operand::Rows => {
                    for (token, word) in words[..count].iter().enumerate() {
                        let at = ((start + token) * groups + group) * K_PACK;
                        to.bytes[at..at + K_PACK].copy_from_slice(&word.to_le_bytes());
                    }
                }
            }
        }
    }
}

/// Finds the quantization parameters of all tokens of channels-first activations.
#[inline(always)]
fn quantize_columns<I: Isa>(from: ActivationView<'_>, to: &mut PackedActivations) {
    let tokens = from.tokens;
    // The range is collected in the buffers that later hold scale and base.
    let lowest = &mut to.bases[..tokens];
    let highest = &mut to.scales[..tokens];
    lowest.copy_from_slice(&from.values[..tokens]);
    highest.copy_from_slice(&from.values[..tokens]);
    for column in from.values.chunks_exact(tokens) {
        for ((lowest, highest), value) in lowest.iter_mut().zip(highest.iter_mut()).zip(column) {
            *lowest = min(*value, *lowest);
            *highest = max(*value, *highest);
        }
    }
    for token in 0..tokens {
        let params = QuantParams::for_range::<I>(to.bases[token], to.scales[token], from.channels);
        (to.scales[token], to.offsets[token]) = (params.scale, params.offset);
        (to.bases[token], to.inverse_scales[token]) = (params.base, params.inverse_scale);
    }
}

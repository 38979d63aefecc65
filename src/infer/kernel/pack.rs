//! Quantizes activations and lays them out for a product.

use super::isa::{Best, DEPTH, Isa, LANES, Work, fma, quantized};

/// Which of the two axes of a matrix of positions and channels lies innermost in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// All channels of a position are neighbours.
    ChannelsInner,
    /// All positions of a channel are neighbours.
    PositionsInner,
}

/// What is done to the channels of each position before they are quantized; only where they lie innermost.
#[derive(Clone, Copy)]
pub(crate) enum Before<'a> {
    /// Nothing.
    Nothing,
    /// Normalised to a mean of zero and a variance of one.
    Normalised(&'a Normalisation),
    /// Each multiplied with its own factor.
    Scaled(&'a [f32]),
    /// They are brought together from several places: those of the position that is named.
    Gathered(&'a dyn Fn(usize, &mut [f32])),
}

/// A layer normalisation: J. Ba, J. Kiros and G. Hinton, "Layer normalization", arXiv 1607.06450.
#[derive(Debug, Clone)]
pub(crate) struct Normalisation {
    /// What a channel is multiplied with.
    pub(crate) gain: Vec<f32>,
    /// What is added to it then.
    pub(crate) shift: Vec<f32>,
    /// Added to the variance.
    pub(crate) epsilon: f32,
}

/// Activations in memory.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    /// `positions * channels` numbers, or any where they are gathered.
    pub(crate) numbers: &'a [f32],
    pub(crate) order: Order,
    pub(crate) positions: usize,
    pub(crate) channels: usize,
    pub(crate) before: Before<'a>,
}

/// Quantized activations: `number = step * scale + offset` with one scale and offset a position. The buffers are
/// kept.
#[derive(Debug, Default)]
pub(crate) struct Packed {
    /// As rows `[position][group of channels][4]`, or as lanes `[position / 16][group][16 positions][4]`; a group
    /// has four channels, or two where an activation has two bytes. What fills four channels up is worth nothing,
    /// as the weights there are zero.
    pub(super) bytes: Vec<u8>,
    /// Rows of weights in two bytes each.
    pub(super) widened: Vec<u8>,
    /// One for each position, and as many more as fill the last sixteen up.
    pub(super) scales: Vec<f32>,
    /// As many.
    pub(super) offsets: Vec<f32>,
    smallest: Vec<f32>,
    inverse: Vec<f32>,
    /// A position's channels, normalised, scaled or gathered.
    row: Vec<f32>,
}

/// Groups of four channels.
#[inline(always)]
pub(super) fn groups(channels: usize) -> usize {
    channels.div_ceil(DEPTH)
}

/// Quantizes and packs as lanes or else as rows.
///
/// In one byte the smallest number of each position becomes the first of 256 steps and the largest the last: that a
/// GELU's results have hardly a negative half doubles their resolution against symmetric steps. In two bytes
/// symmetric steps are plenty.
pub(crate) fn pack(isa: Best, from: View<'_>, as_lanes: bool, to: &mut Packed) {
    let positions = from.positions.next_multiple_of(LANES);
    for numbers in [&mut to.scales, &mut to.offsets, &mut to.smallest, &mut to.inverse] {
        numbers.resize(positions, 0.0);
    }
    let size = positions * groups(from.channels) * DEPTH * isa.activation_bytes();
    if to.bytes.len() < size {
        to.bytes.resize(size, 0);
    }
    debug_assert!(matches!(
        (from.order, from.before),
        (Order::ChannelsInner, _) | (_, Before::Nothing)
    ));
    isa.run(Pack { from, as_lanes, to });
}

struct Pack<'a> {
    from: View<'a>,
    as_lanes: bool,
    to: &'a mut Packed,
}

impl Work for Pack<'_> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self) {
        let Self { from, as_lanes, to } = self;
        match from.order {
            Order::ChannelsInner => from_rows::<I>(from, as_lanes, to),
            Order::PositionsInner => from_columns::<I>(from, as_lanes, to),
        }
    }
}

#[inline(always)]
fn larger(a: f32, b: f32) -> f32 {
    if a > b { a } else { b }
}

#[inline(always)]
fn smaller(a: f32, b: f32) -> f32 {
    if a < b { a } else { b }
}

/// How the numbers of one position become steps.
struct Steps {
    scale: f32,
    offset: f32,
    /// What is taken from a number before it is multiplied with `inverse`.
    base: f32,
    inverse: f32,
}

/// From the smallest and the largest number of a position.
#[inline(always)]
fn steps<I: Isa>(smallest: f32, largest: f32, channels: usize) -> Steps {
    if I::BYTES == 2 {
        let range = larger(largest, -smallest);
        let most = most_steps(channels);
        return Steps {
            scale: range / most,
            offset: 0.0,
            base: 0.0,
            inverse: invert(range, most),
        };
    }
    let range = largest - smallest;
    let scale = range * (1.0 / 255.0);
    Steps {
        scale,
        offset: if I::UNSIGNED {
            smallest
        } else {
            smallest + 128.0 * scale
        },
        base: smallest,
        inverse: invert(range, 255.0),
    }
}

/// Steps by range; nothing where the range is nothing or too small for that.
#[inline(always)]
pub(crate) fn invert(range: f32, steps: f32) -> f32 {
    let inverse = steps / range;
    if inverse < f32::MAX { inverse } else { 0.0 }
}

/// Steps of two bytes to either side of zero: so many that no sum over all channels can leave 32 bits.
#[inline(always)]
pub(super) fn most_steps(channels: usize) -> f32 {
    (i32::MAX as usize / 127 / channels).min(i16::MAX as usize) as f32
}

/// Writes the steps of some channels, one byte or two for each.
#[inline(always)]
fn write<I: Isa>(numbers: &[f32], steps: &Steps, to: &mut [u8]) {
    let (whole, rest) = numbers.as_chunks::<LANES>();
    let size = LANES * I::BYTES;
    for (numbers, to) in whole.iter().zip(to.chunks_exact_mut(size)) {
        I::quantize(numbers, steps.base, steps.inverse, to);
    }
    match numbers.last_chunk() {
        // The last vector repeats some of the one before.
        Some(last) if !rest.is_empty() => {
            let start = (numbers.len() - LANES) * I::BYTES;
            I::quantize(last, steps.base, steps.inverse, &mut to[start..]);
        }
        Some(_) => (),
        None => {
            for (number, to) in rest.iter().zip(to.chunks_exact_mut(I::BYTES)) {
                let step = quantized::<I>(*number, steps.base, steps.inverse).to_le_bytes();
                to.copy_from_slice(&step[..I::BYTES]);
            }
        }
    }
}

/// The smallest and the largest number of a row.
#[inline(always)]
fn extremes<I: Isa>(row: &[f32]) -> (f32, f32) {
    let Some(last) = row.last_chunk() else {
        let (mut smallest, mut largest) = (row[0], row[0]);
        for number in row {
            smallest = smaller(*number, smallest);
            largest = larger(*number, largest);
        }
        return (smallest, largest);
    };
    // The last vector repeats some of the one before.
    let (mut low, mut high) = (I::load(last), I::load(last));
    for chunk in row.as_chunks().0 {
        let numbers = I::load(chunk);
        low = I::smaller(numbers, low);
        high = I::larger(numbers, high);
    }
    (I::smallest(low), I::largest(high))
}

#[inline(always)]
fn from_rows<I: Isa>(from: View<'_>, as_lanes: bool, to: &mut Packed) {
    let padded = groups(from.channels) * DEPTH * I::BYTES;
    let mut prepared = std::mem::take(&mut to.row);
    prepared.resize(from.channels, 0.0);
    for position in 0..from.positions {
        let stored = || &from.numbers[position * from.channels..][..from.channels];
        let row = match from.before {
            Before::Nothing => stored(),
            Before::Normalised(normalisation) => {
                normalise::<I>(stored(), normalisation, &mut prepared);
                &prepared
            }
            Before::Scaled(factors) => {
                for ((to, number), factor) in prepared.iter_mut().zip(stored()).zip(factors) {
                    *to = number * factor;
                }
                &prepared
            }
            Before::Gathered(gather) => {
                gather(position, &mut prepared);
                &prepared
            }
        };
        let (smallest, largest) = extremes::<I>(row);
        let steps = steps::<I>(smallest, largest, from.channels);
        (to.scales[position], to.offsets[position]) = (steps.scale, steps.offset);
        if as_lanes {
            let start = position / LANES * LANES * padded + position % LANES * DEPTH;
            let to = to.bytes[start..].chunks_mut(LANES * DEPTH);
            for (to, numbers) in to.zip(row.chunks(DEPTH / I::BYTES)) {
                write::<I>(numbers, &steps, &mut to[..DEPTH]);
            }
        } else {
            write::<I>(row, &steps, &mut to.bytes[position * padded..][..padded]);
        }
    }
    to.row = prepared;
}

#[inline(always)]
fn normalise<I: Isa>(row: &[f32], normalisation: &Normalisation, to: &mut [f32]) {
    let share = 1.0 / row.len() as f32;
    let mean = sum::<I, false>(row) * share;
    for (to, number) in to.iter_mut().zip(row) {
        *to = number - mean;
    }
    let factor = (sum::<I, true>(to) * share + normalisation.epsilon)
        .sqrt()
        .recip();
    let Normalisation { gain, shift, .. } = normalisation;
    for ((to, gain), shift) in to.iter_mut().zip(gain).zip(shift) {
        *to = fma::<I>(*to, factor * gain, *shift);
    }
}

/// The sum of numbers or of their squares.
#[inline(always)]
fn sum<I: Isa, const SQUARES: bool>(row: &[f32]) -> f32 {
    let one = I::splat(1.0);
    let (chunks, rest) = row.as_chunks::<LANES>();
    let mut sums = I::splat(0.0);
    for chunk in chunks {
        let numbers = I::load(chunk);
        sums = I::multiply_add(numbers, if SQUARES { numbers } else { one }, sums);
    }
    let mut total = I::sum(sums);
    for number in rest {
        total += if SQUARES { number * number } else { *number };
    }
    total
}

#[inline(always)]
fn from_columns<I: Isa>(from: View<'_>, as_lanes: bool, to: &mut Packed) {
    let (positions, channels) = (from.positions, from.channels);
    let groups = groups(channels) * I::BYTES;
    let width = DEPTH / I::BYTES;
    let Packed {
        bytes,
        scales,
        offsets,
        smallest,
        inverse,
        ..
    } = to;
    let smallest = &mut smallest[..positions];
    let largest = &mut scales[..positions];
    smallest.copy_from_slice(&from.numbers[..positions]);
    largest.copy_from_slice(&from.numbers[..positions]);
    for column in from.numbers.chunks_exact(positions) {
        for ((smallest, largest), number) in smallest.iter_mut().zip(largest.iter_mut()).zip(column) {
            *smallest = smaller(*number, *smallest);
            *largest = larger(*number, *largest);
        }
    }
    for position in 0..positions {
        let steps = steps::<I>(smallest[position], scales[position], channels);
        // The scale stands where the largest number stood, and the base where the smallest did.
        (scales[position], offsets[position]) = (steps.scale, steps.offset);
        (smallest[position], inverse[position]) = (steps.base, steps.inverse);
    }
    for start in (0..positions).step_by(LANES) {
        let count = LANES.min(positions - start);
        let (mut base, mut factor) = ([0.0; LANES], [0.0; LANES]);
        base[..count].copy_from_slice(&smallest[start..start + count]);
        factor[..count].copy_from_slice(&inverse[start..start + count]);
        for group in 0..groups {
            let mut words = [0_u32; LANES];
            for depth in 0..width.min(channels.saturating_sub(group * width)) {
                let column = &from.numbers[(group * width + depth) * positions + start..][..count];
                let mut numbers = [0.0; LANES];
                // A length known to the compiler, where there is one, keeps the numbers in a register.
                match column.first_chunk::<LANES>() {
                    Some(whole) => numbers = *whole,
                    None => numbers[..count].copy_from_slice(column),
                }
                for lane in 0..LANES {
                    let step = quantized::<I>(numbers[lane], base[lane], factor[lane]);
                    words[lane] |= step << (8 * I::BYTES * depth);
                }
            }
            if as_lanes {
                let to = &mut bytes[(start * groups + group * LANES) * DEPTH..][..LANES * DEPTH];
                for (to, word) in to.as_chunks_mut::<DEPTH>().0.iter_mut().zip(&words) {
                    *to = word.to_le_bytes();
                }
            } else {
                for (position, word) in words[..count].iter().enumerate() {
                    let at = ((start + position) * groups + group) * DEPTH;
                    bytes[at..at + DEPTH].copy_from_slice(&word.to_le_bytes());
                }
            }
        }
    }
}

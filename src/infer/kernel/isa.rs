//! The instruction sets, and how a loop is run on the best of them.

#[cfg(target_arch = "aarch64")]
use super::arm::{Dotprod, Neon};
use super::portable::Portable;
#[cfg(target_arch = "x86_64")]
use super::x86::{Avx2, Avx512Vnni};

/// Lanes of one vector of sums, on every instruction set.
pub(crate) const LANES: usize = 16;

/// Bytes of activations that one step of a product takes; a group of as many weights is laid out together.
pub(super) const DEPTH: usize = 4;

/// One instruction set.
///
/// Implementations may use instructions that not every processor has: they are only run through
/// [`Best::run`], inside a function that is compiled for them.
pub(crate) trait Isa {
    /// Whether a fused multiply-add is one instruction.
    const FMA: bool;
    /// Bytes of one activation. With one it is a step of 256, by a scale and an offset of its position; with two a
    /// symmetric step of thousands, for whatever is worth the dearer products of sixteen bits.
    const BYTES: usize = 1;
    /// Whether activations of one byte are unsigned, as the vector instruction may want, or signed.
    const UNSIGNED: bool;
    /// Rows of one tile of a product, at most eight.
    const ROWS: usize;
    /// Vectors of lanes of one, at most three.
    const VECTORS: usize;
    /// Sixteen sums.
    type Sums: Copy;
    /// Sixteen floats.
    type Floats: Copy;

    /// Sums of nothing.
    fn zero() -> Self::Sums;

    /// Adds to each sum the products of four bytes with those of its lane. One side are activations, the other
    /// signed weights other than -128; `BY_POSITION` says that the activations are in the row.
    fn add<const BY_POSITION: bool>(
        sums: Self::Sums,
        row: [u8; DEPTH],
        lanes: &[u8; LANES * DEPTH],
    ) -> Self::Sums;

    /// The sums of one tile. All rows have the same number of groups, and all panels.
    ///
    /// With activations of two bytes, those of four channels are two groups. Weights in rows are then of two bytes
    /// too, and their panels hold four channels of sixteen outputs, two and two.
    #[inline(always)]
    fn products<const ROWS: usize, const WIDTH: usize, const BY_POSITION: bool>(
        rows: [&[[u8; DEPTH]]; ROWS],
        panels: [&[[u8; LANES * DEPTH]]; WIDTH],
    ) -> [[Self::Sums; WIDTH]; ROWS] {
        let mut sums = [[Self::zero(); WIDTH]; ROWS];
        for group in 0..panels[0].len() {
            for panel in 0..WIDTH {
                // SAFETY: all panels and rows have this many elements.
                let lanes = unsafe { panels[panel].get_unchecked(group) };
                for row in 0..ROWS {
                    // SAFETY: as above.
                    let row_bytes = unsafe { *rows[row].get_unchecked(group) };
                    sums[row][panel] = Self::add::<BY_POSITION>(sums[row][panel], row_bytes, lanes);
                }
            }
        }
        sums
    }

    /// The sums as floats.
    fn to_floats(sums: Self::Sums) -> Self::Floats;

    /// The same number sixteen times.
    fn splat(number: f32) -> Self::Floats;

    /// Sixteen numbers from memory.
    fn load(numbers: &[f32; LANES]) -> Self::Floats;

    /// Writes sixteen numbers.
    fn store(numbers: Self::Floats, to: &mut [f32; LANES]);

    /// Rounds `(number - base) * inverse` to a step for each number, of [`Isa::BYTES`] bytes.
    #[inline(always)]
    fn quantize(numbers: &[f32; LANES], base: f32, inverse: f32, to: &mut [u8]) {
        for (to, number) in to.chunks_exact_mut(Self::BYTES).zip(numbers) {
            let step = quantized::<Self>(*number, base, inverse).to_le_bytes();
            to.copy_from_slice(&step[..Self::BYTES]);
        }
    }

    /// `a * b + c`, fused if [`Isa::FMA`].
    fn multiply_add(a: Self::Floats, b: Self::Floats, c: Self::Floats) -> Self::Floats;

    /// `a * b`
    fn multiply(a: Self::Floats, b: Self::Floats) -> Self::Floats;

    /// `a - b`
    fn subtract(a: Self::Floats, b: Self::Floats) -> Self::Floats;

    /// `numbers * 2^n`, where a whole `n` stands in the low bits of `powers`, as adding 1.5 * 2^23 to it leaves it. Numbers and
    /// results are between the smallest normal number and infinity.
    fn times_power_of_two(numbers: Self::Floats, powers: Self::Floats) -> Self::Floats;

    /// The sum of sixteen numbers.
    #[inline(always)]
    fn sum(numbers: Self::Floats) -> f32 {
        let mut lanes = [0.0; LANES];
        Self::store(numbers, &mut lanes);
        for half in [8, 4, 2, 1] {
            let (first, second) = lanes.split_at_mut(half);
            for (sum, other) in first.iter_mut().zip(second) {
                *sum += *other;
            }
        }
        lanes[0]
    }

    /// The smallest of sixteen numbers.
    #[inline(always)]
    fn smallest(numbers: Self::Floats) -> f32 {
        let mut lanes = [0.0; LANES];
        Self::store(numbers, &mut lanes);
        let mut smallest = lanes[0];
        for lane in lanes {
            smallest = if lane < smallest { lane } else { smallest };
        }
        smallest
    }

    /// The largest of sixteen numbers.
    #[inline(always)]
    fn largest(numbers: Self::Floats) -> f32 {
        let mut lanes = [0.0; LANES];
        Self::store(numbers, &mut lanes);
        let mut largest = lanes[0];
        for lane in lanes {
            largest = if lane > largest { lane } else { largest };
        }
        largest
    }

    /// Of each lane `then` where `a > b`, and `otherwise` elsewhere, also where one is no number.
    #[inline(always)]
    fn where_larger(
        a: Self::Floats,
        b: Self::Floats,
        then: Self::Floats,
        otherwise: Self::Floats,
    ) -> Self::Floats {
        let mut lanes = [[0.0; LANES]; 4];
        for (lanes, numbers) in lanes.iter_mut().zip([a, b, then, otherwise]) {
            Self::store(numbers, lanes);
        }
        let [a, b, then, mut to] = lanes;
        for lane in 0..LANES {
            to[lane] = if a[lane] > b[lane] { then[lane] } else { to[lane] };
        }
        Self::load(&to)
    }

    /// The smaller of each two numbers; where one is none, the second or none.
    #[inline(always)]
    fn smaller(a: Self::Floats, b: Self::Floats) -> Self::Floats {
        let (mut left, mut right) = ([0.0; LANES], [0.0; LANES]);
        Self::store(a, &mut left);
        Self::store(b, &mut right);
        for (a, b) in left.iter().zip(&mut right) {
            *b = if *a < *b { *a } else { *b };
        }
        Self::load(&right)
    }

    /// The larger of each two numbers; where one is none, the second or none.
    #[inline(always)]
    fn larger(a: Self::Floats, b: Self::Floats) -> Self::Floats {
        let (mut left, mut right) = ([0.0; LANES], [0.0; LANES]);
        Self::store(a, &mut left);
        Self::store(b, &mut right);
        for (a, b) in left.iter().zip(&mut right) {
            *b = if *a > *b { *a } else { *b };
        }
        Self::load(&right)
    }
}

/// Something to be done on any instruction set. `run` must be `#[inline(always)]`, so that it is compiled
/// for it.
pub(crate) trait Work {
    /// The result.
    type Output;
    /// Does it.
    fn run<I: Isa>(self) -> Self::Output;
}

/// The step that `number` is rounded to, in the low byte or two. Adding 1.5 * 2^23 rounds to the nearest whole
/// number, ties to even, and leaves it in the low bits.
#[inline(always)]
pub(super) fn quantized<I: Isa + ?Sized>(number: f32, base: f32, inverse: f32) -> u32 {
    let bits = fma::<I>(number - base, inverse, 12_582_912.0).to_bits();
    match (I::BYTES, I::UNSIGNED) {
        (2, _) => bits & 0xffff,
        (_, true) => bits & 0xff,
        (_, false) => bits & 0xff ^ 0x80,
    }
}

/// `a * b + c`, fused where that is one instruction.
#[inline(always)]
pub(crate) fn fma<I: Isa + ?Sized>(a: f32, b: f32, c: f32) -> f32 {
    if I::FMA { a.mul_add(b, c) } else { a * b + c }
}

/// The best instruction set of the processor that the program runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Best {
    /// What the compiler makes of plain loops. Integer products are no gain here.
    Portable,
    /// AVX2 and FMA, with activations of two bytes.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// The same with activations of one byte, which takes a third less time for the products. Weights that do not fit it are left to `Avx2`.
    #[cfg(target_arch = "x86_64")]
    Avx2Bytes,
    /// AVX-512 with VNNI's four-fold products.
    #[cfg(target_arch = "x86_64")]
    Avx512Vnni,
    /// What every aarch64 processor has.
    #[cfg(target_arch = "aarch64")]
    Neon,
    /// With four-fold products.
    #[cfg(target_arch = "aarch64")]
    Dotprod,
}

impl Best {
    /// Asks the processor.
    pub(crate) fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
            let avx512 = is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512vl")
                && is_x86_feature_detected!("avx512dq");
            if avx2 && avx512 && is_x86_feature_detected!("avx512vnni") {
                return Self::Avx512Vnni;
            }
            if avx2 {
                return Self::Avx2Bytes;
            }
        }
        #[cfg(target_arch = "aarch64")]
        return if std::arch::is_aarch64_feature_detected!("dotprod") {
            Self::Dotprod
        } else {
            Self::Neon
        };
        #[cfg(not(target_arch = "aarch64"))]
        Self::Portable
    }

    /// Whether products of integers are faster than those of floats.
    pub(crate) fn has_integer_products(self) -> bool {
        self != Self::Portable
    }

    /// Whether that is so with layers of few channels. On an emulated Cortex-A72 CenterFace took 1.03 of the instructions of floats, as an A76 0.64.
    pub(crate) fn pays_for_few_channels(self) -> bool {
        #[cfg(target_arch = "aarch64")]
        if self == Self::Neon {
            return false;
        }
        self.has_integer_products()
    }

    /// The one whose activations have so many steps that products are those of floats to a thousandth, if there is one.
    pub(crate) fn precise(self) -> Option<Self> {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 | Self::Avx2Bytes => Some(Self::Avx2),
            _ => None,
        }
    }

    /// Which kernels that means, and why no others.
    pub(crate) fn describe(self) -> &'static str {
        match self {
            Self::Portable => {
                if cfg!(any(target_arch = "x86", target_arch = "x86_64")) {
                    "floats: portable; no integer products (the processor has no AVX2 or no FMA)"
                } else {
                    "floats: portable; no integer products (there are kernels for 64-bit ARM and x86-64 alone)"
                }
            }
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => "integer products: AVX2, activations of 16 bits; floats: AVX2 and FMA",
            #[cfg(target_arch = "x86_64")]
            Self::Avx2Bytes => {
                "integer products: AVX2, activations of 8 bits, of 16 where weights are too large for that (no AVX-512 VNNI); floats: AVX2 and FMA"
            }
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Vnni => "integer products: AVX-512 VNNI, activations of 8 bits; floats: AVX-512",
            #[cfg(target_arch = "aarch64")]
            Self::Neon => "integer products: Neon, activations of 8 bits (no dotprod); floats: Neon",
            #[cfg(target_arch = "aarch64")]
            Self::Dotprod => "integer products: dotprod, activations of 8 bits; floats: Neon",
        }
    }

    /// Bytes of one quantized activation.
    pub(crate) fn activation_bytes(self) -> usize {
        struct Bytes;
        impl Work for Bytes {
            type Output = usize;
            #[inline(always)]
            fn run<I: Isa>(self) -> usize {
                I::BYTES
            }
        }
        self.run(Bytes)
    }

    /// Does the work on this instruction set.
    #[inline]
    pub(crate) fn run<W: Work>(self, work: W) -> W::Output {
        match self {
            Self::Portable => work.run::<Portable>(),
            // SAFETY: a variant other than `Portable` comes from `detect`, which has asked the processor, or stands for as much as that.
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => unsafe { on_avx2::<W, 2>(work) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Self::Avx2Bytes => unsafe { on_avx2::<W, 1>(work) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Vnni => unsafe { on_avx512_vnni(work) },
            #[cfg(target_arch = "aarch64")]
            Self::Neon => work.run::<Neon>(),
            // SAFETY: as above.
            #[cfg(target_arch = "aarch64")]
            Self::Dotprod => unsafe { on_dotprod(work) },
        }
    }

    /// All that this processor has.
    #[cfg(test)]
    pub(crate) fn all() -> Vec<Self> {
        let mut all = vec![Self::Portable];
        #[cfg(target_arch = "aarch64")]
        all.push(Self::Neon);
        #[cfg(target_arch = "aarch64")]
        if Self::detect() == Self::Dotprod {
            all.push(Self::Dotprod);
        }
        #[cfg(target_arch = "x86_64")]
        match Self::detect() {
            Self::Portable => (),
            Self::Avx2 | Self::Avx2Bytes => all.extend([Self::Avx2, Self::Avx2Bytes]),
            Self::Avx512Vnni => all.extend([Self::Avx2, Self::Avx2Bytes, Self::Avx512Vnni]),
        }
        all
    }
}

/// # Safety
/// The processor has these features.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn on_avx2<W: Work, const BYTES: usize>(work: W) -> W::Output {
    work.run::<Avx2<BYTES>>()
}

/// # Safety
/// The processor has these features.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")]
unsafe fn on_avx512_vnni<W: Work>(work: W) -> W::Output {
    work.run::<Avx512Vnni>()
}

/// # Safety
/// The processor has this feature.
#[cfg(target_arch = "aarch64")]
#[target_feature(enable = "dotprod")]
unsafe fn on_dotprod<W: Work>(work: W) -> W::Output {
    work.run::<Dotprod>()
}

/// The first sixteen of at least as many numbers.
#[inline(always)]
pub(crate) fn sixteen(numbers: &[f32]) -> &[f32; LANES] {
    // The slice has the length of the array.
    numbers[..LANES].first_chunk().unwrap_or_else(|| unreachable!())
}

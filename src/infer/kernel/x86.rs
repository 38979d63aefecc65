//! Sums by the vector instructions of x86-64.

use std::arch::x86_64::*;

use super::isa::{DEPTH, Isa, LANES};

/// AVX2 and FMA.
pub(super) struct Avx2;

/// AVX-512 with VNNI.
pub(super) struct Avx512Vnni;

// SAFETY of every block below: the functions are inlined into those that `isa` compiles for these features and
// calls only after the processor has been asked; loads and stores are unaligned ones of whole arrays.

impl Isa for Avx2 {
    const FMA: bool = true;
    const UNSIGNED: bool = false;
    const ROWS: usize = 4;
    type Sums = [__m256i; 2];

    #[inline(always)]
    fn zero() -> Self::Sums {
        // SAFETY: see above.
        unsafe { [_mm256_setzero_si256(); 2] }
    }

    /// The instruction adds pairs of products of an unsigned and a signed byte in 16 bits, with saturation.
    /// Magnitudes and transferred signs keep every pair within 2 * 128 * 127, so that none saturates.
    #[inline(always)]
    fn add<const BY_POSITION: bool>(
        sums: Self::Sums,
        row: [u8; DEPTH],
        lanes: &[u8; LANES * DEPTH],
    ) -> Self::Sums {
        let at = lanes.as_ptr().cast::<__m256i>();
        // SAFETY: see above.
        unsafe {
            let row = _mm256_set1_epi32(i32::from_le_bytes(row));
            let ones = _mm256_set1_epi16(1);
            let half = |sums, lanes| {
                // A sign cannot be given to -128, which activations may be.
                let (activations, weights) = if BY_POSITION { (row, lanes) } else { (lanes, row) };
                let magnitude = _mm256_abs_epi8(activations);
                let pairs = _mm256_maddubs_epi16(magnitude, _mm256_sign_epi8(weights, activations));
                _mm256_add_epi32(sums, _mm256_madd_epi16(pairs, ones))
            };
            [
                half(sums[0], _mm256_loadu_si256(at)),
                half(sums[1], _mm256_loadu_si256(at.add(1))),
            ]
        }
    }

    #[inline(always)]
    fn store(sums: Self::Sums) -> [i32; LANES] {
        let mut values = [0; LANES];
        let at = values.as_mut_ptr().cast::<__m256i>();
        // SAFETY: see above.
        unsafe {
            _mm256_storeu_si256(at, sums[0]);
            _mm256_storeu_si256(at.add(1), sums[1]);
        }
        values
    }
}

impl Isa for Avx512Vnni {
    const FMA: bool = true;
    const UNSIGNED: bool = true;
    const ROWS: usize = 8;
    type Sums = __m512i;

    #[inline(always)]
    fn zero() -> Self::Sums {
        // SAFETY: see above.
        unsafe { _mm512_setzero_si512() }
    }

    #[inline(always)]
    fn add<const BY_POSITION: bool>(
        sums: Self::Sums,
        row: [u8; DEPTH],
        lanes: &[u8; LANES * DEPTH],
    ) -> Self::Sums {
        // SAFETY: see above.
        unsafe {
            let row = _mm512_set1_epi32(i32::from_le_bytes(row));
            let lanes = _mm512_loadu_si512(lanes.as_ptr().cast());
            if BY_POSITION {
                _mm512_dpbusd_epi32(sums, row, lanes)
            } else {
                _mm512_dpbusd_epi32(sums, lanes, row)
            }
        }
    }

    #[inline(always)]
    fn store(sums: Self::Sums) -> [i32; LANES] {
        let mut values = [0; LANES];
        // SAFETY: see above.
        unsafe { _mm512_storeu_si512(values.as_mut_ptr().cast(), sums) };
        values
    }
}

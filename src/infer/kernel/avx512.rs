//! AVX-512 with VNNI of x86-64: a vector is one register.

use std::arch::x86_64::*;

use super::isa::{Isa, LANES, PanelGroup, ROUND_TO_INT, RowGroup};

/// AVX-512 with the 4-way dot product of VNNI (`vpdpbusd`).
#[derive(Clone, Copy)]
pub(super) struct Avx512Vnni(());

impl Avx512Vnni {
    /// # Safety
    /// The processor has AVX2, FMA, the F, BW, VL and DQ parts of AVX-512, and its VNNI.
    #[inline(always)]
    pub(super) unsafe fn new_unchecked() -> Self {
        Self(())
    }
}

// SAFETY: existence: the only constructor requires the features, and the methods use no other extensions.
// Bounds: loads and stores are unaligned and stay within the arrays they are given.
unsafe impl Isa for Avx512Vnni {
    const FMA: bool = true;
    const UNSIGNED: bool = true;
    const TILE_ROWS: usize = 8;
    const TILE_VECTORS: usize = 3;
    const FLOAT_ROWS: usize = 8;
    const FLOAT_VECTORS: usize = 3;
    const DEPTHWISE_PIXELS: usize = 8;
    type Acc = __m512i;
    type Floats = __m512;

    #[inline(always)]
    fn acc_zero(self) -> Self::Acc {
        // SAFETY: existence: `self` proves AVX-512.
        unsafe { _mm512_setzero_si512() }
    }

    #[inline(always)]
    fn dot4<const ACTIVATION_ROWS: bool>(
        self,
        acc: Self::Acc,
        row: RowGroup,
        lanes: &PanelGroup,
    ) -> Self::Acc {
        // SAFETY: existence: `self` proves AVX-512. Bounds: a panel group has `LANES * K_PACK` bytes.
        unsafe {
            let row = _mm512_set1_epi32(i32::from_le_bytes(row));
            let lanes = _mm512_loadu_si512(lanes.as_ptr().cast());
            if ACTIVATION_ROWS {
                _mm512_dpbusd_epi32(acc, row, lanes)
            } else {
                _mm512_dpbusd_epi32(acc, lanes, row)
            }
        }
    }

    #[inline(always)]
    fn acc_to_f32(self, acc: Self::Acc) -> Self::Floats {
        // SAFETY: existence: `self` proves AVX-512.
        unsafe { _mm512_cvtepi32_ps(acc) }
    }

    #[inline(always)]
    fn splat(self, value: f32) -> Self::Floats {
        // SAFETY: existence: `self` proves AVX-512.
        unsafe { _mm512_set1_ps(value) }
    }

    #[inline(always)]
    fn load(self, values: &[f32; LANES]) -> Self::Floats {
        // SAFETY: existence: `self` proves AVX-512. Bounds: the array has `LANES` elements.
        unsafe { _mm512_loadu_ps(values.as_ptr()) }
    }

    #[inline(always)]
    fn store(self, values: Self::Floats, to: &mut [f32; LANES]) {
        // SAFETY: existence: `self` proves AVX-512. Bounds: the array has `LANES` elements.
        unsafe { _mm512_storeu_ps(to.as_mut_ptr(), values) };
    }

    /// Rounds as `quantized` does. LLVM compiles the default implementation to scalar code.
    #[inline(always)]
    fn quantize(self, values: &[f32; LANES], base: f32, inverse_scale: f32, to: &mut [u8]) {
        let to: &mut [u8; LANES] = to.first_chunk_mut().unwrap_or_else(|| unreachable!());
        let values = self.sub(self.load(values), self.splat(base));
        let levels = self.mul_add(values, self.splat(inverse_scale), self.splat(ROUND_TO_INT));
        // SAFETY: existence: `self` proves AVX-512. Bounds: the array has `LANES` bytes.
        unsafe {
            let bytes = _mm512_cvtepi32_epi8(_mm512_castps_si512(levels));
            _mm_storeu_si128(to.as_mut_ptr().cast(), bytes);
        }
    }

    #[inline(always)]
    fn mul_add(self, a: Self::Floats, b: Self::Floats, c: Self::Floats) -> Self::Floats {
        // SAFETY: existence: `self` proves AVX-512.
        unsafe { _mm512_fmadd_ps(a, b, c) }
    }

    #[inline(always)]
    fn mul(self, a: Self::Floats, b: Self::Floats) -> Self::Floats {
        // SAFETY: existence: `self` proves AVX-512.
        unsafe { _mm512_mul_ps(a, b) }
    }

    #[inline(always)]
    fn sub(self, a: Self::Floats, b: Self::Floats) -> Self::Floats {
        // SAFETY: existence: `self` proves AVX-512.
        unsafe { _mm512_sub_ps(a, b) }
    }

    #[inline(always)]
    fn scale_exp2(self, values: Self::Floats, exponents: Self::Floats) -> Self::Floats {
        // SAFETY: existence: `self` proves AVX-512.
        unsafe {
            let exponents = _mm512_slli_epi32::<23>(_mm512_castps_si512(exponents));
            _mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(values), exponents))
        }
    }

    #[inline(always)]
    fn reduce_sum(self, values: Self::Floats) -> f32 {
        // SAFETY: existence: `self` proves AVX-512.
        unsafe { _mm512_reduce_add_ps(values) }
    }

    #[inline(always)]
    fn reduce_min(self, values: Self::Floats) -> f32 {
        // SAFETY: existence: `self` proves AVX-512.
        unsafe { _mm512_reduce_min_ps(values) }
    }

    #[inline(always)]
    fn reduce_max(self, values: Self::Floats) -> f32 {
        // SAFETY: existence: `self` proves AVX-512.
        unsafe { _mm512_reduce_max_ps(values) }
    }

    #[inline(always)]
    fn min(self, a: Self::Floats, b: Self::Floats) -> Self::Floats {
        // SAFETY: existence: `self` proves AVX-512.
        unsafe { _mm512_min_ps(a, b) }
    }

    #[inline(always)]
    fn max(self, a: Self::Floats, b: Self::Floats) -> Self::Floats {
        // SAFETY: existence: `self` proves AVX-512.
        unsafe { _mm512_max_ps(a, b) }
    }

    #[inline(always)]
    fn select_gt(
        self,
        a: Self::Floats,
        b: Self::Floats,
        then: Self::Floats,
        otherwise: Self::Floats,
    ) -> Self::Floats {
        // SAFETY: existence: `self` proves AVX-512.
        unsafe { _mm512_mask_blend_ps(_mm512_cmp_ps_mask::<_CMP_GT_OQ>(a, b), otherwise, then) }
    }
}

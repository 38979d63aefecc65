//! AVX2 and FMA of x86-64: a vector is two registers.

use std::arch::x86_64::*;

use super::isa::{Isa, LANES, PanelGroup, RowGroup};

/// AVX2 and FMA, with activations of `BYTES` bytes. With two, any weights are allowed; with one, those whose
/// pairs [cannot saturate](MAX_PAIR).
#[derive(Clone, Copy)]
pub(super) struct Avx2<const BYTES: usize>(());

/// The largest magnitude that two adjacent weights of one sign may add up to. `vpmaddubsw` adds their
/// products with activations in 16 bits, and `255 * 128` is the largest multiple of 255 that fits.
pub(super) const MAX_PAIR: u16 = 128;

impl<const BYTES: usize> Avx2<BYTES> {
    /// # Safety
    /// The processor has AVX2 and FMA.
    #[inline(always)]
    pub(super) unsafe fn new_unchecked() -> Self {
        Self(())
    }
}

// SAFETY: existence: the only constructor requires AVX2 and FMA, and the methods use no other extensions.
// Bounds: loads and stores are unaligned and stay within the arrays they are given; `quantize` checks its
// slice.
unsafe impl<const BYTES: usize> Isa for Avx2<BYTES> {
    const FMA: bool = true;
    const ACTIVATION_BYTES: usize = BYTES;
    const UNSIGNED: bool = true;
    const TILE_ROWS: usize = 5;
    const TILE_VECTORS: usize = 1;
    const FLOAT_ROWS: usize = 6;
    const FLOAT_VECTORS: usize = 1;
    type Acc = [__m256i; 2];
    type Floats = [__m256; 2];

    #[inline(always)]
    fn acc_zero(self) -> Self::Acc {
        // SAFETY: existence: `self` proves AVX2 and FMA.
        unsafe { [_mm256_setzero_si256(); 2] }
    }

    /// Two products for each accumulator if they are of 16 bits, else four.
    #[inline(always)]
    fn dot4<const ACTIVATION_ROWS: bool>(
        self,
        acc: Self::Acc,
        row: RowGroup,
        lanes: &PanelGroup,
    ) -> Self::Acc {
        let at = lanes.as_ptr().cast::<__m256i>();
        // SAFETY: existence: `self` proves AVX2 and FMA. Bounds: a panel group has `LANES * K_PACK` bytes.
        unsafe {
            let row = _mm256_set1_epi32(i32::from_le_bytes(row));
            let lanes = [_mm256_loadu_si256(at), _mm256_loadu_si256(at.add(1))];
            [
                add_products::<BYTES, ACTIVATION_ROWS>(acc[0], row, lanes[0]),
                add_products::<BYTES, ACTIVATION_ROWS>(acc[1], row, lanes[1]),
            ]
        }
    }

    #[inline(always)]
    unsafe fn dot_tile<const ROWS: usize, const WIDTH: usize, const ACTIVATION_ROWS: bool>(
        self,
        rows: [&[RowGroup]; ROWS],
        panels: [&[PanelGroup]; WIDTH],
    ) -> [[Self::Acc; WIDTH]; ROWS] {
        let mut acc = [[self.acc_zero(); WIDTH]; ROWS];
        for group in 0..panels[0].len() {
            for (panel, lanes) in panels.iter().enumerate() {
                // SAFETY: guaranteed by the caller: all panels have the same number of groups.
                let at = unsafe { lanes.get_unchecked(group) }.as_ptr();
                if BYTES == 2 && ACTIVATION_ROWS {
                    // Both halves at once: a branch on the half took 6 of 37 instructions.
                    for half in 0..2 {
                        // SAFETY: existence; each half of a panel's group is two such loads.
                        let lanes = unsafe {
                            let at = at.add(half * 32).cast::<__m128i>();
                            [
                                _mm256_cvtepi8_epi16(_mm_loadu_si128(at)),
                                _mm256_cvtepi8_epi16(_mm_loadu_si128(at.add(1))),
                            ]
                        };
                        // SAFETY: existence; guaranteed by the caller: rows have twice as many groups as
                        // panels.
                        unsafe {
                            add_rows::<BYTES, ACTIVATION_ROWS, _, _>(
                                &mut acc,
                                panel,
                                rows,
                                2 * group + half,
                                lanes,
                            );
                        };
                    }
                } else {
                    // SAFETY: existence; a panel's group is two such loads.
                    let lanes = unsafe {
                        let at = at.cast::<__m256i>();
                        [_mm256_loadu_si256(at), _mm256_loadu_si256(at.add(1))]
                    };
                    // SAFETY: existence; guaranteed by the caller: rows have at least as many groups as
                    // panels.
                    unsafe {
                        add_rows::<BYTES, ACTIVATION_ROWS, _, _>(&mut acc, panel, rows, group, lanes);
                    };
                }
            }
        }
        acc
    }

    #[inline(always)]
    fn acc_to_f32(self, acc: Self::Acc) -> Self::Floats {
        // SAFETY: existence: `self` proves AVX2 and FMA.
        unsafe { [_mm256_cvtepi32_ps(acc[0]), _mm256_cvtepi32_ps(acc[1])] }
    }

    #[inline(always)]
    fn splat(self, value: f32) -> Self::Floats {
        // SAFETY: existence: `self` proves AVX2 and FMA.
        unsafe { [_mm256_set1_ps(value); 2] }
    }

    #[inline(always)]
    fn load(self, values: &[f32; LANES]) -> Self::Floats {
        let at = values.as_ptr();
        // SAFETY: existence: `self` proves AVX2 and FMA. Bounds: the array has `LANES` elements.
        unsafe { [_mm256_loadu_ps(at), _mm256_loadu_ps(at.add(LANES / 2))] }
    }

    #[inline(always)]
    fn store(self, values: Self::Floats, to: &mut [f32; LANES]) {
        let at = to.as_mut_ptr();
        // SAFETY: existence: `self` proves AVX2 and FMA. Bounds: the array has `LANES` elements.
        unsafe {
            _mm256_storeu_ps(at, values[0]);
            _mm256_storeu_ps(at.add(LANES / 2), values[1]);
        }
    }

    #[inline(always)]
    fn quantize(self, values: &[f32; LANES], base: f32, inverse_scale: f32, to: &mut [u8]) {
        assert!(to.len() >= BYTES * LANES);
        let mut values = self.load(values);
        if BYTES == 1 {
            values = self.sub(values, self.splat(base));
        }
        let [first, second] = self.mul(values, self.splat(inverse_scale));
        // SAFETY: existence; bounds: the assertion above.
        unsafe {
            let packed = _mm256_packs_epi32(_mm256_cvtps_epi32(first), _mm256_cvtps_epi32(second));
            // `vpackssdw` packs each 128-bit half separately.
            let packed = _mm256_permute4x64_epi64::<0b11_01_10_00>(packed);
            if BYTES == 1 {
                let (low, high) = (
                    _mm256_castsi256_si128(packed),
                    _mm256_extracti128_si256::<1>(packed),
                );
                _mm_storeu_si128(to.as_mut_ptr().cast(), _mm_packus_epi16(low, high));
            } else {
                _mm256_storeu_si256(to.as_mut_ptr().cast(), packed);
            }
        }
    }

    #[inline(always)]
    fn mul_add(self, a: Self::Floats, b: Self::Floats, c: Self::Floats) -> Self::Floats {
        // SAFETY: existence: `self` proves AVX2 and FMA.
        unsafe {
            [
                _mm256_fmadd_ps(a[0], b[0], c[0]),
                _mm256_fmadd_ps(a[1], b[1], c[1]),
            ]
        }
    }

    #[inline(always)]
    fn mul(self, a: Self::Floats, b: Self::Floats) -> Self::Floats {
        // SAFETY: existence: `self` proves AVX2 and FMA.
        unsafe { [_mm256_mul_ps(a[0], b[0]), _mm256_mul_ps(a[1], b[1])] }
    }

    #[inline(always)]
    fn sub(self, a: Self::Floats, b: Self::Floats) -> Self::Floats {
        // SAFETY: existence: `self` proves AVX2 and FMA.
        unsafe { [_mm256_sub_ps(a[0], b[0]), _mm256_sub_ps(a[1], b[1])] }
    }

    #[inline(always)]
    fn scale_exp2(self, mut values: Self::Floats, exponents: Self::Floats) -> Self::Floats {
        for half in 0..2 {
            // SAFETY: existence: `self` proves AVX2 and FMA.
            values[half] = unsafe {
                let exponents = _mm256_slli_epi32::<23>(_mm256_castps_si256(exponents[half]));
                _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(values[half]), exponents))
            };
        }
        values
    }

    #[inline(always)]
    fn reduce_sum(self, values: Self::Floats) -> f32 {
        // SAFETY: existence: `self` proves AVX2 and FMA.
        unsafe {
            let four = _mm256_add_ps(values[0], values[1]);
            let four = _mm_add_ps(_mm256_castps256_ps128(four), _mm256_extractf128_ps::<1>(four));
            let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps::<1>(two, two)))
        }
    }

    #[inline(always)]
    fn reduce_min(self, values: Self::Floats) -> f32 {
        // SAFETY: existence: `self` proves AVX2 and FMA.
        unsafe {
            let four = _mm256_min_ps(values[0], values[1]);
            let four = _mm_min_ps(_mm256_castps256_ps128(four), _mm256_extractf128_ps::<1>(four));
            let two = _mm_min_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_min_ss(two, _mm_shuffle_ps::<1>(two, two)))
        }
    }

    #[inline(always)]
    fn reduce_max(self, values: Self::Floats) -> f32 {
        // SAFETY: existence: `self` proves AVX2 and FMA.
        unsafe {
            let four = _mm256_max_ps(values[0], values[1]);
            let four = _mm_max_ps(_mm256_castps256_ps128(four), _mm256_extractf128_ps::<1>(four));
            let two = _mm_max_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_max_ss(two, _mm_shuffle_ps::<1>(two, two)))
        }
    }

    #[inline(always)]
    fn min(self, a: Self::Floats, b: Self::Floats) -> Self::Floats {
        // SAFETY: existence: `self` proves AVX2 and FMA.
        unsafe { [_mm256_min_ps(a[0], b[0]), _mm256_min_ps(a[1], b[1])] }
    }

    #[inline(always)]
    fn max(self, a: Self::Floats, b: Self::Floats) -> Self::Floats {
        // SAFETY: existence: `self` proves AVX2 and FMA.
        unsafe { [_mm256_max_ps(a[0], b[0]), _mm256_max_ps(a[1], b[1])] }
    }

    #[inline(always)]
    fn select_gt(
        self,
        a: Self::Floats,
        b: Self::Floats,
        then: Self::Floats,
        mut otherwise: Self::Floats,
    ) -> Self::Floats {
        for half in 0..2 {
            // SAFETY: existence: `self` proves AVX2 and FMA.
            otherwise[half] = unsafe {
                let mask = _mm256_cmp_ps::<_CMP_GT_OQ>(a[half], b[half]);
                _mm256_blendv_ps(otherwise[half], then[half], mask)
            };
        }
        otherwise
    }
}

/// Adds to the accumulators of one panel the products of its lanes with this group of each row.
///
/// # Safety
/// The processor has AVX2, and every row has this group.
#[inline(always)]
unsafe fn add_rows<const BYTES: usize, const ACTIVATION_ROWS: bool, const ROWS: usize, const WIDTH: usize>(
    acc: &mut [[[__m256i; 2]; WIDTH]; ROWS],
    panel: usize,
    rows: [&[RowGroup]; ROWS],
    group: usize,
    lanes: [__m256i; 2],
) {
    for row in 0..ROWS {
        // SAFETY: guaranteed by the caller.
        unsafe {
            let row_group = i32::from_le_bytes(*rows[row].get_unchecked(group));
            let row_group = _mm256_set1_epi32(row_group);
            let [first, second] = &mut acc[row][panel];
            *first = add_products::<BYTES, ACTIVATION_ROWS>(*first, row_group, lanes[0]);
            *second = add_products::<BYTES, ACTIVATION_ROWS>(*second, row_group, lanes[1]);
        }
    }
}

/// Adds to each of eight accumulators two products of 16 bits, or four of 8.
///
/// # Safety
/// The processor has AVX2.
#[inline(always)]
unsafe fn add_products<const BYTES: usize, const ACTIVATION_ROWS: bool>(
    acc: __m256i,
    row: __m256i,
    lanes: __m256i,
) -> __m256i {
    // SAFETY: guaranteed by the caller.
    unsafe {
        let products = match (BYTES, ACTIVATION_ROWS) {
            (2, _) => _mm256_madd_epi16(row, lanes),
            // `vpmaddubsw` takes the unsigned activations first, then the signed weights.
            (_, true) => _mm256_madd_epi16(_mm256_maddubs_epi16(row, lanes), _mm256_set1_epi16(1)),
            (_, false) => _mm256_madd_epi16(_mm256_maddubs_epi16(lanes, row), _mm256_set1_epi16(1)),
        };
        _mm256_add_epi32(acc, products)
    }
}

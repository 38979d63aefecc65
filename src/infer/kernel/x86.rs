//! Sums by the vector instructions of x86-64.

use std::arch::x86_64::*;

use super::isa::{DEPTH, Isa, LANES};

/// AVX2 and FMA, with activations of so many bytes: two take any weights, one those whose pairs keep within
/// [`MOST_OF_PAIR`].
pub(super) struct Avx2<const BYTES: usize>;

/// What the weights of one sign in a pair may add up to: its products with the largest activations are added in sixteen bits,
/// and `255 * 128` is the last multiple of 255 there.
pub(super) const MOST_OF_PAIR: u16 = 128;

/// AVX-512 with VNNI.
pub(super) struct Avx512Vnni;

// SAFETY of every block below: the functions are inlined into those that `isa` compiles for these features and
// calls only after the processor has been asked; loads and stores are unaligned ones of whole arrays.

impl<const BYTES: usize> Isa for Avx2<BYTES> {
    const FMA: bool = true;
    const BYTES: usize = BYTES;
    const UNSIGNED: bool = true;
    const ROWS: usize = 5;
    const VECTORS: usize = 1;
    type Sums = [__m256i; 2];
    type Floats = [__m256; 2];

    #[inline(always)]
    fn zero() -> Self::Sums {
        // SAFETY: see above.
        unsafe { [_mm256_setzero_si256(); 2] }
    }

    /// With factors of sixteen bits each sum gets two products, otherwise four.
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
            let lanes = [_mm256_loadu_si256(at), _mm256_loadu_si256(at.add(1))];
            [
                add_products::<BYTES, BY_POSITION>(sums[0], row, lanes[0]),
                add_products::<BYTES, BY_POSITION>(sums[1], row, lanes[1]),
            ]
        }
    }

    #[inline(always)]
    fn products<const ROWS: usize, const WIDTH: usize, const BY_POSITION: bool>(
        rows: [&[[u8; DEPTH]]; ROWS],
        panels: [&[[u8; LANES * DEPTH]]; WIDTH],
    ) -> [[Self::Sums; WIDTH]; ROWS] {
        let mut sums = [[Self::zero(); WIDTH]; ROWS];
        for group in 0..panels[0].len() {
            for (panel, lanes) in panels.iter().enumerate() {
                // SAFETY: all panels have as many groups.
                let at = unsafe { lanes.get_unchecked(group) }.as_ptr();
                if BYTES == 2 && BY_POSITION {
                    // Two groups at once: four channels of weights lie together, and to tell the halves apart took 6 of 37 instructions.
                    for half in 0..2 {
                        // SAFETY: see above; rows have twice as many groups as a panel of weights.
                        let lanes = unsafe {
                            let at = at.add(half * 32).cast::<__m128i>();
                            [
                                _mm256_cvtepi8_epi16(_mm_loadu_si128(at)),
                                _mm256_cvtepi8_epi16(_mm_loadu_si128(at.add(1))),
                            ]
                        };
                        // SAFETY: as above.
                        unsafe {
                            add_rows::<BYTES, BY_POSITION, _, _>(
                                &mut sums,
                                panel,
                                rows,
                                2 * group + half,
                                lanes,
                            );
                        };
                    }
                } else {
                    // SAFETY: see above.
                    let lanes = unsafe {
                        let at = at.cast::<__m256i>();
                        [_mm256_loadu_si256(at), _mm256_loadu_si256(at.add(1))]
                    };
                    // SAFETY: as above.
                    unsafe {
                        add_rows::<BYTES, BY_POSITION, _, _>(&mut sums, panel, rows, group, lanes);
                    };
                }
            }
        }
        sums
    }

    #[inline(always)]
    fn to_floats(sums: Self::Sums) -> Self::Floats {
        // SAFETY: see above.
        unsafe { [_mm256_cvtepi32_ps(sums[0]), _mm256_cvtepi32_ps(sums[1])] }
    }

    #[inline(always)]
    fn splat(number: f32) -> Self::Floats {
        // SAFETY: see above.
        unsafe { [_mm256_set1_ps(number); 2] }
    }

    #[inline(always)]
    fn load(numbers: &[f32; LANES]) -> Self::Floats {
        let at = numbers.as_ptr();
        // SAFETY: see above.
        unsafe { [_mm256_loadu_ps(at), _mm256_loadu_ps(at.add(LANES / 2))] }
    }

    #[inline(always)]
    fn store(numbers: Self::Floats, to: &mut [f32; LANES]) {
        let at = to.as_mut_ptr();
        // SAFETY: see above.
        unsafe {
            _mm256_storeu_ps(at, numbers[0]);
            _mm256_storeu_ps(at.add(LANES / 2), numbers[1]);
        }
    }

    #[inline(always)]
    fn quantize(numbers: &[f32; LANES], base: f32, inverse: f32, to: &mut [u8]) {
        assert!(to.len() >= BYTES * LANES);
        let mut numbers = Self::load(numbers);
        if BYTES == 1 {
            numbers = Self::subtract(numbers, Self::splat(base));
        }
        let [first, second] = Self::multiply(numbers, Self::splat(inverse));
        // SAFETY: see above; there is room for sixteen steps.
        unsafe {
            let packed = _mm256_packs_epi32(_mm256_cvtps_epi32(first), _mm256_cvtps_epi32(second));
            // The instruction packs each half for itself.
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
    fn multiply_add(a: Self::Floats, b: Self::Floats, c: Self::Floats) -> Self::Floats {
        // SAFETY: see above.
        unsafe {
            [
                _mm256_fmadd_ps(a[0], b[0], c[0]),
                _mm256_fmadd_ps(a[1], b[1], c[1]),
            ]
        }
    }

    #[inline(always)]
    fn multiply(a: Self::Floats, b: Self::Floats) -> Self::Floats {
        // SAFETY: see above.
        unsafe { [_mm256_mul_ps(a[0], b[0]), _mm256_mul_ps(a[1], b[1])] }
    }

    #[inline(always)]
    fn subtract(a: Self::Floats, b: Self::Floats) -> Self::Floats {
        // SAFETY: see above.
        unsafe { [_mm256_sub_ps(a[0], b[0]), _mm256_sub_ps(a[1], b[1])] }
    }

    #[inline(always)]
    fn times_power_of_two(mut numbers: Self::Floats, powers: Self::Floats) -> Self::Floats {
        for half in 0..2 {
            // SAFETY: see above.
            numbers[half] = unsafe {
                let exponents = _mm256_slli_epi32::<23>(_mm256_castps_si256(powers[half]));
                _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(numbers[half]), exponents))
            };
        }
        numbers
    }

    #[inline(always)]
    fn sum(numbers: Self::Floats) -> f32 {
        // SAFETY: see above.
        unsafe {
            let four = _mm256_add_ps(numbers[0], numbers[1]);
            let four = _mm_add_ps(_mm256_castps256_ps128(four), _mm256_extractf128_ps::<1>(four));
            let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps::<1>(two, two)))
        }
    }

    #[inline(always)]
    fn smallest(numbers: Self::Floats) -> f32 {
        // SAFETY: see above.
        unsafe {
            let four = _mm256_min_ps(numbers[0], numbers[1]);
            let four = _mm_min_ps(_mm256_castps256_ps128(four), _mm256_extractf128_ps::<1>(four));
            let two = _mm_min_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_min_ss(two, _mm_shuffle_ps::<1>(two, two)))
        }
    }

    #[inline(always)]
    fn largest(numbers: Self::Floats) -> f32 {
        // SAFETY: see above.
        unsafe {
            let four = _mm256_max_ps(numbers[0], numbers[1]);
            let four = _mm_max_ps(_mm256_castps256_ps128(four), _mm256_extractf128_ps::<1>(four));
            let two = _mm_max_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_max_ss(two, _mm_shuffle_ps::<1>(two, two)))
        }
    }

    #[inline(always)]
    fn smaller(a: Self::Floats, b: Self::Floats) -> Self::Floats {
        // SAFETY: see above.
        unsafe { [_mm256_min_ps(a[0], b[0]), _mm256_min_ps(a[1], b[1])] }
    }

    #[inline(always)]
    fn larger(a: Self::Floats, b: Self::Floats) -> Self::Floats {
        // SAFETY: see above.
        unsafe { [_mm256_max_ps(a[0], b[0]), _mm256_max_ps(a[1], b[1])] }
    }

    #[inline(always)]
    fn where_larger(
        a: Self::Floats,
        b: Self::Floats,
        then: Self::Floats,
        mut otherwise: Self::Floats,
    ) -> Self::Floats {
        for half in 0..2 {
            // SAFETY: see above.
            otherwise[half] = unsafe {
                let larger = _mm256_cmp_ps::<_CMP_GT_OQ>(a[half], b[half]);
                _mm256_blendv_ps(otherwise[half], then[half], larger)
            };
        }
        otherwise
    }
}

/// Adds to the sums of one panel the products of its lanes with a group of each row.
///
/// # Safety
/// The processor has AVX2, and all rows have this group.
#[inline(always)]
unsafe fn add_rows<const BYTES: usize, const BY_POSITION: bool, const ROWS: usize, const WIDTH: usize>(
    sums: &mut [[[__m256i; 2]; WIDTH]; ROWS],
    panel: usize,
    rows: [&[[u8; DEPTH]]; ROWS],
    group: usize,
    lanes: [__m256i; 2],
) {
    for row in 0..ROWS {
        // SAFETY: by the caller.
        unsafe {
            let factors = i32::from_le_bytes(*rows[row].get_unchecked(group));
            let factors = _mm256_set1_epi32(factors);
            let [first, second] = &mut sums[row][panel];
            *first = add_products::<BYTES, BY_POSITION>(*first, factors, lanes[0]);
            *second = add_products::<BYTES, BY_POSITION>(*second, factors, lanes[1]);
        }
    }
}

/// Adds to each of eight sums two products of sixteen bits, or four of eight.
///
/// # Safety
/// The processor has AVX2.
#[inline(always)]
unsafe fn add_products<const BYTES: usize, const BY_POSITION: bool>(
    sums: __m256i,
    row: __m256i,
    lanes: __m256i,
) -> __m256i {
    // SAFETY: by the caller.
    unsafe {
        let products = match (BYTES, BY_POSITION) {
            (2, _) => _mm256_madd_epi16(row, lanes),
            // Of unsigned activations and signed weights, in this order.
            (_, true) => _mm256_madd_epi16(_mm256_maddubs_epi16(row, lanes), _mm256_set1_epi16(1)),
            (_, false) => _mm256_madd_epi16(_mm256_maddubs_epi16(lanes, row), _mm256_set1_epi16(1)),
        };
        _mm256_add_epi32(sums, products)
    }
}

impl Isa for Avx512Vnni {
    const FMA: bool = true;
    const UNSIGNED: bool = true;
    const ROWS: usize = 8;
    const VECTORS: usize = 3;
    type Sums = __m512i;
    type Floats = __m512;

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
    fn to_floats(sums: Self::Sums) -> Self::Floats {
        // SAFETY: see above.
        unsafe { _mm512_cvtepi32_ps(sums) }
    }

    #[inline(always)]
    fn splat(number: f32) -> Self::Floats {
        // SAFETY: see above.
        unsafe { _mm512_set1_ps(number) }
    }

    #[inline(always)]
    fn load(numbers: &[f32; LANES]) -> Self::Floats {
        // SAFETY: see above.
        unsafe { _mm512_loadu_ps(numbers.as_ptr()) }
    }

    #[inline(always)]
    fn store(numbers: Self::Floats, to: &mut [f32; LANES]) {
        // SAFETY: see above.
        unsafe { _mm512_storeu_ps(to.as_mut_ptr(), numbers) };
    }

    #[inline(always)]
    fn multiply_add(a: Self::Floats, b: Self::Floats, c: Self::Floats) -> Self::Floats {
        // SAFETY: see above.
        unsafe { _mm512_fmadd_ps(a, b, c) }
    }

    #[inline(always)]
    fn multiply(a: Self::Floats, b: Self::Floats) -> Self::Floats {
        // SAFETY: see above.
        unsafe { _mm512_mul_ps(a, b) }
    }

    #[inline(always)]
    fn subtract(a: Self::Floats, b: Self::Floats) -> Self::Floats {
        // SAFETY: see above.
        unsafe { _mm512_sub_ps(a, b) }
    }

    #[inline(always)]
    fn times_power_of_two(numbers: Self::Floats, powers: Self::Floats) -> Self::Floats {
        // SAFETY: see above.
        unsafe {
            let exponents = _mm512_slli_epi32::<23>(_mm512_castps_si512(powers));
            _mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(numbers), exponents))
        }
    }

    #[inline(always)]
    fn sum(numbers: Self::Floats) -> f32 {
        // SAFETY: see above.
        unsafe { _mm512_reduce_add_ps(numbers) }
    }

    #[inline(always)]
    fn smaller(a: Self::Floats, b: Self::Floats) -> Self::Floats {
        // SAFETY: see above.
        unsafe { _mm512_min_ps(a, b) }
    }

    #[inline(always)]
    fn larger(a: Self::Floats, b: Self::Floats) -> Self::Floats {
        // SAFETY: see above.
        unsafe { _mm512_max_ps(a, b) }
    }

    #[inline(always)]
    fn where_larger(
        a: Self::Floats,
        b: Self::Floats,
        then: Self::Floats,
        otherwise: Self::Floats,
    ) -> Self::Floats {
        // SAFETY: see above.
        unsafe { _mm512_mask_blend_ps(_mm512_cmp_ps_mask::<_CMP_GT_OQ>(a, b), otherwise, then) }
    }
}

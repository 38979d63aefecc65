//! The float half of [`Isa`](super::isa::Isa) on aarch64, which is the same with and without the dot product
//! instructions.

use std::arch::aarch64::*;

use super::isa::LANES;

/// Adds to the accumulators of one panel its lanes times value `LANE` of each row. With `UPPER`, only to the
/// upper half.
#[inline(always)]
pub(super) fn add_scaled<const LANE: i32, const ROWS: usize, const WIDTH: usize, const UPPER: bool>(
    acc: &mut [[[float32x4_t; 4]; WIDTH]; ROWS],
    panel: usize,
    values: &[float32x4_t; ROWS],
    lanes: [float32x4_t; 4],
) {
    for row in 0..ROWS {
        for vector in (if UPPER { 2 } else { 0 })..4 {
            let sum = &mut acc[row][panel][vector];
            // SAFETY: existence: Neon is part of aarch64.
            *sum = unsafe { vfmaq_laneq_f32::<LANE>(*sum, lanes[vector], values[row]) };
        }
    }
}

/// Adds to the accumulators the products of four values of each row, from `k` on, with their lanes.
///
/// # Safety
/// Every row has at least `k + 4` values, and every panel as many vectors.
#[inline(always)]
pub(super) unsafe fn add_four<const ROWS: usize, const WIDTH: usize, const UPPER: bool>(
    acc: &mut [[[float32x4_t; 4]; WIDTH]; ROWS],
    rows: &[&[f32]; ROWS],
    panels: &[&[[f32; LANES]]; WIDTH],
    k: usize,
) {
    // SAFETY: existence: Neon is part of aarch64. Bounds: guaranteed by the caller.
    unsafe {
        let mut values = [vdupq_n_f32(0.0); ROWS];
        for row in 0..ROWS {
            values[row] = vld1q_f32(rows[row].as_ptr().add(k));
        }
        for panel in 0..WIDTH {
            let lanes = panels[panel].as_ptr().add(k);
            add_scaled::<0, ROWS, WIDTH, UPPER>(acc, panel, &values, load(&*lanes));
            add_scaled::<1, ROWS, WIDTH, UPPER>(acc, panel, &values, load(&*lanes.add(1)));
            add_scaled::<2, ROWS, WIDTH, UPPER>(acc, panel, &values, load(&*lanes.add(2)));
            add_scaled::<3, ROWS, WIDTH, UPPER>(acc, panel, &values, load(&*lanes.add(3)));
        }
    }
}

/// Reads a vector from memory.
#[inline(always)]
pub(super) fn load(from: &[f32; LANES]) -> [float32x4_t; 4] {
    let at = from.as_ptr();
    // SAFETY: existence: Neon is part of aarch64. Bounds: the array has `LANES` elements.
    unsafe {
        [
            vld1q_f32(at),
            vld1q_f32(at.add(4)),
            vld1q_f32(at.add(8)),
            vld1q_f32(at.add(12)),
        ]
    }
}

/// Expands to the items of `Isa` that concern floats. Clause "bounds": loads and stores are unaligned and
/// stay within the arrays they are given.
macro_rules! floats {
    () => {
        type Floats = [float32x4_t; 4];

        #[inline(always)]
        fn splat(self, value: f32) -> Self::Floats {
            // SAFETY: existence: Neon is part of aarch64.
            unsafe { [vdupq_n_f32(value); 4] }
        }

        #[inline(always)]
        fn load(self, values: &[f32; LANES]) -> Self::Floats {
            $crate::kernel::neon_floats::load(values)
        }

        #[inline(always)]
        fn store(self, values: Self::Floats, to: &mut [f32; LANES]) {
            let at = to.as_mut_ptr();
            // SAFETY: existence: Neon is part of aarch64. Bounds: the array has `LANES` elements.
            unsafe {
                vst1q_f32(at, values[0]);
                vst1q_f32(at.add(4), values[1]);
                vst1q_f32(at.add(8), values[2]);
                vst1q_f32(at.add(12), values[3]);
            }
        }

        #[inline(always)]
        fn mul_add(self, a: Self::Floats, b: Self::Floats, mut c: Self::Floats) -> Self::Floats {
            for vector in 0..4 {
                // SAFETY: existence: Neon is part of aarch64.
                c[vector] = unsafe { vfmaq_f32(c[vector], a[vector], b[vector]) };
            }
            c
        }

        #[inline(always)]
        fn mul(self, mut a: Self::Floats, b: Self::Floats) -> Self::Floats {
            for vector in 0..4 {
                // SAFETY: existence: Neon is part of aarch64.
                a[vector] = unsafe { vmulq_f32(a[vector], b[vector]) };
            }
            a
        }

        #[inline(always)]
        fn sub(self, mut a: Self::Floats, b: Self::Floats) -> Self::Floats {
            for vector in 0..4 {
                // SAFETY: existence: Neon is part of aarch64.
                a[vector] = unsafe { vsubq_f32(a[vector], b[vector]) };
            }
            a
        }

        #[inline(always)]
        fn scale_exp2(self, mut values: Self::Floats, exponents: Self::Floats) -> Self::Floats {
            for vector in 0..4 {
                // SAFETY: existence: Neon is part of aarch64.
                values[vector] = unsafe {
                    let exponents = vshlq_n_u32::<23>(vreinterpretq_u32_f32(exponents[vector]));
                    vreinterpretq_f32_u32(vaddq_u32(vreinterpretq_u32_f32(values[vector]), exponents))
                };
            }
            values
        }

        #[inline(always)]
        fn store_upper(self, values: Self::Floats, to: &mut [f32; LANES]) {
            let at = to.as_mut_ptr();
            // SAFETY: existence: Neon is part of aarch64. Bounds: the array has `LANES` elements.
            unsafe {
                vst1q_f32(at.add(8), values[2]);
                vst1q_f32(at.add(12), values[3]);
            }
        }

        /// Four values of a row are one vector, of which `fmla` can broadcast any.
        #[inline(always)]
        unsafe fn float_tile<const ROWS: usize, const WIDTH: usize, const UPPER: bool>(
            self,
            mut acc: [[Self::Floats; WIDTH]; ROWS],
            rows: [&[f32]; ROWS],
            panels: [&[[f32; LANES]]; WIDTH],
        ) -> [[Self::Floats; WIDTH]; ROWS] {
            let length = panels[0].len();
            let mut k = 0;
            // Eight values per step, so fewer instructions advance the row addresses.
            while k + 8 <= length {
                // SAFETY: guaranteed by the caller: rows and panels have this many elements.
                unsafe {
                    $crate::kernel::neon_floats::add_four::<ROWS, WIDTH, UPPER>(&mut acc, &rows, &panels, k);
                    $crate::kernel::neon_floats::add_four::<ROWS, WIDTH, UPPER>(
                        &mut acc,
                        &rows,
                        &panels,
                        k + 4,
                    );
                }
                k += 8;
            }
            if k + 4 <= length {
                // SAFETY: guaranteed by the caller, as above.
                unsafe {
                    $crate::kernel::neon_floats::add_four::<ROWS, WIDTH, UPPER>(&mut acc, &rows, &panels, k);
                }
                k += 4;
            }
            for k in k..length {
                for panel in 0..WIDTH {
                    // SAFETY: guaranteed by the caller, as above.
                    let lanes = self.load(unsafe { panels[panel].get_unchecked(k) });
                    for row in 0..ROWS {
                        // SAFETY: guaranteed by the caller, as above.
                        let value = self.splat(unsafe { *rows[row].get_unchecked(k) });
                        acc[row][panel] = self.mul_add(value, lanes, acc[row][panel]);
                    }
                }
            }
            acc
        }

        #[inline(always)]
        fn reduce_sum(self, values: Self::Floats) -> f32 {
            // SAFETY: existence: Neon is part of aarch64.
            unsafe {
                let [a, b, c, d] = values;
                vaddvq_f32(vaddq_f32(vaddq_f32(a, b), vaddq_f32(c, d)))
            }
        }

        #[inline(always)]
        fn reduce_min(self, values: Self::Floats) -> f32 {
            // SAFETY: existence: Neon is part of aarch64.
            unsafe {
                let [a, b, c, d] = values;
                vminvq_f32(vminq_f32(vminq_f32(a, b), vminq_f32(c, d)))
            }
        }

        #[inline(always)]
        fn reduce_max(self, values: Self::Floats) -> f32 {
            // SAFETY: existence: Neon is part of aarch64.
            unsafe {
                let [a, b, c, d] = values;
                vmaxvq_f32(vmaxq_f32(vmaxq_f32(a, b), vmaxq_f32(c, d)))
            }
        }

        #[inline(always)]
        fn min(self, a: Self::Floats, mut b: Self::Floats) -> Self::Floats {
            for vector in 0..4 {
                // SAFETY: existence: Neon is part of aarch64.
                b[vector] = unsafe { vminq_f32(a[vector], b[vector]) };
            }
            b
        }

        #[inline(always)]
        fn max(self, a: Self::Floats, mut b: Self::Floats) -> Self::Floats {
            for vector in 0..4 {
                // SAFETY: existence: Neon is part of aarch64.
                b[vector] = unsafe { vmaxq_f32(a[vector], b[vector]) };
            }
            b
        }

        #[inline(always)]
        fn select_gt(
            self,
            a: Self::Floats,
            b: Self::Floats,
            then: Self::Floats,
            mut otherwise: Self::Floats,
        ) -> Self::Floats {
            for vector in 0..4 {
                // SAFETY: existence: Neon is part of aarch64.
                otherwise[vector] = unsafe {
                    vbslq_f32(
                        vcgtq_f32(a[vector], b[vector]),
                        then[vector],
                        otherwise[vector],
                    )
                };
            }
            otherwise
        }

        /// Rounds as `quantized` does.
        #[inline(always)]
        fn quantize(self, values: &[f32; LANES], base: f32, inverse_scale: f32, to: &mut [u8]) {
            let to: &mut [u8; LANES] = to.first_chunk_mut().unwrap_or_else(|| unreachable!());
            // SAFETY: existence: Neon is part of aarch64. Bounds: the array has `LANES` bytes.
            unsafe {
                let (base, inverse_scale) = (vdupq_n_f32(base), vdupq_n_f32(inverse_scale));
                let mut bits = [vdupq_n_u16(0); 4];
                for (bits, values) in bits.iter_mut().zip(self.load(values)) {
                    let level = vfmaq_f32(
                        vdupq_n_f32(ROUND_TO_INT),
                        vsubq_f32(values, base),
                        inverse_scale,
                    );
                    *bits = vreinterpretq_u16_f32(level);
                }
                let low = vreinterpretq_u8_u16(vuzp1q_u16(bits[0], bits[1]));
                let high = vreinterpretq_u8_u16(vuzp1q_u16(bits[2], bits[3]));
                let bytes = veorq_u8(vuzp1q_u8(low, high), vdupq_n_u8(0x80));
                vst1q_u8(to.as_mut_ptr(), bytes);
            }
        }
    };
}
pub(super) use floats;

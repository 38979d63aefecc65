//! Sums by the vector instructions of aarch64.

use std::arch::{aarch64::*, asm};

use super::isa::{DEPTH, Isa, LANES};

/// What every aarch64 processor has. Products are made in 16 bits, two at a time.
pub(super) struct Neon;

/// With the four-fold products of ARMv8.2.
pub(super) struct Dotprod;

/// Groups that one step of [`Dotprod`] takes: as many as a vector of a row's factors holds.
const STEP: usize = 4;

// SAFETY of every block below: Neon is part of aarch64, and what `Dotprod` needs besides is compiled into functions
// that `isa` calls only after the processor has been asked; loads and stores are unaligned ones of whole arrays.

/// Sixteen numbers, as four vectors.
type Quad<T> = [T; 4];

/// What both have in common.
macro_rules! floats {
    () => {
        type Floats = Quad<float32x4_t>;

        #[inline(always)]
        fn splat(number: f32) -> Self::Floats {
            // SAFETY: see above.
            unsafe { [vdupq_n_f32(number); 4] }
        }

        #[inline(always)]
        fn load(numbers: &[f32; LANES]) -> Self::Floats {
            let at = numbers.as_ptr();
            // SAFETY: see above.
            unsafe {
                [
                    vld1q_f32(at),
                    vld1q_f32(at.add(4)),
                    vld1q_f32(at.add(8)),
                    vld1q_f32(at.add(12)),
                ]
            }
        }

        #[inline(always)]
        fn store(numbers: Self::Floats, to: &mut [f32; LANES]) {
            let at = to.as_mut_ptr();
            // SAFETY: see above.
            unsafe {
                vst1q_f32(at, numbers[0]);
                vst1q_f32(at.add(4), numbers[1]);
                vst1q_f32(at.add(8), numbers[2]);
                vst1q_f32(at.add(12), numbers[3]);
            }
        }

        #[inline(always)]
        fn multiply_add(a: Self::Floats, b: Self::Floats, mut c: Self::Floats) -> Self::Floats {
            for vector in 0..4 {
                // SAFETY: see above.
                c[vector] = unsafe { vfmaq_f32(c[vector], a[vector], b[vector]) };
            }
            c
        }

        #[inline(always)]
        fn multiply(mut a: Self::Floats, b: Self::Floats) -> Self::Floats {
            for vector in 0..4 {
                // SAFETY: see above.
                a[vector] = unsafe { vmulq_f32(a[vector], b[vector]) };
            }
            a
        }

        #[inline(always)]
        fn subtract(mut a: Self::Floats, b: Self::Floats) -> Self::Floats {
            for vector in 0..4 {
                // SAFETY: see above.
                a[vector] = unsafe { vsubq_f32(a[vector], b[vector]) };
            }
            a
        }

        #[inline(always)]
        fn times_power_of_two(mut numbers: Self::Floats, powers: Self::Floats) -> Self::Floats {
            for vector in 0..4 {
                // SAFETY: see above.
                numbers[vector] = unsafe {
                    let exponents = vshlq_n_u32::<23>(vreinterpretq_u32_f32(powers[vector]));
                    vreinterpretq_f32_u32(vaddq_u32(vreinterpretq_u32_f32(numbers[vector]), exponents))
                };
            }
            numbers
        }

        #[inline(always)]
        fn sum(numbers: Self::Floats) -> f32 {
            // SAFETY: see above.
            unsafe {
                let [a, b, c, d] = numbers;
                vaddvq_f32(vaddq_f32(vaddq_f32(a, b), vaddq_f32(c, d)))
            }
        }

        #[inline(always)]
        fn smallest(numbers: Self::Floats) -> f32 {
            // SAFETY: see above.
            unsafe {
                let [a, b, c, d] = numbers;
                vminvq_f32(vminq_f32(vminq_f32(a, b), vminq_f32(c, d)))
            }
        }

        #[inline(always)]
        fn largest(numbers: Self::Floats) -> f32 {
            // SAFETY: see above.
            unsafe {
                let [a, b, c, d] = numbers;
                vmaxvq_f32(vmaxq_f32(vmaxq_f32(a, b), vmaxq_f32(c, d)))
            }
        }

        #[inline(always)]
        fn smaller(a: Self::Floats, mut b: Self::Floats) -> Self::Floats {
            for vector in 0..4 {
                // SAFETY: see above.
                b[vector] = unsafe { vminq_f32(a[vector], b[vector]) };
            }
            b
        }

        #[inline(always)]
        fn larger(a: Self::Floats, mut b: Self::Floats) -> Self::Floats {
            for vector in 0..4 {
                // SAFETY: see above.
                b[vector] = unsafe { vmaxq_f32(a[vector], b[vector]) };
            }
            b
        }

        #[inline(always)]
        fn where_larger(
            a: Self::Floats,
            b: Self::Floats,
            then: Self::Floats,
            mut otherwise: Self::Floats,
        ) -> Self::Floats {
            for vector in 0..4 {
                // SAFETY: see above.
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

        /// Rounds as [`quantized`] does.
        #[inline(always)]
        fn quantize(numbers: &[f32; LANES], base: f32, inverse: f32, to: &mut [u8]) {
            let to: &mut [u8; LANES] = to.first_chunk_mut().unwrap_or_else(|| unreachable!());
            // SAFETY: see above.
            unsafe {
                let (base, inverse) = (vdupq_n_f32(base), vdupq_n_f32(inverse));
                let mut bits = [vdupq_n_u16(0); 4];
                for (bits, numbers) in bits.iter_mut().zip(Self::load(numbers)) {
                    let step = vfmaq_f32(vdupq_n_f32(12_582_912.0), vsubq_f32(numbers, base), inverse);
                    *bits = vreinterpretq_u16_f32(step);
                }
                let low = vreinterpretq_u8_u16(vuzp1q_u16(bits[0], bits[1]));
                let high = vreinterpretq_u8_u16(vuzp1q_u16(bits[2], bits[3]));
                let bytes = veorq_u8(vuzp1q_u8(low, high), vdupq_n_u8(0x80));
                vst1q_u8(to.as_mut_ptr(), bytes);
            }
        }
    };
}

impl Isa for Neon {
    const FMA: bool = true;
    const UNSIGNED: bool = false;
    const ROWS: usize = 2;
    const VECTORS: usize = 1;
    /// Of each lane two sums next to each other.
    type Sums = [int32x4_t; 8];

    floats!();

    #[inline(always)]
    fn zero() -> Self::Sums {
        // SAFETY: see above.
        unsafe { [vdupq_n_s32(0); 8] }
    }

    #[inline(always)]
    fn add<const BY_POSITION: bool>(
        mut sums: Self::Sums,
        row: [u8; DEPTH],
        lanes: &[u8; LANES * DEPTH],
    ) -> Self::Sums {
        // SAFETY: see above.
        unsafe {
            let row = vreinterpretq_s8_s32(vdupq_n_s32(i32::from_le_bytes(row)));
            for vector in 0..4 {
                let lanes = vld1q_s8(lanes.as_ptr().add(vector * 16).cast());
                let low = vmull_s8(vget_low_s8(lanes), vget_low_s8(row));
                let high = vmull_high_s8(lanes, row);
                sums[2 * vector] = vpadalq_s16(sums[2 * vector], low);
                sums[2 * vector + 1] = vpadalq_s16(sums[2 * vector + 1], high);
            }
        }
        sums
    }

    /// Two groups at once: two products of bytes, of which one side is never -128, add up within 16 bits.
    #[inline(always)]
    fn products<const ROWS: usize, const WIDTH: usize, const BY_POSITION: bool>(
        rows: [&[[u8; DEPTH]]; ROWS],
        panels: [&[[u8; LANES * DEPTH]]; WIDTH],
    ) -> [[Self::Sums; WIDTH]; ROWS] {
        let groups = panels[0].len();
        let mut sums = [[Self::zero(); WIDTH]; ROWS];
        for group in (0..groups / 2 * 2).step_by(2) {
            // SAFETY: all panels and rows have `groups` elements; besides see above.
            unsafe {
                let mut factors = [[vdupq_n_s8(0); 2]; ROWS];
                for (factors, row) in factors.iter_mut().zip(&rows) {
                    for (depth, factors) in factors.iter_mut().enumerate() {
                        let word = i32::from_le_bytes(*row.get_unchecked(group + depth));
                        *factors = vreinterpretq_s8_s32(vdupq_n_s32(word));
                    }
                }
                for panel in 0..WIDTH {
                    add_two_groups(&mut sums, panel, panels[panel].as_ptr().add(group), &factors);
                }
            }
        }
        if groups % 2 == 1 {
            for panel in 0..WIDTH {
                for row in 0..ROWS {
                    let (row_bytes, lanes) = (rows[row][groups - 1], &panels[panel][groups - 1]);
                    sums[row][panel] = Self::add::<BY_POSITION>(sums[row][panel], row_bytes, lanes);
                }
            }
        }
        sums
    }

    #[inline(always)]
    fn to_floats(sums: Self::Sums) -> Self::Floats {
        let mut floats = Self::splat(0.0);
        for vector in 0..4 {
            // SAFETY: see above.
            floats[vector] = unsafe { vcvtq_f32_s32(vpaddq_s32(sums[2 * vector], sums[2 * vector + 1])) };
        }
        floats
    }
}

/// Adds the products of two groups: sixteen lanes by two vectors of each row.
///
/// # Safety
/// Both groups of lanes can be read.
#[inline(always)]
unsafe fn add_two_groups<const ROWS: usize, const WIDTH: usize>(
    sums: &mut [[[int32x4_t; 8]; WIDTH]; ROWS],
    panel: usize,
    lanes: *const [u8; LANES * DEPTH],
    rows: &[[int8x16_t; 2]; ROWS],
) {
    for vector in [0, 2] {
        // SAFETY: by the caller.
        unsafe {
            let at = lanes.cast::<i8>().add(vector * 16);
            let first = [vld1q_s8(at), vld1q_s8(at.add(16))];
            let at = at.add(LANES * DEPTH);
            let second = [vld1q_s8(at), vld1q_s8(at.add(16))];
            for row in 0..ROWS {
                let sums = &mut sums[row][panel];
                let eight_lanes = [
                    sums[2 * vector],
                    sums[2 * vector + 1],
                    sums[2 * vector + 2],
                    sums[2 * vector + 3],
                ];
                let eight_lanes = add_products(eight_lanes, first, second, rows[row]);
                sums[2 * vector..][..4].copy_from_slice(&eight_lanes);
            }
        }
    }
}

/// Adds the products of eight lanes of two groups by a row's. In one piece, as the compiler would part the vectors into
/// halves and run out of registers; four chains side by side keep a processor busy that executes in order.
#[inline(always)]
fn add_products(
    [mut a, mut b, mut c, mut d]: [int32x4_t; 4],
    first: [int8x16_t; 2],
    second: [int8x16_t; 2],
    row: [int8x16_t; 2],
) -> [int32x4_t; 4] {
    // SAFETY: it reads and writes its operands alone.
    unsafe {
        asm!(
            "smull {e:v}.8h, {first0:v}.8b, {row0:v}.8b",
            "smull2 {f:v}.8h, {first0:v}.16b, {row0:v}.16b",
            "smull {g:v}.8h, {first1:v}.8b, {row0:v}.8b",
            "smull2 {h:v}.8h, {first1:v}.16b, {row0:v}.16b",
            "smlal {e:v}.8h, {second0:v}.8b, {row1:v}.8b",
            "smlal2 {f:v}.8h, {second0:v}.16b, {row1:v}.16b",
            "smlal {g:v}.8h, {second1:v}.8b, {row1:v}.8b",
            "smlal2 {h:v}.8h, {second1:v}.16b, {row1:v}.16b",
            "sadalp {a:v}.4s, {e:v}.8h",
            "sadalp {b:v}.4s, {f:v}.8h",
            "sadalp {c:v}.4s, {g:v}.8h",
            "sadalp {d:v}.4s, {h:v}.8h",
            a = inout(vreg) a,
            b = inout(vreg) b,
            c = inout(vreg) c,
            d = inout(vreg) d,
            e = out(vreg) _,
            f = out(vreg) _,
            g = out(vreg) _,
            h = out(vreg) _,
            first0 = in(vreg) first[0],
            first1 = in(vreg) first[1],
            second0 = in(vreg) second[0],
            second1 = in(vreg) second[1],
            row0 = in(vreg) row[0],
            row1 = in(vreg) row[1],
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    [a, b, c, d]
}

impl Isa for Dotprod {
    const FMA: bool = true;
    const UNSIGNED: bool = false;
    const ROWS: usize = 4;
    const VECTORS: usize = 1;
    type Sums = Quad<int32x4_t>;

    floats!();

    #[inline(always)]
    fn zero() -> Self::Sums {
        // SAFETY: see above.
        unsafe { [vdupq_n_s32(0); 4] }
    }

    #[inline(always)]
    fn add<const BY_POSITION: bool>(
        mut sums: Self::Sums,
        row: [u8; DEPTH],
        lanes: &[u8; LANES * DEPTH],
    ) -> Self::Sums {
        // SAFETY: see above.
        unsafe {
            let row = vreinterpretq_s8_s32(vdupq_n_s32(i32::from_le_bytes(row)));
            for (vector, sum) in sums.iter_mut().enumerate() {
                *sum = dot::<0>(*sum, vld1q_s8(lanes.as_ptr().add(vector * 16).cast()), row);
            }
        }
        sums
    }

    /// Four groups of a row are one vector, each of whose quarters the instruction can multiply with.
    #[inline(always)]
    fn products<const ROWS: usize, const WIDTH: usize, const BY_POSITION: bool>(
        rows: [&[[u8; DEPTH]]; ROWS],
        panels: [&[[u8; LANES * DEPTH]]; WIDTH],
    ) -> [[Self::Sums; WIDTH]; ROWS] {
        let groups = panels[0].len();
        let whole = groups / STEP * STEP;
        let mut sums = [[Self::zero(); WIDTH]; ROWS];
        for group in (0..whole).step_by(STEP) {
            // SAFETY: all panels and rows have `groups` elements; besides see above.
            unsafe {
                let mut factors = [vdupq_n_s8(0); ROWS];
                for (factors, row) in factors.iter_mut().zip(&rows) {
                    *factors = vld1q_s8(row.as_ptr().add(group).cast());
                }
                for panel in 0..WIDTH {
                    let lanes = panels[panel].as_ptr().add(group);
                    // Written out: in a loop of this size the compiler would leave the sums in memory.
                    step::<0, ROWS, WIDTH>(&mut sums, panel, lanes, &factors);
                    step::<1, ROWS, WIDTH>(&mut sums, panel, lanes.add(1), &factors);
                    step::<2, ROWS, WIDTH>(&mut sums, panel, lanes.add(2), &factors);
                    step::<3, ROWS, WIDTH>(&mut sums, panel, lanes.add(3), &factors);
                }
            }
        }
        for group in whole..groups {
            for panel in 0..WIDTH {
                for row in 0..ROWS {
                    let (row_bytes, lanes) = (rows[row][group], &panels[panel][group]);
                    sums[row][panel] = Self::add::<BY_POSITION>(sums[row][panel], row_bytes, lanes);
                }
            }
        }
        sums
    }

    #[inline(always)]
    fn to_floats(sums: Self::Sums) -> Self::Floats {
        let mut floats = Self::splat(0.0);
        for (float, sum) in floats.iter_mut().zip(sums) {
            // SAFETY: see above.
            *float = unsafe { vcvtq_f32_s32(sum) };
        }
        floats
    }
}

/// Adds the products of one group: sixteen lanes by this quarter of each row's vector.
///
/// # Safety
/// The processor has dotprod, and the lanes can be read.
#[inline(always)]
unsafe fn step<const QUARTER: usize, const ROWS: usize, const WIDTH: usize>(
    sums: &mut [[Quad<int32x4_t>; WIDTH]; ROWS],
    panel: usize,
    lanes: *const [u8; LANES * DEPTH],
    rows: &[int8x16_t; ROWS],
) {
    for vector in 0..4 {
        // SAFETY: by the caller.
        unsafe {
            let lanes = vld1q_s8(lanes.cast::<i8>().add(vector * 16));
            for row in 0..ROWS {
                let sum = &mut sums[row][panel][vector];
                *sum = dot::<QUARTER>(*sum, lanes, rows[row]);
            }
        }
    }
}

/// Adds to each of four sums the products of its four bytes with those of this quarter of `row`. The compiler has no
/// stable name for the instruction.
///
/// # Safety
/// The processor has dotprod.
#[inline(always)]
unsafe fn dot<const QUARTER: usize>(mut sum: int32x4_t, lanes: int8x16_t, row: int8x16_t) -> int32x4_t {
    // SAFETY: by the caller; it reads and writes its operands alone.
    unsafe {
        asm!(
            "sdot {sum:v}.4s, {lanes:v}.16b, {row:v}.4b[{quarter}]",
            sum = inout(vreg) sum,
            lanes = in(vreg) lanes,
            row = in(vreg) row,
            quarter = const QUARTER,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    sum
}

//! Neon, the baseline of aarch64: a vector is four registers.

use std::arch::{aarch64::*, asm};

use super::isa::{Isa, K_PACK, LANES, PanelGroup, ROUND_TO_INT, RowGroup};

/// The features of every aarch64 processor: products of bytes in 16 bits, two of them added before they are
/// widened.
#[derive(Clone, Copy)]
pub(super) struct Neon;

// SAFETY: existence: Neon is part of aarch64, and the methods use no other extensions. Bounds: loads and
// stores are unaligned and stay within the arrays they are given.
unsafe impl Isa for Neon {
    const FMA: bool = true;
    const UNSIGNED: bool = false;
    const TILE_ROWS: usize = 2;
    const TILE_VECTORS: usize = 1;
    const FLOAT_ROWS: usize = 4;
    const FLOAT_VECTORS: usize = 1;
    const FLOAT_HALVES: bool = true;
    /// Two partial sums for each lane, next to each other.
    type Acc = [int32x4_t; 8];

    super::neon_floats::floats!();

    #[inline(always)]
    fn acc_zero(self) -> Self::Acc {
        // SAFETY: existence: Neon is part of aarch64.
        unsafe { [vdupq_n_s32(0); 8] }
    }

    #[inline(always)]
    fn dot4<const ACTIVATION_ROWS: bool>(
        self,
        mut acc: Self::Acc,
        row: RowGroup,
        lanes: &PanelGroup,
    ) -> Self::Acc {
        // SAFETY: existence: Neon is part of aarch64. Bounds: a panel group has `LANES * K_PACK` bytes.
        unsafe {
            let row = vreinterpretq_s8_s32(vdupq_n_s32(i32::from_le_bytes(row)));
            for vector in 0..4 {
                let lanes = vld1q_s8(lanes.as_ptr().add(vector * 16).cast());
                let low = vmull_s8(vget_low_s8(lanes), vget_low_s8(row));
                let high = vmull_high_s8(lanes, row);
                acc[2 * vector] = vpadalq_s16(acc[2 * vector], low);
                acc[2 * vector + 1] = vpadalq_s16(acc[2 * vector + 1], high);
            }
        }
        acc
    }

    /// Two groups at once: the sum of two products fits 16 bits because no weight is -128.
    #[inline(always)]
    unsafe fn dot_tile<const ROWS: usize, const WIDTH: usize, const ACTIVATION_ROWS: bool>(
        self,
        rows: [&[RowGroup]; ROWS],
        panels: [&[PanelGroup]; WIDTH],
    ) -> [[Self::Acc; WIDTH]; ROWS] {
        let groups = panels[0].len();
        let mut acc = [[self.acc_zero(); WIDTH]; ROWS];
        let mut next = [std::ptr::null(); ROWS];
        for (next, row) in next.iter_mut().zip(&rows) {
            *next = row.as_ptr();
        }
        for group in (0..groups / 2 * 2).step_by(2) {
            // SAFETY: existence; guaranteed by the caller: every panel and row has `groups` groups.
            unsafe {
                let mut row_groups = [[vdupq_n_s8(0); 2]; ROWS];
                for (row_groups, next) in row_groups.iter_mut().zip(&mut next) {
                    *row_groups = load_two_groups(next);
                }
                for panel in 0..WIDTH {
                    add_two_groups(&mut acc, panel, panels[panel].as_ptr().add(group), &row_groups);
                }
            }
        }
        if groups % 2 == 1 {
            for panel in 0..WIDTH {
                for row in 0..ROWS {
                    let (row_bytes, lanes) = (rows[row][groups - 1], &panels[panel][groups - 1]);
                    acc[row][panel] = self.dot4::<ACTIVATION_ROWS>(acc[row][panel], row_bytes, lanes);
                }
            }
        }
        acc
    }

    #[inline(always)]
    fn acc_to_f32(self, acc: Self::Acc) -> Self::Floats {
        let mut floats = self.splat(0.0);
        for vector in 0..4 {
            // SAFETY: existence: Neon is part of aarch64.
            floats[vector] = unsafe { vcvtq_f32_s32(vpaddq_s32(acc[2 * vector], acc[2 * vector + 1])) };
        }
        floats
    }
}

/// Reads two groups, each into all lanes of a vector, and advances `next` beyond them. In assembly, because
/// LLVM computes an address for each instead of advancing one.
///
/// # Safety
/// Two groups can be read at `next`.
#[inline(always)]
unsafe fn load_two_groups(next: &mut *const RowGroup) -> [int8x16_t; 2] {
    let (first, second): (int8x16_t, int8x16_t);
    // SAFETY: existence: Neon is part of aarch64. Reads: guaranteed by the caller.
    unsafe {
        asm!(
            "ld1r {{{first:v}.4s}}, [{next}], #4",
            "ld1r {{{second:v}.4s}}, [{next}], #4",
            next = inout(reg) *next,
            first = out(vreg) first,
            second = out(vreg) second,
            options(readonly, nostack, preserves_flags),
        );
    }
    [first, second]
}

/// Adds the products of two groups of one panel with those of each row.
///
/// # Safety
/// `lanes` and the group after it can be read.
#[inline(always)]
unsafe fn add_two_groups<const ROWS: usize, const WIDTH: usize>(
    acc: &mut [[[int32x4_t; 8]; WIDTH]; ROWS],
    panel: usize,
    lanes: *const PanelGroup,
    rows: &[[int8x16_t; 2]; ROWS],
) {
    for vector in [0, 2] {
        // SAFETY: existence: Neon is part of aarch64. Reads: guaranteed by the caller.
        unsafe {
            let at = lanes.cast::<i8>().add(vector * 16);
            let first = [vld1q_s8(at), vld1q_s8(at.add(16))];
            let at = at.add(LANES * K_PACK);
            let second = [vld1q_s8(at), vld1q_s8(at.add(16))];
            for row in 0..ROWS {
                let acc = &mut acc[row][panel];
                let eight_lanes = [
                    acc[2 * vector],
                    acc[2 * vector + 1],
                    acc[2 * vector + 2],
                    acc[2 * vector + 3],
                ];
                let eight_lanes = add_products(eight_lanes, first, second, rows[row]);
                acc[2 * vector..][..4].copy_from_slice(&eight_lanes);
            }
        }
    }
}

/// Adds the products of eight lanes of two groups with a row's. In assembly, because LLVM splits the vectors
/// into halves and runs out of registers; four independent chains keep an in-order processor busy.
#[inline(always)]
fn add_products(
    [mut a, mut b, mut c, mut d]: [int32x4_t; 4],
    first: [int8x16_t; 2],
    second: [int8x16_t; 2],
    row: [int8x16_t; 2],
) -> [int32x4_t; 4] {
    // SAFETY: Neon is part of aarch64; the instructions touch nothing but their operands.
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

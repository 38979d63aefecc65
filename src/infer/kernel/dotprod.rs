//! Neon with the 4-way dot product of Armv8.2 (`sdot`).

use std::arch::{aarch64::*, asm};

use super::isa::{Isa, LANES, PanelGroup, ROUND_TO_INT, RowGroup};

/// Neon with `sdot`.
#[derive(Clone, Copy)]
pub(super) struct Dotprod(());

/// K groups that one iteration consumes: those in one vector of a row.
const UNROLL: usize = 4;

impl Dotprod {
    /// # Safety
    /// The processor has dotprod.
    #[inline(always)]
    pub(super) unsafe fn new_unchecked() -> Self {
        Self(())
    }
}

// SAFETY: existence: the only constructor requires dotprod, and everything else that the methods use is part
// of aarch64. Bounds: loads and stores are unaligned and stay within the arrays they are given.
unsafe impl Isa for Dotprod {
    const FMA: bool = true;
    const UNSIGNED: bool = false;
    const TILE_ROWS: usize = 4;
    const TILE_VECTORS: usize = 1;
    const FLOAT_ROWS: usize = 4;
    const FLOAT_VECTORS: usize = 1;
    const FLOAT_HALVES: bool = true;
    type Acc = [int32x4_t; 4];

    super::neon_floats::floats!();

    #[inline(always)]
    fn acc_zero(self) -> Self::Acc {
        // SAFETY: existence: `self` proves dotprod.
        unsafe { [vdupq_n_s32(0); 4] }
    }

    #[inline(always)]
    fn dot4<const ACTIVATION_ROWS: bool>(
        self,
        mut acc: Self::Acc,
        row: RowGroup,
        lanes: &PanelGroup,
    ) -> Self::Acc {
        // SAFETY: existence: `self` proves dotprod. Bounds: a panel group has `LANES * K_PACK` bytes.
        unsafe {
            let row = vreinterpretq_s8_s32(vdupq_n_s32(i32::from_le_bytes(row)));
            for (vector, sum) in acc.iter_mut().enumerate() {
                *sum = dot::<0>(*sum, vld1q_s8(lanes.as_ptr().add(vector * 16).cast()), row);
            }
        }
        acc
    }

    /// Four groups of a row are one vector; `sdot` can broadcast any quarter of it.
    #[inline(always)]
    unsafe fn dot_tile<const ROWS: usize, const WIDTH: usize, const ACTIVATION_ROWS: bool>(
        self,
        rows: [&[RowGroup]; ROWS],
        panels: [&[PanelGroup]; WIDTH],
    ) -> [[Self::Acc; WIDTH]; ROWS] {
        let groups = panels[0].len();
        let whole = groups / UNROLL * UNROLL;
        let mut acc = [[self.acc_zero(); WIDTH]; ROWS];
        for group in (0..whole).step_by(UNROLL) {
            // SAFETY: existence; guaranteed by the caller: every panel and row has `groups` groups.
            unsafe {
                let mut row_groups = [vdupq_n_s8(0); ROWS];
                for (row_groups, row) in row_groups.iter_mut().zip(&rows) {
                    *row_groups = vld1q_s8(row.as_ptr().add(group).cast());
                }
                for panel in 0..WIDTH {
                    let lanes = panels[panel].as_ptr().add(group);
                    // Unrolled by hand: in a loop LLVM keeps the accumulators in memory.
                    add_group::<0, ROWS, WIDTH>(&mut acc, panel, lanes, &row_groups);
                    add_group::<1, ROWS, WIDTH>(&mut acc, panel, lanes.add(1), &row_groups);
                    add_group::<2, ROWS, WIDTH>(&mut acc, panel, lanes.add(2), &row_groups);
                    add_group::<3, ROWS, WIDTH>(&mut acc, panel, lanes.add(3), &row_groups);
                }
            }
        }
        for group in whole..groups {
            for panel in 0..WIDTH {
                for row in 0..ROWS {
                    let (row_bytes, lanes) = (rows[row][group], &panels[panel][group]);
                    acc[row][panel] = self.dot4::<ACTIVATION_ROWS>(acc[row][panel], row_bytes, lanes);
                }
            }
        }
        acc
    }

    #[inline(always)]
    fn acc_to_f32(self, acc: Self::Acc) -> Self::Floats {
        let mut floats = self.splat(0.0);
        for (float, sum) in floats.iter_mut().zip(acc) {
            // SAFETY: existence: `self` proves dotprod.
            *float = unsafe { vcvtq_f32_s32(sum) };
        }
        floats
    }
}

/// Adds the products of one group of a panel with this quarter of each row's vector.
///
/// # Safety
/// The processor has dotprod, and `lanes` can be read.
#[inline(always)]
unsafe fn add_group<const QUARTER: usize, const ROWS: usize, const WIDTH: usize>(
    acc: &mut [[[int32x4_t; 4]; WIDTH]; ROWS],
    panel: usize,
    lanes: *const PanelGroup,
    rows: &[int8x16_t; ROWS],
) {
    for vector in 0..4 {
        // SAFETY: guaranteed by the caller.
        unsafe {
            let lanes = vld1q_s8(lanes.cast::<i8>().add(vector * 16));
            for row in 0..ROWS {
                let sum = &mut acc[row][panel][vector];
                *sum = dot::<QUARTER>(*sum, lanes, rows[row]);
            }
        }
    }
}

/// Adds to each of four accumulators the dot product of its four bytes with this quarter of `row`. In
/// assembly, because the intrinsic is not stable.
///
/// # Safety
/// The processor has dotprod.
#[inline(always)]
unsafe fn dot<const QUARTER: usize>(mut sum: int32x4_t, lanes: int8x16_t, row: int8x16_t) -> int32x4_t {
    // SAFETY: guaranteed by the caller; the instruction touches nothing but its operands.
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

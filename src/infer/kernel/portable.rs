//! Plain Rust, which LLVM vectorizes: the reference for the other instruction sets.

use super::isa::{Isa, K_PACK, LANES, PanelGroup, RowGroup, fma};

/// The baseline of the architecture.
#[derive(Clone, Copy)]
pub(super) struct Portable;

// SAFETY: existence: there are no intrinsics. Bounds: there are no pointers.
unsafe impl Isa for Portable {
    const FMA: bool = cfg!(target_arch = "aarch64");
    const UNSIGNED: bool = false;
    const TILE_ROWS: usize = 2;
    const TILE_VECTORS: usize = 3;
    const FLOAT_ROWS: usize = 2;
    const FLOAT_VECTORS: usize = 1;
    type Acc = [i32; LANES];
    type Floats = [f32; LANES];

    #[inline(always)]
    fn acc_zero(self) -> Self::Acc {
        [0; LANES]
    }

    #[inline(always)]
    fn dot4<const ACTIVATION_ROWS: bool>(
        self,
        mut acc: Self::Acc,
        row: RowGroup,
        lanes: &PanelGroup,
    ) -> Self::Acc {
        for (sum, lane) in acc.iter_mut().zip(lanes.as_chunks::<K_PACK>().0) {
            for (a, b) in row.iter().zip(lane) {
                *sum = sum.wrapping_add(i32::from(a.cast_signed()) * i32::from(b.cast_signed()));
            }
        }
        acc
    }

    #[inline(always)]
    fn acc_to_f32(self, acc: Self::Acc) -> Self::Floats {
        acc.map(|sum| sum as f32)
    }

    #[inline(always)]
    fn splat(self, value: f32) -> Self::Floats {
        [value; LANES]
    }

    #[inline(always)]
    fn load(self, values: &[f32; LANES]) -> Self::Floats {
        *values
    }

    #[inline(always)]
    fn store(self, values: Self::Floats, to: &mut [f32; LANES]) {
        *to = values;
    }

    #[inline(always)]
    fn mul_add(self, a: Self::Floats, b: Self::Floats, mut c: Self::Floats) -> Self::Floats {
        for lane in 0..LANES {
            c[lane] = fma::<Self>(a[lane], b[lane], c[lane]);
        }
        c
    }

    #[inline(always)]
    fn mul(self, mut a: Self::Floats, b: Self::Floats) -> Self::Floats {
        for lane in 0..LANES {
            a[lane] *= b[lane];
        }
        a
    }

    #[inline(always)]
    fn sub(self, mut a: Self::Floats, b: Self::Floats) -> Self::Floats {
        for lane in 0..LANES {
            a[lane] -= b[lane];
        }
        a
    }

    #[inline(always)]
    fn scale_exp2(self, mut values: Self::Floats, exponents: Self::Floats) -> Self::Floats {
        for lane in 0..LANES {
            let exponent = exponents[lane].to_bits() << 23;
            values[lane] = f32::from_bits(values[lane].to_bits().wrapping_add(exponent));
        }
        values
    }
}

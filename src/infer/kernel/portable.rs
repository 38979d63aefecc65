//! Sums in plain Rust: the reference of the others.

use super::isa::{DEPTH, Isa, LANES, fma};

/// No more than every processor of the architecture has.
pub(super) struct Portable;

impl Isa for Portable {
    const FMA: bool = cfg!(target_arch = "aarch64");
    const UNSIGNED: bool = false;
    const ROWS: usize = 2;
    const VECTORS: usize = 3;
    type Sums = [i32; LANES];
    type Floats = [f32; LANES];

    #[inline(always)]
    fn zero() -> Self::Sums {
        [0; LANES]
    }

    #[inline(always)]
    fn add<const BY_POSITION: bool>(
        mut sums: Self::Sums,
        row: [u8; DEPTH],
        lanes: &[u8; LANES * DEPTH],
    ) -> Self::Sums {
        for (sum, lane) in sums.iter_mut().zip(lanes.as_chunks::<DEPTH>().0) {
            for (a, b) in row.iter().zip(lane) {
                *sum = sum.wrapping_add(i32::from(a.cast_signed()) * i32::from(b.cast_signed()));
            }
        }
        sums
    }

    #[inline(always)]
    fn to_floats(sums: Self::Sums) -> Self::Floats {
        sums.map(|sum| sum as f32)
    }

    #[inline(always)]
    fn splat(number: f32) -> Self::Floats {
        [number; LANES]
    }

    #[inline(always)]
    fn load(numbers: &[f32; LANES]) -> Self::Floats {
        *numbers
    }

    #[inline(always)]
    fn store(numbers: Self::Floats, to: &mut [f32; LANES]) {
        *to = numbers;
    }

    #[inline(always)]
    fn multiply_add(a: Self::Floats, b: Self::Floats, mut c: Self::Floats) -> Self::Floats {
        for lane in 0..LANES {
            c[lane] = fma::<Self>(a[lane], b[lane], c[lane]);
        }
        c
    }

    #[inline(always)]
    fn multiply(mut a: Self::Floats, b: Self::Floats) -> Self::Floats {
        for lane in 0..LANES {
            a[lane] *= b[lane];
        }
        a
    }

    #[inline(always)]
    fn subtract(mut a: Self::Floats, b: Self::Floats) -> Self::Floats {
        for lane in 0..LANES {
            a[lane] -= b[lane];
        }
        a
    }

    #[inline(always)]
    fn times_power_of_two(mut numbers: Self::Floats, powers: Self::Floats) -> Self::Floats {
        for lane in 0..LANES {
            let exponent = powers[lane].to_bits() << 23;
            numbers[lane] = f32::from_bits(numbers[lane].to_bits().wrapping_add(exponent));
        }
        numbers
    }
}

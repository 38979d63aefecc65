//! Adds weighted bytes to floats, as needed for the rows of a picture that is resampled.

use super::{
    isa::{Isa, SimdOp, fma},
    simd_level::SimdLevel,
};

impl SimdLevel {
    /// Adds `weight` times the byte at the same index to each element of `sums`, up to the length of the
    /// shorter slice.
    #[inline]
    pub fn add_weighted_bytes(self, bytes: &[u8], weight: f32, sums: &mut [f32]) {
        self.dispatch(AddWeighted { bytes, weight, sums });
    }
}

struct AddWeighted<'a> {
    bytes: &'a [u8],
    weight: f32,
    sums: &'a mut [f32],
}

impl SimdOp for AddWeighted<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, _: I) {
        for (sum, byte) in self.sums.iter_mut().zip(self.bytes) {
            *sum = fma::<I>(f32::from(*byte), self.weight, *sum);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_added_at_every_level_and_length() {
        let bytes: Vec<u8> = (0..=255).collect();
        for level in SimdLevel::all_supported() {
            for length in [0, 1, 15, 16, 17, 255] {
                let mut sums = vec![1.0; length];
                level.add_weighted_bytes(&bytes, 0.5, &mut sums);
                for (sum, byte) in sums.iter().zip(&bytes) {
                    assert!((sum - (1.0 + f32::from(*byte) * 0.5)).abs() < 1e-4, "{level:?}");
                }
            }
        }
    }
}

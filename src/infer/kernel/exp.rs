//! The exponential function, one vector at a time.

use super::isa::{Isa, ROUND_TO_INT};

/// Below this the result would be subnormal.
const MIN_ARGUMENT: f32 = -86.6;

/// 2^x for x in [-0.5, 0.5], the constant term first: the polynomial of least relative error (7.5e-8), fitted
/// by iteratively reweighted least squares.
const COEFFICIENTS: [f32; 6] = [
    1.000_000_1,
    0.693_146_94,
    0.240_221_2,
    0.055_507_135,
    0.009_675_542,
    0.001_327_646_5,
];

/// e^x for x up to 88, by the usual range reduction e^x = 2^n * 2^r with an integer n and |r| <= 0.5.
/// Arguments below -86.6 are clamped; NaN propagates.
///
/// The relative error is at most 4e-7, plus 2e-8 |x| (7e-8 |x| without fused multiply-add).
#[inline(always)]
pub(crate) fn exp<I: Isa>(isa: I, x: I::Floats) -> I::Floats {
    let round = isa.splat(ROUND_TO_INT);
    let log2_e = isa.splat(std::f32::consts::LOG2_E);
    // With the operands in this order, `max` propagates NaN.
    let x = isa.max(isa.splat(MIN_ARGUMENT), x);
    let n = isa.mul_add(x, log2_e, round);
    let r = isa.mul_add(x, log2_e, isa.sub(round, n));
    let [first @ .., last] = COEFFICIENTS;
    let mut sum = isa.splat(last);
    for coefficient in first.into_iter().rev() {
        sum = isa.mul_add(sum, r, isa.splat(coefficient));
    }
    isa.scale_exp2(sum, n)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::{LANES, SimdLevel, SimdOp};

    struct Apply<'a>(&'a mut [[f32; LANES]]);

    impl SimdOp for Apply<'_> {
        type Output = ();

        #[inline(always)]
        fn eval<I: Isa>(self, isa: I) {
            for values in self.0 {
                isa.store(exp(isa, isa.load(values)), values);
            }
        }
    }

    #[test]
    fn is_right_to_a_few_units_in_the_last_place() {
        let inputs: Vec<f32> = (-8660..8660).map(|n| n as f32 / 100.0).collect();
        let (inputs, _) = inputs.as_chunks();
        for level in SimdLevel::all_supported() {
            // The portable level has no fused multiply-add on some architectures.
            let slope = if level == SimdLevel::portable() {
                7e-8
            } else {
                2e-8
            };
            let mut results = inputs.to_vec();
            level.dispatch(Apply(&mut results));
            for (x, result) in inputs.as_flattened().iter().zip(results.as_flattened()) {
                let expected = f64::from(*x).exp();
                let error = (f64::from(*result) / expected - 1.0).abs();
                let bound = 4e-7 + slope * f64::from(x.abs());
                assert!(error < bound, "{level:?}: exp({x}) is {result}, not {expected}");
            }
        }
    }

    #[test]
    fn clamps_at_the_smallest_normal_value_and_propagates_nan() {
        for level in SimdLevel::all_supported() {
            let mut values = [[-1e30; LANES]];
            values[0][3] = f32::NAN;
            level.dispatch(Apply(&mut values));
            assert!(values[0][3].is_nan(), "{level:?}");
            values[0][3] = 0.0;
            assert!(
                values[0].iter().all(|value| (0.0..3e-38).contains(value)),
                "{level:?}: {values:?}"
            );
        }
    }
}

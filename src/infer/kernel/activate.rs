//! Activation functions, applied in place.

use std::ops::Range;

use super::isa::{Isa, LANES, SimdOp};

/// The function that is applied to each element of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Activation {
    /// `x`
    Identity,
    /// `max(x, 0)`
    Relu,
    /// `x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x^3)))`: D. Hendrycks and K. Gimpel, "Gaussian error
    /// linear units", arXiv 1606.08415.
    GeluTanh,
    /// `x / 2 * (1 + erf(x / sqrt(2)))`: the same paper.
    GeluErf,
}

/// Applies an activation to all values.
#[inline(always)]
pub(crate) fn activate<I: Isa>(isa: I, activation: Activation, values: &mut [f32]) {
    let row = values.len();
    activate_columns(isa, activation, values, row, 0..row);
}

/// Applies an activation to some columns of a matrix.
pub(super) struct ActivateColumns<'a> {
    pub(super) activation: Activation,
    pub(super) values: &'a mut [f32],
    /// Length of a row of the matrix.
    pub(super) row: usize,
    pub(super) columns: Range<usize>,
}

impl SimdOp for ActivateColumns<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        activate_columns(isa, self.activation, self.values, self.row, self.columns);
    }
}

/// The match is outside the loops, so coefficients are broadcast once for all rows.
#[inline(always)]
fn activate_columns<I: Isa>(
    isa: I,
    activation: Activation,
    values: &mut [f32],
    row: usize,
    columns: Range<usize>,
) {
    // Plain loops: a closure that is not inlined is not compiled for the instruction set.
    let rows = values.chunks_exact_mut(row);
    match activation {
        Activation::Identity => (),
        Activation::Relu => {
            for row in rows {
                relu(isa, &mut row[columns.clone()]);
            }
        }
        Activation::GeluTanh => {
            for row in rows {
                gelu(isa, &TANH, &mut row[columns.clone()]);
            }
        }
        Activation::GeluErf => {
            for row in rows {
                gelu(isa, &ERF, &mut row[columns.clone()]);
            }
        }
    }
}

/// Whole vectors first: LLVM turns the scalar form into masked stores, which are slow on many processors.
#[inline(always)]
fn relu<I: Isa>(isa: I, values: &mut [f32]) {
    let zero = isa.splat(0.0);
    let (whole, rest) = values.as_chunks_mut::<LANES>();
    for values in whole {
        // With the operands in this order, `max` propagates NaN.
        isa.store(isa.max(zero, isa.load(values)), values);
    }
    for value in rest {
        *value = if *value < 0.0 { 0.0 } else { *value };
    }
}

/// A polynomial approximation of a GELU, without a division.
///
/// A GELU is `x * P(x)` with a cumulative distribution `P`. `P(x) - 1/2` is odd, hence `x` times a function
/// of `x^2`: a polynomial in `t = 2 * x^2 / limit^2 - 1`, whose coefficients (the constant one first) were
/// fitted by weighted least squares. Beyond the limit, where `t > 1`, the result is `max(x, 0)`.
///
/// The absolute error is at most 1.1e-5, a 400th of an 8-bit quantization step where values reach 1.
struct Gelu {
    limit: f32,
    coefficients: [f32; 10],
}

const TANH: Gelu = Gelu {
    limit: 4.45,
    coefficients: [
        0.158_673_93,
        -0.078_004_28,
        0.054_992_89,
        -0.040_030_967,
        0.027_842_687,
        -0.017_049_083,
        0.009_147_934,
        -0.006_427_600_4,
        0.004_961_037_7,
        -0.001_747_749,
    ],
};

const ERF: Gelu = Gelu {
    limit: 4.6,
    coefficients: [
        0.153_543_55,
        -0.075_757_45,
        0.054_131_61,
        -0.040_585_6,
        0.029_564_698,
        -0.019_155_534,
        0.010_871_22,
        -0.007_624_557,
        0.005_669_157,
        -0.001_962_348,
    ],
};

/// Whole vectors, then the rest in one padded vector.
#[inline(always)]
fn gelu<I: Isa>(isa: I, gelu: &Gelu, values: &mut [f32]) {
    let (whole, rest) = values.as_chunks_mut::<LANES>();
    for values in whole {
        isa.store(gelu_vector(isa, gelu, isa.load(values)), values);
    }
    if !rest.is_empty() {
        let mut padded = [0.0; LANES];
        padded[..rest.len()].copy_from_slice(rest);
        isa.store(gelu_vector(isa, gelu, isa.load(&padded)), &mut padded);
        rest.copy_from_slice(&padded[..rest.len()]);
    }
}

#[inline(always)]
fn gelu_vector<I: Isa>(isa: I, Gelu { limit, coefficients }: &Gelu, x: I::Floats) -> I::Floats {
    let one = isa.splat(1.0);
    let t = isa.mul_add(isa.mul(x, x), isa.splat(2.0 / (limit * limit)), isa.splat(-1.0));
    // Estrin's scheme (G. Estrin, 1960): half of the multiplications are independent of each other.
    let t2 = isa.mul(t, t);
    let t4 = isa.mul(t2, t2);
    let low = cubic(isa, &coefficients[..4], t, t2);
    let middle = cubic(isa, &coefficients[4..8], t, t2);
    let high = isa.mul_add(isa.splat(coefficients[9]), t, isa.splat(coefficients[8]));
    let sum = isa.mul_add(isa.mul_add(high, t4, middle), t4, low);
    let within = isa.mul(x, isa.mul_add(x, sum, isa.splat(0.5)));
    // NaN compares as not greater, and `within` propagates it.
    isa.select_gt(t, one, isa.max(x, isa.splat(0.0)), within)
}

/// The cubic polynomial with these four coefficients.
#[inline(always)]
fn cubic<I: Isa>(isa: I, coefficients: &[f32], t: I::Floats, t2: I::Floats) -> I::Floats {
    let low = isa.mul_add(isa.splat(coefficients[1]), t, isa.splat(coefficients[0]));
    let high = isa.mul_add(isa.splat(coefficients[3]), t, isa.splat(coefficients[2]));
    isa.mul_add(high, t2, low)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::SimdLevel;

    struct Apply<'a>(Activation, &'a mut [f32]);

    impl SimdOp for Apply<'_> {
        type Output = ();

        #[inline(always)]
        fn eval<I: Isa>(self, isa: I) {
            activate(isa, self.0, self.1);
        }
    }

    /// The series of erf, in f64: J. Abramowitz and I. Stegun, 7.1.6.
    fn erf(z: f64) -> f64 {
        let (mut term, mut sum, mut n) = (z, 0.0, 0.0);
        while term.abs() > 1e-18 {
            sum += term;
            n += 1.0;
            term *= 2.0 * z * z / (2.0 * n + 1.0);
        }
        sum * std::f64::consts::FRAC_2_SQRT_PI * (-z * z).exp()
    }

    #[test]
    fn gelus_follow_their_formulas() {
        let inputs: Vec<f32> = (-2400..=2400).map(|n| n as f32 / 400.0).collect();
        for level in SimdLevel::all_supported() {
            for activation in [Activation::GeluTanh, Activation::GeluErf] {
                let mut results = inputs.clone();
                level.dispatch(Apply(activation, &mut results));
                for (x, result) in inputs.iter().zip(results) {
                    let x = f64::from(*x);
                    let expected = match activation {
                        Activation::GeluErf => x / 2.0 * (1.0 + erf(x / std::f64::consts::SQRT_2)),
                        _ => {
                            let u = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x * x * x);
                            x / 2.0 * (1.0 + u.tanh())
                        }
                    };
                    let error = (f64::from(result) - expected).abs();
                    assert!(
                        error < 1.1e-5,
                        "{level:?} {activation:?} of {x} is {result}, not {expected}"
                    );
                }
            }
        }
    }

    #[test]
    fn gelus_saturate_far_out_and_propagate_nan() {
        for level in SimdLevel::all_supported() {
            for activation in [Activation::GeluTanh, Activation::GeluErf] {
                let mut results = [-1e30, -100.0, 0.0, 100.0, 1e30, f32::NAN];
                level.dispatch(Apply(activation, &mut results));
                assert!(
                    results[..3].iter().all(|x| x.abs() < 1e-30),
                    "{level:?} {activation:?}"
                );
                assert_eq!(results[3..5], [100.0, 1e30], "{level:?} {activation:?}");
                assert!(results[5].is_nan());
            }
        }
    }

    #[test]
    fn relu_clamps_negative_values_and_propagates_nan() {
        for level in SimdLevel::all_supported() {
            let mut results: Vec<f32> = (-10..=10).map(|n| n as f32).collect();
            results[15] = f32::NAN;
            level.dispatch(Apply(Activation::Relu, &mut results));
            assert!(results[15].is_nan(), "{level:?}");
            results[15] = 5.0;
            let expected: Vec<f32> = (-10..=10).map(|n| n.max(0) as f32).collect();
            assert_eq!(results, expected, "{level:?}");
        }
    }
}

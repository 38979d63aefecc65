//! The activation functions, written so that the compiler vectorises them.

use std::ops::Range;

use super::isa::{Isa, LANES, Work};

/// What is done to each number of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Activation {
    /// Nothing.
    Identity,
    /// `max(x, 0)`
    Relu,
    /// `x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x^3)))`: D. Hendrycks and K. Gimpel, "Gaussian error
    /// linear units", arXiv 1606.08415.
    GeluTanh,
    /// `x / 2 * (1 + erf(x / sqrt(2)))`: the same paper.
    GeluErf,
}

/// Applies an activation in place.
#[inline(always)]
pub(crate) fn activate<I: Isa>(activation: Activation, numbers: &mut [f32]) {
    let line = numbers.len();
    activate_columns::<I>(activation, numbers, line, 0..line);
}

/// Applies an activation in place to some columns of lines.
pub(super) struct ActivateColumns<'a> {
    pub(super) activation: Activation,
    pub(super) numbers: &'a mut [f32],
    /// Length of a line.
    pub(super) line: usize,
    pub(super) columns: Range<usize>,
}

impl Work for ActivateColumns<'_> {
    type Output = ();

    #[inline(always)]
    fn run<I: Isa>(self) {
        activate_columns::<I>(self.activation, self.numbers, self.line, self.columns);
    }
}

/// What a vector needs besides its numbers is made ready once for all lines.
#[inline(always)]
fn activate_columns<I: Isa>(activation: Activation, numbers: &mut [f32], line: usize, columns: Range<usize>) {
    // Plain loops: a closure that is not inlined is not compiled for the instruction set.
    let lines = numbers.chunks_exact_mut(line);
    match activation {
        Activation::Identity => (),
        Activation::Relu => {
            for line in lines {
                relu::<I>(&mut line[columns.clone()]);
            }
        }
        Activation::GeluTanh => {
            for line in lines {
                gelu::<I>(&TANH, &mut line[columns.clone()]);
            }
        }
        Activation::GeluErf => {
            for line in lines {
                gelu::<I>(&ERF, &mut line[columns.clone()]);
            }
        }
    }
}

/// In whole vectors: what the compiler makes of one number are stores under a mask, which are slow on many processors.
#[inline(always)]
fn relu<I: Isa>(numbers: &mut [f32]) {
    let zero = I::splat(0.0);
    let (whole, rest) = numbers.as_chunks_mut::<LANES>();
    for numbers in whole {
        // What is no number stays none.
        I::store(I::larger(zero, I::load(numbers)), numbers);
    }
    for number in rest {
        *number = if *number < 0.0 { 0.0 } else { *number };
    }
}

/// A GELU is `x` times a share of one. The share less one half is odd, so `x` times a polynomial in `x * x`, here one
/// in `2 * x * x / limit^2 - 1`, whose coefficients (the constant one first) were fitted by weighted least squares;
/// beyond the limit it is all or nothing. Together within 1.1e-5 of the exact function, without a division: a 400th of a step of eight bits
/// where numbers reach one.
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

/// In whole vectors, for which the coefficients are made ready once.
#[inline(always)]
fn gelu<I: Isa>(gelu: &Gelu, numbers: &mut [f32]) {
    let (whole, rest) = numbers.as_chunks_mut::<LANES>();
    for numbers in whole {
        I::store(gelu_of::<I>(gelu, I::load(numbers)), numbers);
    }
    if !rest.is_empty() {
        let mut filled = [0.0; LANES];
        filled[..rest.len()].copy_from_slice(rest);
        I::store(gelu_of::<I>(gelu, I::load(&filled)), &mut filled);
        rest.copy_from_slice(&filled[..rest.len()]);
    }
}

#[inline(always)]
fn gelu_of<I: Isa>(Gelu { limit, coefficients }: &Gelu, x: I::Floats) -> I::Floats {
    let one = I::splat(1.0);
    let place = I::multiply_add(I::multiply(x, x), I::splat(2.0 / (limit * limit)), I::splat(-1.0));
    // By halves (G. Estrin 1960): half the multiplications do not wait for one another.
    let square = I::multiply(place, place);
    let fourth = I::multiply(square, square);
    let low = four::<I>(&coefficients[..4], place, square);
    let middle = four::<I>(&coefficients[4..8], place, square);
    let high = I::multiply_add(I::splat(coefficients[9]), place, I::splat(coefficients[8]));
    let sum = I::multiply_add(I::multiply_add(high, fourth, middle), fourth, low);
    let within = I::multiply(x, I::multiply_add(x, sum, I::splat(0.5)));
    // What is no number is not beyond.
    I::where_larger(place, one, I::larger(x, I::splat(0.0)), within)
}

/// The part of the polynomial that these four coefficients make.
#[inline(always)]
fn four<I: Isa>(coefficients: &[f32], place: I::Floats, square: I::Floats) -> I::Floats {
    let low = I::multiply_add(I::splat(coefficients[1]), place, I::splat(coefficients[0]));
    let high = I::multiply_add(I::splat(coefficients[3]), place, I::splat(coefficients[2]));
    I::multiply_add(high, square, low)
}

#[cfg(test)]
mod tests {
    use super::{super::isa::Best, *};

    struct Apply<'a>(Activation, &'a mut [f32]);

    impl Work for Apply<'_> {
        type Output = ();

        #[inline(always)]
        fn run<I: Isa>(self) {
            activate::<I>(self.0, self.1);
        }
    }

    /// A series of erf, in f64: J. Abramowitz and I. Stegun, 7.1.6.
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
    fn activations_follow_their_formulas() {
        let inputs: Vec<f32> = (-2400..=2400).map(|n| n as f32 / 400.0).collect();
        for isa in Best::all() {
            for activation in [Activation::GeluTanh, Activation::GeluErf] {
                let mut found = inputs.clone();
                isa.run(Apply(activation, &mut found));
                for (x, found) in inputs.iter().zip(found) {
                    let x = f64::from(*x);
                    let expected = match activation {
                        Activation::GeluErf => x / 2.0 * (1.0 + erf(x / std::f64::consts::SQRT_2)),
                        _ => {
                            let u = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x * x * x);
                            x / 2.0 * (1.0 + u.tanh())
                        }
                    };
                    let error = (f64::from(found) - expected).abs();
                    assert!(
                        error < 1.1e-5,
                        "{isa:?} {activation:?} of {x} is {found}, not {expected}"
                    );
                }
            }
        }
    }

    #[test]
    fn activations_keep_to_their_limits_far_out() {
        for isa in Best::all() {
            for activation in [Activation::GeluTanh, Activation::GeluErf] {
                let mut found = [-1e30, -100.0, 0.0, 100.0, 1e30, f32::NAN];
                isa.run(Apply(activation, &mut found));
                assert!(
                    found[..3].iter().all(|x| x.abs() < 1e-30),
                    "{isa:?} {activation:?}"
                );
                assert_eq!(found[3..5], [100.0, 1e30], "{isa:?} {activation:?}");
                assert!(found[5].is_nan());
            }
        }
    }

    #[test]
    fn relu_keeps_what_is_positive_and_what_is_no_number() {
        for isa in Best::all() {
            let mut found: Vec<f32> = (-10..=10).map(|n| n as f32).collect();
            found[15] = f32::NAN;
            isa.run(Apply(Activation::Relu, &mut found));
            assert!(found[15].is_nan(), "{isa:?}");
            found[15] = 5.0;
            let expected: Vec<f32> = (-10..=10).map(|n| n.max(0) as f32).collect();
            assert_eq!(found, expected, "{isa:?}");
        }
    }
}

//! The activation functions, written so that the compiler vectorises them.

use super::isa::{Isa, fma};

/// What is done to each number of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::infer) enum Activation {
    /// Nothing.
    Identity,
    /// `x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x^3)))`: D. Hendrycks and K. Gimpel, "Gaussian error
    /// linear units", arXiv 1606.08415.
    GeluTanh,
    /// `x / 2 * (1 + erf(x / sqrt(2)))`: the same paper.
    GeluErf,
}

/// Applies an activation in place.
#[inline(always)]
pub(in crate::infer) fn activate<I: Isa>(activation: Activation, numbers: &mut [f32]) {
    // Plain loops: a closure that is not inlined is not compiled for the instruction set.
    match activation {
        Activation::Identity => (),
        Activation::GeluTanh => {
            for number in numbers {
                *number = gelu_tanh::<I>(*number);
            }
        }
        Activation::GeluErf => {
            for number in numbers {
                *number = gelu_erf::<I>(*number);
            }
        }
    }
}

/// e to the `x`, to about 1e-7 of its value; 0 and infinity where f32 ends (below -87 and above 88).
#[inline(always)]
pub(in crate::infer) fn exp<I: Isa>(x: f32) -> f32 {
    // Adding 1.5 * 2^23 rounds to a whole number, which then stands in the low bits.
    const ROUND: f32 = 12_582_912.0;
    let x = if x > 88.5 { 88.5 } else { x };
    let x = if x < -87.3 { -87.3 } else { x };
    let rounded = fma::<I>(x, std::f32::consts::LOG2_E, ROUND);
    let whole = rounded - ROUND;
    // ln 2 in two parts, so that the remainder keeps its digits.
    let rest = fma::<I>(whole, -0.693_359_4, x);
    let rest = fma::<I>(whole, 2.121_944_4e-4, rest);
    // The coefficients of Cephes' expf.
    let mut sum = 1.987_569_2e-4;
    for coefficient in [1.398_2e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_6e-1, 0.5] {
        sum = fma::<I>(sum, rest, coefficient);
    }
    let power = fma::<I>(sum * rest, rest, rest) + 1.0;
    let exponent = f32::from_bits((rounded.to_bits() << 23).wrapping_add(0x3f80_0000));
    power * exponent
}

/// `1 + tanh(u)` is `2 / (1 + exp(-2u))`.
#[inline(always)]
fn gelu_tanh<I: Isa>(x: f32) -> f32 {
    // -2 * sqrt(2 / pi), and 0.044715 times that.
    const LINEAR: f32 = -1.595_769;
    const CUBIC: f32 = -0.071_354_814;
    let slope = fma::<I>(x * x, CUBIC, LINEAR);
    x / (1.0 + exp::<I>(x * slope))
}

/// erf by M. Abramowitz and I. Stegun, "Handbook of mathematical functions", 7.1.26: within 1.5e-7.
#[inline(always)]
fn gelu_erf<I: Isa>(x: f32) -> f32 {
    let z = x.abs() * std::f32::consts::FRAC_1_SQRT_2;
    let t = 1.0 / fma::<I>(z, 0.327_591_1, 1.0);
    let mut sum = 1.061_405_4;
    for coefficient in [-1.453_152, 1.421_413_7, -0.284_496_74, 0.254_829_6] {
        sum = fma::<I>(sum, t, coefficient);
    }
    // Half of erfc(z).
    let tail = 0.5 * sum * t * exp::<I>(-z * z);
    if x < 0.0 { x * tail } else { x - x * tail }
}

#[cfg(test)]
mod tests {
    use super::{
        super::isa::{Best, Work},
        *,
    };

    struct Apply<'a>(Option<Activation>, &'a mut [f32]);

    impl Work for Apply<'_> {
        type Output = ();

        #[inline(always)]
        fn run<I: Isa>(self) {
            match self.0 {
                Some(activation) => activate::<I>(activation, self.1),
                None => self.1.iter_mut().for_each(|x| *x = exp::<I>(*x)),
            }
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
                isa.run(Apply(Some(activation), &mut found));
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
                        error < 2e-6,
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
                isa.run(Apply(Some(activation), &mut found));
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
    fn exponentials_are_right_to_a_few_units_in_the_last_place() {
        let inputs: Vec<f32> = (-8700..=8800).map(|n| n as f32 / 100.0).collect();
        for isa in Best::all() {
            let mut found = inputs.clone();
            isa.run(Apply(None, &mut found));
            for (x, found) in inputs.iter().zip(found) {
                let expected = f64::from(*x).exp();
                let error = (f64::from(found) / expected - 1.0).abs();
                assert!(error < 3e-7, "{isa:?}: exp({x}) is {found}, not {expected}");
            }
        }
    }
}

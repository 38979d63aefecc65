//! Exponentials of whole vectors.

use super::isa::Isa;

/// Below this a result would be no normal number.
const LEAST: f32 = -86.6;

/// 2^x between -0.5 and 0.5, the constant first: a polynomial of the least relative error, 7.5e-8, fitted by reweighted least squares.
const COEFFICIENTS: [f32; 6] = [
    1.000_000_1,
    0.693_146_94,
    0.240_221_2,
    0.055_507_135,
    0.009_675_542,
    0.001_327_646_5,
];

/// e to the `x` for `x` up to 88, to about 4e-7 of its value and 2e-8 (7e-8 where no multiply-add is fused) more for each unit of
/// `x`; what is below -86.6 is taken for that.
#[inline(always)]
pub(crate) fn exponential<I: Isa>(x: I::Floats) -> I::Floats {
    // Adding 1.5 * 2^23 rounds to a whole number, which then stands in the low bits.
    let round = I::splat(12_582_912.0);
    let per_power = I::splat(std::f32::consts::LOG2_E);
    // What is no number stays none.
    let x = I::larger(I::splat(LEAST), x);
    let rounded = I::multiply_add(x, per_power, round);
    let rest = I::multiply_add(x, per_power, I::subtract(round, rounded));
    let [first @ .., last] = COEFFICIENTS;
    let mut sum = I::splat(last);
    for coefficient in first.into_iter().rev() {
        sum = I::multiply_add(sum, rest, I::splat(coefficient));
    }
    I::times_power_of_two(sum, rounded)
}

#[cfg(test)]
mod tests {
    use super::{
        super::isa::{Best, LANES, Work},
        *,
    };

    struct Apply<'a>(&'a mut [[f32; LANES]]);

    impl Work for Apply<'_> {
        type Output = ();

        #[inline(always)]
        fn run<I: Isa>(self) {
            for numbers in self.0 {
                I::store(exponential::<I>(I::load(numbers)), numbers);
            }
        }
    }

    #[test]
    fn exponentials_are_right_to_a_few_units_in_the_last_place() {
        let inputs: Vec<f32> = (-8660..8660).map(|n| n as f32 / 100.0).collect();
        let (inputs, _) = inputs.as_chunks();
        for isa in Best::all() {
            // The portable one fuses nothing on some processors.
            let slope = if isa == Best::Portable { 7e-8 } else { 2e-8 };
            let mut found = inputs.to_vec();
            isa.run(Apply(&mut found));
            for (x, found) in inputs.as_flattened().iter().zip(found.as_flattened()) {
                let expected = f64::from(*x).exp();
                let error = (f64::from(*found) / expected - 1.0).abs();
                let bound = 4e-7 + slope * f64::from(x.abs());
                assert!(error < bound, "{isa:?}: exp({x}) is {found}, not {expected}");
            }
        }
    }

    #[test]
    fn exponentials_end_at_the_smallest_number_and_pass_on_what_is_none() {
        for isa in Best::all() {
            let mut numbers = [[-1e30; LANES]];
            numbers[0][3] = f32::NAN;
            isa.run(Apply(&mut numbers));
            assert!(numbers[0][3].is_nan(), "{isa:?}");
            numbers[0][3] = 0.0;
            assert!(
                numbers[0].iter().all(|number| (0.0..3e-38).contains(number)),
                "{isa:?}: {numbers:?}"
            );
        }
    }
}

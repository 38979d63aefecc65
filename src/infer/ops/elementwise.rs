//! Functions of each element, and sums and products of two tensors.

use tract_onnx::prelude::{Datum, DatumType};

use super::operator::{Compute, Scratch};
use crate::kernel::{Isa, LANES, SimdLevel, SimdOp, exp};

/// A function of one element.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Function {
    /// `1 / (1 + e^-x)`
    Sigmoid,
    /// `x / (1 + e^-x)`
    Silu,
    /// The hyperbolic tangent, as `2 / (1 + e^-2x) - 1`.
    Tanh,
    /// The product with a constant.
    Scale(f32),
}

/// A function of every element of a tensor.
#[derive(Debug)]
pub(crate) struct Elementwise {
    pub(crate) level: SimdLevel,
    pub(crate) function: Function,
}

impl Compute for Elementwise {
    fn name(&self) -> &'static str {
        "Elementwise"
    }

    fn macs(&self) -> (DatumType, usize) {
        (f32::datum_type(), 0)
    }

    fn eval(&self, inputs: &[&[f32]], to: &mut [f32], _: &mut Scratch) {
        self.level.dispatch(Map {
            function: self.function,
            from: inputs[0],
            to,
        });
    }
}

struct Map<'a> {
    function: Function,
    from: &'a [f32],
    to: &'a mut [f32],
}

impl SimdOp for Map<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, isa: I) {
        let Self { function, from, to } = self;
        match function {
            Function::Sigmoid => logistic(isa, from, 1.0, to),
            Function::Silu => {
                logistic(isa, from, 1.0, to);
                for (to, x) in to.iter_mut().zip(from) {
                    *to *= x;
                }
            }
            Function::Tanh => {
                logistic(isa, from, 2.0, to);
                for to in to {
                    *to = 2.0 * *to - 1.0;
                }
            }
            Function::Scale(factor) => {
                for (to, x) in to.iter_mut().zip(from) {
                    *to = x * factor;
                }
            }
        }
    }
}

/// `1 / (1 + e^(-factor * x))`
#[inline(always)]
fn logistic<I: Isa>(isa: I, from: &[f32], factor: f32, to: &mut [f32]) {
    // Beyond this, e^-x exceeds the range of `exp`, and the result is practically zero.
    let (factor, most) = (isa.splat(-factor), isa.splat(87.0));
    for (from, to) in from.chunks(LANES).zip(to.chunks_mut(LANES)) {
        let mut lanes = [0.0; LANES];
        lanes[..from.len()].copy_from_slice(from);
        // With the operands in this order, `min` propagates NaN.
        let exponent = isa.min(most, isa.mul(isa.load(&lanes), factor));
        isa.store(exp(isa, exponent), &mut lanes);
        for (to, power) in to.iter_mut().zip(lanes) {
            *to = 1.0 / (1.0 + power);
        }
    }
}

/// How two elements are combined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Combination {
    Sum,
    Product,
}

/// Combines two tensors element by element. If the second one is shorter, it is repeated.
#[derive(Debug)]
pub(crate) struct Combine {
    pub(crate) level: SimdLevel,
    pub(crate) combination: Combination,
}

impl Compute for Combine {
    fn name(&self) -> &'static str {
        "Combine"
    }

    fn macs(&self) -> (DatumType, usize) {
        (f32::datum_type(), 0)
    }

    fn eval(&self, inputs: &[&[f32]], to: &mut [f32], _: &mut Scratch) {
        let [first, second] = [inputs[0], inputs[1]];
        let rows = first.chunks_exact(second.len());
        for (first, to) in rows.zip(to.chunks_exact_mut(second.len())) {
            let combination = self.combination;
            self.level.dispatch(Pairs {
                combination,
                first,
                second,
                to,
            });
        }
    }
}

struct Pairs<'a> {
    combination: Combination,
    first: &'a [f32],
    second: &'a [f32],
    to: &'a mut [f32],
}

impl SimdOp for Pairs<'_> {
    type Output = ();

    #[inline(always)]
    fn eval<I: Isa>(self, _: I) {
        let pairs = self.to.iter_mut().zip(self.first).zip(self.second);
        match self.combination {
            Combination::Sum => pairs.for_each(|((to, a), b)| *to = a + b),
            Combination::Product => pairs.for_each(|((to, a), b)| *to = a * b),
        }
    }
}

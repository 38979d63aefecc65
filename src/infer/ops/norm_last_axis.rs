//! Runs tract's reductions along the last axis.
//!
//! tract's sums and root mean squares are fast along the last axis only, and several times slower along any
//! other, even if all axes after it have length 1 and the memory is the same.

use tract_onnx::{
    prelude::{IntoTValue, IntoTensor, TValue, TVec, TractError, TractResult, tvec},
    tract_core::ops::nn::{Reduce, RmsNorm},
    tract_hir::{
        internal::{EvalContext, EvalOp, Op, StaticName, TypedFact, TypedOp},
        tract_core::{as_op, op_as_typed_op, op_out_of_plan},
    },
};

/// An operator along one axis, evaluated with that axis last: the axes after it, of length 1, are dropped
/// during the evaluation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AlongLastAxis {
    pub(crate) op: AxisOperator,
    pub(crate) axis: usize,
}

/// A tract operator that does not change the rank.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum AxisOperator {
    Norm(RmsNorm),
    Reduce(Reduce),
}

impl AxisOperator {
    fn op(&self) -> &dyn TypedOp {
        match self {
            Self::Norm(norm) => norm,
            Self::Reduce(reduce) => reduce,
        }
    }
}

impl Op for AlongLastAxis {
    fn name(&self) -> StaticName {
        format!("LastAxis{}", self.op.op().name()).into()
    }

    op_as_typed_op!();
}

impl EvalOp for AlongLastAxis {
    op_out_of_plan!();

    fn eval(&self, ctx: &EvalContext<'_>, mut inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let input = inputs
            .pop()
            .ok_or_else(|| TractError::msg("an input is missing"))?;
        let rank = input.rank();
        let mut tensor = input.into_tensor();
        for _ in self.axis + 1..rank {
            tensor.remove_axis(self.axis + 1)?;
        }
        let outputs = self.op.op().eval(ctx, tvec!(tensor.into_tvalue()))?;
        outputs
            .into_iter()
            .map(|output| {
                let mut tensor = output.into_tensor();
                for _ in self.axis + 1..rank {
                    tensor.insert_axis(self.axis + 1)?;
                }
                Ok(tensor.into_tvalue())
            })
            .collect()
    }
}

impl TypedOp for AlongLastAxis {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        self.op.op().output_facts(inputs)
    }

    as_op!();
}

//! The adapter between tract and the operators of this crate.

use std::{cell::RefCell, fmt::Debug, sync::Arc};

use tract_onnx::{
    prelude::{DatumExt, DatumType, TDim, TValue, TVec, Tensor, TractResult, TypedFact, tvec},
    tract_hir::{
        internal::{EvalContext, EvalOp, IntoTValue, Op, StaticName, TypedOp},
        tract_core::{as_op, op_as_typed_op, op_out_of_plan, ops::Cost},
    },
};

use crate::kernel::PackedActivations;

/// An operator that reads f32 tensors and writes one f32 tensor of a fixed shape.
pub(crate) trait Compute: Debug + Send + Sync + 'static {
    /// The operator's name in profiles.
    fn name(&self) -> &'static str;

    /// Multiply-accumulates of a run, and the type of their operands.
    fn macs(&self) -> (DatumType, usize);

    /// Writes every element of `to`, which the operator must treat as uninitialized. `scratch` holds whatever
    /// other operators left in it.
    fn eval(&self, inputs: &[&[f32]], to: &mut [f32], scratch: &mut Scratch);
}

/// Buffers shared by all operators of a thread, so a run allocates only its results.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    /// Quantized activations.
    pub(super) packed: PackedActivations,
    /// Rows after a depthwise convolution.
    pub(super) rows: Vec<f32>,
    /// A residual, transposed.
    pub(super) residuals: Vec<f32>,
    /// A residual, extended with zero channels.
    pub(super) widened: Vec<f32>,
    /// Anything else.
    pub(super) values: Vec<f32>,
}

/// The first `length` values of a buffer, which grows if necessary and never shrinks.
pub(super) fn resized(buffer: &mut Vec<f32>, length: usize) -> &mut [f32] {
    if buffer.len() < length {
        buffer.resize(length, 0.0);
    }
    &mut buffer[..length]
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// Evaluates an operator with the buffers of this thread.
pub(crate) fn eval(op: &dyn Compute, inputs: &[&[f32]], to: &mut [f32]) {
    SCRATCH.with_borrow_mut(|scratch| op.eval(inputs, to, scratch));
}

/// A [`Compute`] as an operator of a tract model.
#[derive(Debug)]
pub(crate) struct TractOp<C> {
    op: Arc<C>,
    shape: TVec<usize>,
}

impl<C> TractOp<C> {
    /// With a result of this shape.
    pub(crate) fn new(op: C, shape: impl Into<TVec<usize>>) -> Self {
        Self {
            op: Arc::new(op),
            shape: shape.into(),
        }
    }

    /// The operator itself.
    pub(crate) fn op(&self) -> &Arc<C> {
        &self.op
    }
}

impl<C> Clone for TractOp<C> {
    fn clone(&self) -> Self {
        Self {
            op: self.op.clone(),
            shape: self.shape.clone(),
        }
    }
}

impl<C> PartialEq for TractOp<C> {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.op, &other.op) && self.shape == other.shape
    }
}

impl<C> Eq for TractOp<C> {}

impl<C: Compute> Op for TractOp<C> {
    fn name(&self) -> StaticName {
        self.op.name().into()
    }

    op_as_typed_op!();
}

impl<C: Compute> EvalOp for TractOp<C> {
    op_out_of_plan!();

    fn eval(&self, _: &EvalContext<'_>, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let mut values: TVec<&[f32]> = TVec::new();
        for input in &inputs {
            values.push(input.try_as_plain_ram()?.as_slice::<f32>()?);
        }
        // SAFETY: any bit pattern is a valid f32, and `Compute::eval` writes every element before it is read.
        let mut output = unsafe { Tensor::uninitialized::<f32>(&self.shape)? };
        let mut plain = output.try_as_plain_ram_mut()?;
        let to = plain.as_slice_mut::<f32>()?;
        eval(&*self.op, &values, to);
        Ok(tvec!(output.into_tvalue()))
    }
}

impl<C: Compute> TypedOp for TractOp<C> {
    fn output_facts(&self, _: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        Ok(tvec!(f32::fact(&self.shape)))
    }

    fn cost(&self, _: &[&TypedFact]) -> TractResult<TVec<(Cost, TDim)>> {
        let (operands, macs) = self.op.macs();
        Ok(tvec!((Cost::FMA(operands), macs.into())))
    }

    as_op!();
}

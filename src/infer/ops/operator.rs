//! The frame that all operators of this project share.

use std::{cell::RefCell, fmt::Debug, sync::Arc};

use tract_onnx::{
    prelude::{
        DatumExt, DatumType, OutletId, TDim, TValue, TVec, Tensor, TractResult, TypedFact, TypedModel,
        TypedModelPatch, tvec,
    },
    tract_hir::{
        internal::{EvalContext, EvalOp, IntoTValue, Op, StaticName, TypedOp},
        tract_core::{as_op, op_as_typed_op, op_out_of_plan, ops::Cost},
    },
};

use crate::kernel::Packed;

/// What an operator computes: f32 tensors to one f32 tensor of a fixed shape.
pub(crate) trait Compute: Debug + Send + Sync + 'static {
    /// The operator's name in profiles.
    const NAME: &'static str;

    /// Products that a run adds up, and the type of their factors.
    fn products(&self) -> (DatumType, usize);

    /// Writes every number of `to`. What `scratch` holds is left from other operators.
    fn compute(&self, inputs: &[&[f32]], to: &mut [f32], scratch: &mut Scratch);
}

/// Room to compute in. All operators of a thread share it, so that a run allocates nothing but its results.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    /// Quantized activations.
    pub(crate) packed: Packed,
    /// Whatever else.
    pub(crate) numbers: Vec<f32>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// An operator of tract's around a computation.
#[derive(Debug)]
pub(crate) struct Operator<C> {
    computation: Arc<C>,
    shape: TVec<usize>,
}

impl<C> Operator<C> {
    /// With a result of this shape.
    pub(crate) fn new(computation: C, shape: TVec<usize>) -> Self {
        Self {
            computation: Arc::new(computation),
            shape,
        }
    }

    /// What it computes.
    pub(crate) fn computation(&self) -> &Arc<C> {
        &self.computation
    }
}

impl<C> Clone for Operator<C> {
    fn clone(&self) -> Self {
        Self {
            computation: self.computation.clone(),
            shape: self.shape.clone(),
        }
    }
}

impl<C> PartialEq for Operator<C> {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.computation, &other.computation) && self.shape == other.shape
    }
}

impl<C> Eq for Operator<C> {}

impl<C: Compute> Op for Operator<C> {
    fn name(&self) -> StaticName {
        C::NAME.into()
    }

    op_as_typed_op!();
}

impl<C: Compute> EvalOp for Operator<C> {
    op_out_of_plan!();

    fn eval(&self, _: &EvalContext<'_>, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let mut numbers: TVec<&[f32]> = TVec::new();
        for input in &inputs {
            numbers.push(input.try_as_plain_ram()?.as_slice::<f32>()?);
        }
        // SAFETY: `compute` writes every number.
        let mut output = unsafe { Tensor::uninitialized::<f32>(&self.shape)? };
        let mut plain = output.try_as_plain_ram_mut()?;
        let to = plain.as_slice_mut::<f32>()?;
        SCRATCH.with_borrow_mut(|scratch| self.computation.compute(&numbers, to, scratch));
        Ok(tvec!(output.into_tvalue()))
    }
}

impl<C: Compute> TypedOp for Operator<C> {
    fn output_facts(&self, _: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        Ok(tvec!(f32::fact(&self.shape)))
    }

    fn cost(&self, _: &[&TypedFact]) -> TractResult<TVec<(Cost, TDim)>> {
        let (factors, products) = self.computation.products();
        Ok(tvec!((Cost::FMA(factors), products.into())))
    }

    as_op!();
}

/// Puts an operator that reads these inputs where the result of this node is read. The ids of other nodes stay as they are, and
/// the new one comes last.
pub(crate) fn replace<C: Compute>(
    model: &mut TypedModel,
    node: usize,
    inputs: &[OutletId],
    operator: Operator<C>,
) -> TractResult<()> {
    let mut patch = TypedModelPatch::default();
    let inputs = patch.taps(model, inputs)?;
    let name = format!("{}.{}", model.node(node).name, C::NAME);
    let output = patch.wire_node(name, operator, &inputs)?;
    patch.shunt_outside(model, node.into(), output[0])?;
    patch.apply(model)
}

/// The dimensions of what comes out there, where they are fixed.
pub(crate) fn shape(model: &TypedModel, outlet: OutletId) -> Option<TVec<usize>> {
    let fact = model.outlet_fact(outlet).ok()?;
    fact.shape.as_concrete().map(TVec::from)
}

/// The numbers that come out there, where they are constant floats.
pub(crate) fn constant(model: &TypedModel, outlet: OutletId) -> Option<Vec<f32>> {
    let constant = model.outlet_fact(outlet).ok()?.konst.as_ref()?;
    Some(constant.try_as_plain_ram().ok()?.as_slice::<f32>().ok()?.to_vec())
}

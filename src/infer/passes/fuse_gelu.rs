//! Fuses each tanh-GELU into one operator.
//!
//! PyTorch's exporter writes `x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x * x * x)))` (D. Hendrycks
//! and K. Gimpel, "Gaussian error linear units", arXiv 1606.08415) as nine nodes, each of which reads and
//! writes the whole tensor. tract has an operator for it, but recognizes only the form in which the cube is a
//! power.

use tract_onnx::{
    prelude::{TractResult, TypedModel, TypedModelHelpers, TypedModelPatch, TypedNode},
    tract_core::ops::{
        element_wise::ElementWiseOp,
        math::{Add, Mul, Square, Tanh},
        nn::gelu_approximate::gelu_approximate,
    },
};

use super::{Context, Pass};

/// Replaces the subgraph that begins with each square.
pub(super) struct FuseGelu;

impl Pass for FuseGelu {
    fn name(&self) -> &'static str {
        "fuse GELU"
    }

    fn run(&self, model: &mut TypedModel, _: &Context) -> TractResult<usize> {
        let mut fused = 0;
        // A patch keeps the ids of existing nodes and appends new ones.
        for node in 0..model.nodes().len() {
            if let Some((square, last)) = find(model, model.node(node)) {
                let mut patch = TypedModelPatch::default();
                let input = patch.tap_model(model, square.inputs[0])?;
                let name = format!("{}.gelu", last.name);
                let output = patch.wire_node(name, gelu_approximate(false), &[input])?;
                patch.shunt_outside(model, last.id.into(), output[0])?;
                patch.apply(model)?;
                fused += 1;
            }
        }
        Ok(fused)
    }
}

/// The first and the last node of the subgraph that begins with this square.
fn find<'a>(model: &'a TypedModel, square: &'a TypedNode) -> Option<(&'a TypedNode, &'a TypedNode)> {
    square.op_as::<ElementWiseOp>()?.0.downcast_ref::<Square>()?;
    let x = &square.inputs[0];
    let cube = model.find_succ_bin_with_outlet::<Mul>(square, x)?;
    let scaled = model.find_succ_bin_with_const::<Mul>(cube, 0.044_715)?;
    let sum = model.find_succ_bin_with_outlet::<Add>(scaled, x)?;
    let argument = model.find_succ_bin_with_const::<Mul>(sum, (2.0 / std::f32::consts::PI).sqrt())?;
    let tanh = model.single_succ(argument.id).ok()??;
    tanh.op_as::<ElementWiseOp>()?.0.downcast_ref::<Tanh>()?;
    let shifted = model.find_succ_bin_with_const::<Add>(tanh, 1.0)?;
    let product = model.find_succ_bin_with_outlet::<Mul>(shifted, x)?;
    let last = model.find_succ_bin_with_const::<Mul>(product, 0.5)?;
    Some((square, last))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use tract_onnx::{
        prelude::{DatumExt as _, Framework as _, InferenceModelExt as _},
        tract_core::ops::nn::GeluApproximate,
    };

    use super::*;
    use crate::testing::{apply, test_model};

    /// Number of GELUs in a network of tests/data/models after the pass. Its golden vectors prove that
    /// results are unchanged.
    fn gelus(name: &str, shape: [usize; 4]) -> usize {
        let path = test_model(&format!("{name}.onnx"));
        let model = tract_onnx::onnx().model_for_path(path).unwrap();
        let model = model.with_input_fact(0, f32::fact(shape).into()).unwrap();
        let mut model = model.into_typed().unwrap().into_decluttered().unwrap();
        apply(&FuseGelu, &mut model);
        let is_gelu = |node: &&TypedNode| {
            let op = node.op_as::<ElementWiseOp>();
            op.is_some_and(|op| op.0.downcast_ref::<GeluApproximate>().is_some())
        };
        model.nodes().iter().filter(is_gelu).count()
    }

    #[test]
    fn a_gelu_is_fused_and_a_plain_tanh_is_not() {
        assert_eq!(gelus("tiny-combined", [1, 1, 16, 16]), 1);
        assert_eq!(gelus("tiny-seven", [1, 3, 16, 16]), 0);
    }
}

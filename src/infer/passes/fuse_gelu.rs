//! Makes one operator of each tanh-GELU.
//!
//! PyTorch's exporter writes `x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x * x * x)))` (D. Hendrycks
//! and K. Gimpel, "Gaussian error linear units", arXiv 1606.08415) as nine operators, each of which walks the
//! whole activation. tract has one for it, with an own kernel on ARM, but recognises it only where the cube
//! is a power.

use tract_onnx::{
    prelude::{TractResult, TypedModel, TypedModelHelpers, TypedModelPatch, TypedNode},
    tract_core::ops::{
        element_wise::ElementWiseOp,
        math::{Add, Mul, Square, Tanh},
        nn::gelu_approximate::gelu_approximate,
    },
};

/// Replaces every tanh-GELU of a decluttered model.
pub(crate) fn fuse_gelu(model: &mut TypedModel) -> TractResult<()> {
    // A patch leaves the ids of other nodes as they are, and adds new ones at the end.
    for node in 0..model.nodes().len() {
        if let Some((square, last)) = find(model, model.node(node)) {
            let mut patch = TypedModelPatch::default();
            let input = patch.tap_model(model, square.inputs[0])?;
            let output = patch.wire_node(format!("{}.gelu", last.name), gelu_approximate(false), &[input])?;
            patch.shunt_outside(model, last.id.into(), output[0])?;
            patch.apply(model)?;
        }
    }
    Ok(())
}

/// The first and the last operator of the chain that begins with this node.
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
        prelude::{DatumExt, Framework, InferenceModelExt},
        tract_core::ops::nn::GeluApproximate,
    };

    use super::*;

    /// How many GELUs are found in a network of tests/data/models. That its numbers stay right, its golden
    /// vectors prove.
    fn found(name: &str, shape: [usize; 4]) -> usize {
        let path = format!(
            "{}/../../tests/data/models/{name}.onnx",
            env!("CARGO_MANIFEST_DIR")
        );
        let model = tract_onnx::onnx().model_for_path(path).unwrap();
        let model = model.with_input_fact(0, f32::fact(shape).into()).unwrap();
        let mut model = model.into_typed().unwrap().into_decluttered().unwrap();
        fuse_gelu(&mut model).unwrap();
        let is_gelu = |node: &&TypedNode| {
            let op = node.op_as::<ElementWiseOp>();
            op.is_some_and(|op| op.0.downcast_ref::<GeluApproximate>().is_some())
        };
        model.nodes().iter().filter(is_gelu).count()
    }

    #[test]
    fn a_gelu_is_found_and_a_plain_tanh_is_none() {
        assert_eq!(found("tiny-combined", [1, 1, 16, 16]), 1);
        assert_eq!(found("tiny-seven", [1, 3, 16, 16]), 0);
    }
}

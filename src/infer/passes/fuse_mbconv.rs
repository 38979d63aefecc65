//! Fuses the expansion layer of an inverted residual block with its depthwise convolution.

use tract_onnx::prelude::{TractResult, TypedModel, TypedNode};

use super::{
    Context, Pass,
    patterns::skip_reshapes,
    rewrite::{Match, replace_all},
};
use crate::ops::{Depthwise, ExpandDepthwise, QLinear, TractOp};

/// Replaces each depthwise convolution and the int8 layer that it alone reads. Both must be operators of this
/// crate already.
pub(super) struct FuseMbconv;

impl Pass for FuseMbconv {
    fn name(&self) -> &'static str {
        "fuse MBConv"
    }

    fn run(&self, model: &mut TypedModel, _: &Context) -> TractResult<usize> {
        replace_all(model, find)
    }
}

fn find(model: &TypedModel, node: &TypedNode) -> Option<Match<ExpandDepthwise>> {
    let layer = node.op_as::<TractOp<QLinear>>()?.op();
    if model.output_outlets().ok()?.contains(&node.id.into()) {
        return None;
    }
    let last = model.single_succ(skip_reshapes(model, node.id)).ok()??;
    let convolution = last.op_as::<TractOp<Depthwise>>()?.op();
    let fused = ExpandDepthwise::new(layer.clone(), convolution.clone())?;
    let shape = fused.output();
    Some(Match {
        op: TractOp::new(fused, &shape[..]),
        inputs: node.inputs.clone().into(),
        last: last.id,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use tract_onnx::{
        prelude::{Datum as _, DatumExt as _},
        tract_core::ops::{cnn::Conv, einsum::EinSum, nn::DataFormat},
        tract_hir::internal::SpecialOps as _,
    };

    use super::*;
    use crate::{
        kernel::SimdLevel,
        passes::{match_conv::match_depthwise, quantize_linear::QuantizeLinear},
        testing::{apply_at, convolution_in, int8_weights, noise, run, values},
    };

    /// A layer from 12 channels to 24, and a depthwise convolution of its result.
    fn expansion(height: usize, width: usize, stride: usize, level: SimdLevel) -> TypedModel {
        let mut model = TypedModel::default();
        let source = model
            .add_source("source", f32::fact([height, width, 12]))
            .unwrap();
        let weights = model.add_const("weights", int8_weights(&[24, 12], 12)).unwrap();
        let einsum = EinSum::new("HWI,OI->HWO".parse().unwrap(), f32::datum_type());
        let product = model.wire_node("product", einsum, &[source, weights]).unwrap();
        let kernel = noise(&[24, 1, 3, 3], 0.7, 1.0);
        let convolution = convolution_in(DataFormat::NHWC, [1, height, width, 24], &kernel, stride, 1, 24);
        let mut nodes = convolution.nodes().iter();
        let node = nodes.find(|node| node.op_is::<Conv>()).unwrap();
        let (convolution, _) = match_depthwise(&convolution, node, level).unwrap();
        let shape = convolution.output();
        let last = model
            .wire_node("last", TractOp::new(convolution, &shape[..]), &product)
            .unwrap();
        model.select_output_outlets(&last).unwrap();
        assert_eq!(apply_at(&QuantizeLinear, &mut model, level), 1);
        model
    }

    #[test]
    fn the_result_is_that_of_both_operators() {
        for [height, width] in [[40, 32], [5, 64], [6, 57], [31, 28], [30, 9], [33, 14]] {
            for (stride, level) in SimdLevel::all_supported()
                .into_iter()
                .flat_map(|level| [(1, level), (2, level)])
            {
                let model = expansion(height, width, stride, level);
                let mut fused = model.clone();
                assert_eq!(apply_at(&FuseMbconv, &mut fused, level), 1);
                let fused = fused.into_decluttered().unwrap();
                assert_eq!(fused.nodes().len(), 2);
                let input = noise(&[height, width, 12], 0.37, 1.0);
                let (expected, results) = (values(&run(model, &input)), values(&run(fused, &input)));
                assert!(
                    expected == results,
                    "{height} by {width}, stride {stride}, {level:?}"
                );
            }
        }
    }

    #[test]
    fn low_images_and_layers_read_elsewhere_are_left_alone() {
        let level = SimdLevel::detect();
        let mut low = expansion(4, 64, 1, level);
        assert_eq!(apply_at(&FuseMbconv, &mut low, level), 0);
        let mut read = expansion(40, 32, 1, level);
        let last = read.output_outlets().unwrap()[0];
        let layer = read.node(last.node).inputs[0];
        read.select_output_outlets(&[last, layer]).unwrap();
        assert_eq!(apply_at(&FuseMbconv, &mut read, level), 0);
    }
}

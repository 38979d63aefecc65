//! Fuses depthwise convolutions with the linear layers before and after them.

use tract_onnx::{
    prelude::{OutletId, TVec, TractResult, TypedModel, TypedNode},
    tract_core::ops::change_axes::AxisOp,
};

use super::{
    Context, Pass,
    patterns::{Value, skip_reshapes},
    rewrite::{Match, replace_all},
};
use crate::ops::{Depthwise, DepthwiseBlock, FloatLinear, Layer, QLinear, TractOp};

/// Replaces each depthwise convolution, the layer before it if nothing else reads that, and the layer after
/// it if nothing else reads the convolution. All must already be operators of this crate.
pub(super) struct FuseDepthwise;

impl Pass for FuseDepthwise {
    fn name(&self) -> &'static str {
        "fuse depthwise convolutions"
    }

    fn run(&self, model: &mut TypedModel, _: &Context) -> TractResult<usize> {
        replace_all(model, find)
    }
}

fn find(model: &TypedModel, node: &TypedNode) -> Option<Match<DepthwiseBlock>> {
    node.op_as::<TractOp<Depthwise>>()?;
    let (expand, project) = (expansion(model, node), projection(model, node));
    // One of the layers may not fit.
    let candidates = [(expand, project), (expand, None), (None, project)];
    candidates
        .into_iter()
        .find_map(|(expand, project)| block(model, node, expand, project))
}

/// The operator for a convolution and at least one of these layers.
fn block(
    model: &TypedModel,
    node: &TypedNode,
    expand: Option<&TypedNode>,
    project: Option<&TypedNode>,
) -> Option<Match<DepthwiseBlock>> {
    let convolution = node.op_as::<TractOp<Depthwise>>()?.op();
    expand.or(project)?;
    let project_inputs: &[OutletId] = project.map_or(&[], |project| &project.inputs);
    let block = DepthwiseBlock::new(
        expand.and_then(layer),
        convolution.clone(),
        project.and_then(layer),
        project_inputs.len(),
    )?;
    let mut inputs: TVec<OutletId> = expand.unwrap_or(node).inputs.clone().into();
    inputs.extend(project_inputs.iter().skip(1).copied());
    let last = project.unwrap_or(node).id;
    Some(Match {
        op: TractOp::new(block, Value::new(model, last).shape()?),
        inputs,
        last,
    })
}

/// The linear layer at a node.
fn layer(node: &TypedNode) -> Option<Layer> {
    if let Some(layer) = node.op_as::<TractOp<QLinear>>() {
        return Some(Layer::Integers(layer.op().clone()));
    }
    Some(Layer::Floats(node.op_as::<TractOp<FloatLinear>>()?.op().clone()))
}

/// The layer before a node, if it has no residual and no other reader.
fn expansion<'m>(model: &'m TypedModel, node: &TypedNode) -> Option<&'m TypedNode> {
    let mut value = Value::new(model, node.inputs[0]);
    loop {
        if model.output_outlets().ok()?.contains(&value.outlet) {
            return None;
        }
        value = value.single_use()?;
        match value.op::<AxisOp>() {
            Some(AxisOp::Add(_) | AxisOp::Rm(_) | AxisOp::Reshape(..)) => value = value.input(0)?,
            _ => break,
        }
    }
    let found = value.node();
    let has_residual = match layer(found)? {
        Layer::Integers(layer) => layer.residual_input(found.inputs.len()).is_some(),
        Layer::Floats(layer) => layer.residual.is_some(),
    };
    (!has_residual).then_some(found)
}

/// The layer after a node, if it has no prologue and is the only reader.
fn projection<'m>(model: &'m TypedModel, node: &TypedNode) -> Option<&'m TypedNode> {
    let last = skip_reshapes(model, node.id);
    let outputs = model.output_outlets().ok()?;
    if outputs.contains(&node.id.into()) || outputs.contains(&last.into()) {
        return None;
    }
    let found = model.single_succ(last).ok()??;
    let has_prologue = match layer(found)? {
        Layer::Integers(layer) => layer.norm.is_some() || layer.scaled,
        Layer::Floats(_) => false,
    };
    (found.inputs[0] == last.into() && !has_prologue).then_some(found)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use tract_onnx::{
        prelude::{Datum as _, DatumExt as _, Tensor},
        tract_core::ops::{cnn::Conv, einsum::EinSum, math, nn::DataFormat},
        tract_hir::internal::SpecialOps as _,
    };

    use super::*;
    use crate::{
        kernel::SimdLevel,
        passes::{float_linear::FloatLinears, match_conv::match_depthwise, quantize_linear::QuantizeLinear},
        testing::{apply_at, convolution_in, int8_weights, noise, run, values},
    };

    /// Which layers are around the convolution of 24 channels.
    #[derive(Debug, Clone, Copy)]
    struct Around {
        /// From 12 channels.
        expand: bool,
        /// To 20 channels.
        project: bool,
        /// A residual of the projection.
        residual: bool,
        int8: bool,
    }

    const ALL: Around = Around {
        expand: true,
        project: true,
        residual: false,
        int8: true,
    };

    fn weights(around: Around, outputs: usize, inputs: usize) -> Tensor {
        if around.int8 {
            int8_weights(&[outputs, inputs], inputs)
        } else {
            noise(&[outputs, inputs], 0.7, 1.0)
        }
    }

    fn einsum(model: &mut TypedModel, name: &str, from: OutletId, weights: Tensor) -> OutletId {
        let weights = model.add_const(format!("{name}.weights"), weights).unwrap();
        let product = EinSum::new("HWI,OI->HWO".parse().unwrap(), f32::datum_type());
        model.wire_node(name, product, &[from, weights]).unwrap()[0]
    }

    fn inverted_residual(
        [height, width]: [usize; 2],
        stride: usize,
        around: Around,
        level: SimdLevel,
    ) -> TypedModel {
        let mut model = TypedModel::default();
        let channels = if around.expand { 12 } else { 24 };
        let source = model
            .add_source("source", f32::fact([height, width, channels]))
            .unwrap();
        let mut last = source;
        if around.expand {
            last = einsum(&mut model, "expand", last, weights(around, 24, 12));
        }
        let kernel = noise(&[24, 1, 3, 3], 0.7, 1.0);
        let convolution = convolution_in(DataFormat::NHWC, [1, height, width, 24], &kernel, stride, 1, 24);
        let mut nodes = convolution.nodes().iter();
        let node = nodes.find(|node| node.op_is::<Conv>()).unwrap();
        let (convolution, _) = match_depthwise(&convolution, node, level).unwrap();
        let shape = convolution.output();
        last = model
            .wire_node("convolution", TractOp::new(convolution, &shape[..]), &[last])
            .unwrap()[0];
        if around.project {
            last = einsum(&mut model, "project", last, weights(around, 20, 24));
        }
        if around.residual {
            let residual = einsum(&mut model, "residual", source, weights(around, 20, channels));
            last = model.wire_node("added", math::add(), &[residual, last]).unwrap()[0];
        }
        model.select_output_outlets(&[last]).unwrap();
        let layers = [around.expand, around.project, around.residual];
        let layers = layers.into_iter().filter(|exists| *exists).count();
        let pass: &dyn Pass = if around.int8 {
            &QuantizeLinear
        } else {
            &FloatLinears
        };
        assert_eq!(apply_at(pass, &mut model, level), layers);
        model
    }

    #[test]
    fn the_result_is_that_of_all_operators() {
        let mut all = Vec::new();
        for (expand, project, residual) in [
            (true, false, false),
            (false, true, false),
            (true, true, false),
            (true, true, true),
            (false, true, true),
        ] {
            all.extend([false, true].map(|int8| Around {
                expand,
                project,
                residual,
                int8,
            }));
        }
        for [height, width] in [[40, 32], [5, 64], [6, 57], [31, 28], [30, 9], [33, 14], [4, 64]] {
            for around in &all {
                for (stride, level) in SimdLevel::all_supported()
                    .into_iter()
                    .flat_map(|level| [(1, level), (2, level)])
                {
                    let around = Around {
                        residual: around.residual && stride == 1,
                        ..*around
                    };
                    let model = inverted_residual([height, width], stride, around, level);
                    let mut fused = model.clone();
                    assert_eq!(apply_at(&FuseDepthwise, &mut fused, level), 1);
                    let fused = fused.into_decluttered().unwrap();
                    assert_eq!(
                        fused.nodes().len(),
                        2 + usize::from(around.residual),
                        "{around:?}"
                    );
                    let channels = if around.expand { 12 } else { 24 };
                    let input = noise(&[height, width, channels], 0.37, 1.0);
                    let (expected, results) = (values(&run(model, &input)), values(&run(fused, &input)));
                    assert!(
                        expected == results,
                        "{height} by {width}, stride {stride}, {around:?}, {level:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn layers_read_elsewhere_are_left_alone() {
        let level = SimdLevel::detect();
        let around = Around {
            project: false,
            ..ALL
        };
        let mut read = inverted_residual([40, 32], 1, around, level);
        let last = read.output_outlets().unwrap()[0];
        let layer = read.node(last.node).inputs[0];
        read.select_output_outlets(&[last, layer]).unwrap();
        assert_eq!(apply_at(&FuseDepthwise, &mut read, level), 0);
        // The convolution itself is read: only the expansion is fused.
        let mut read = inverted_residual([40, 32], 1, ALL, level);
        let last = read.output_outlets().unwrap()[0];
        let convolution = read.node(last.node).inputs[0];
        read.select_output_outlets(&[last, convolution]).unwrap();
        assert_eq!(apply_at(&FuseDepthwise, &mut read, level), 1);
        let read = read.into_decluttered().unwrap();
        assert_eq!(read.nodes().len(), 3);
    }
}

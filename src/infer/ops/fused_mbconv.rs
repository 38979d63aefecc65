//! Runs a linear layer and the depthwise convolution behind it together, some rows of the picture at a time.
//!
//! A layer before a depthwise convolution makes several channels of each: what lies between the two is several times larger than
//! anything else in a network. Row by row it never leaves the near caches, and never is in memory as a whole. (The inverted
//! residuals of M. Sandler et al., "MobileNetV2", arXiv 1801.04381, section 5.1, leave this to be done.)

use std::sync::Arc;

use tract_onnx::prelude::{DatumType, TVec, TractResult, TypedModel};

use crate::{
    ops::depthwise::Depthwise,
    ops::linear::Linear,
    ops::operator::{Compute, Operator, Scratch, replace},
    passes::patterns::behind_shapes,
};

/// So many positions at a time make good use of a layer's weights.
const POSITIONS: usize = 56;

/// Both. Its inputs are those of the layer.
#[derive(Debug)]
struct Expansion {
    layer: Arc<Linear>,
    convolution: Arc<Depthwise>,
    /// Rows of the layer's result that are computed at a time, a power of two; twice as many are held.
    rows: usize,
}

/// Joins every depthwise convolution with the linear layer that it alone reads; returns how many. Models are to have both
/// operators already.
pub(crate) fn join_expansions(model: &mut TypedModel) -> TractResult<usize> {
    let mut joined = 0;
    for node in 0..model.nodes().len() {
        if let Some((expansion, last)) = find(model, node) {
            let shape = TVec::from_slice(&expansion.convolution.result());
            let inputs = model.node(node).inputs.clone();
            replace(model, last, &inputs, Operator::new(expansion, shape))?;
            joined += 1;
        }
    }
    Ok(joined)
}

/// The layer of this node, joined with its convolution, and the node of the latter.
fn find(model: &TypedModel, node: usize) -> Option<(Expansion, usize)> {
    let layer = model.node(node).op_as::<Operator<Linear>>()?.computation();
    if model.output_outlets().ok()?.contains(&node.into()) {
        return None;
    }
    let last = model.single_succ(behind_shapes(model, node)).ok()??;
    let convolution = last.op_as::<Operator<Depthwise>>()?.computation();
    let [height, width, channels] = convolution.picture();
    // A power of two, so that the rows of one time and the ones before fill what is held.
    let rows = POSITIONS.div_ceil(width).next_power_of_two().max(2);
    (layer.is_by_position() && layer.result() == [height * width, channels] && 2 * rows < height).then(|| {
        let expansion = Expansion {
            layer: layer.clone(),
            convolution: convolution.clone(),
            rows,
        };
        (expansion, last.id)
    })
}

impl Compute for Expansion {
    const NAME: &'static str = "Expansion";

    /// Nearly all are the layer's.
    fn products(&self) -> (DatumType, usize) {
        let (factors, products) = self.layer.products();
        (factors, products + self.convolution.products().1)
    }

    fn compute(&self, inputs: &[&[f32]], to: &mut [f32], scratch: &mut Scratch) {
        let [height, width, channels] = self.convolution.picture();
        let [out_height, out_width, _] = self.convolution.result();
        let (stride, row) = (self.convolution.stride(), width * channels);
        let Scratch { packed, numbers } = scratch;
        numbers.resize(numbers.len().max(2 * self.rows * row), 0.0);
        let held = &mut numbers[..2 * self.rows * row];
        let mut done = 0;
        for first in (0..height).step_by(self.rows) {
            let end = (first + self.rows).min(height);
            let place = first % (2 * self.rows);
            let rows = &mut held[place * row..][..(end - first) * row];
            self.layer.some(inputs, first * width, rows, packed);
            // Below the picture nothing is needed.
            let ready = if end == height {
                out_height
            } else {
                (end - 2) / stride + 1
            };
            let to = &mut to[done * out_width * channels..ready * out_width * channels];
            self.convolution.rows(held, 2 * self.rows - 1, done, to);
            done = ready;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use tract_onnx::{
        prelude::{Datum, DatumExt},
        tract_core::ops::{cnn::Conv, einsum::EinSum, nn::DataFormat},
        tract_hir::internal::SpecialOps,
    };

    use super::*;
    use crate::{
        kernel::Best,
        ops::linear::multiply_integers,
        testing::{convolution_in, noise, numbers, run, steps},
    };

    /// A layer from 12 channels to 24, and a depthwise convolution of its result.
    fn expansion(height: usize, width: usize, stride: usize, isa: Best) -> TypedModel {
        let mut model = TypedModel::default();
        let source = model
            .add_source("source", f32::fact([height, width, 12]))
            .unwrap();
        let weights = model.add_const("weights", steps(&[24, 12], 12)).unwrap();
        let product = EinSum::new("HWI,OI->HWO".parse().unwrap(), f32::datum_type());
        let product = model.wire_node("product", product, &[source, weights]).unwrap();
        let kernel = noise(&[24, 1, 3, 3], 0.7, 1.0);
        let convolution = convolution_in(DataFormat::NHWC, [1, height, width, 24], &kernel, stride, 1, 24);
        let mut nodes = convolution.nodes().iter();
        let node = nodes.find(|node| node.op_is::<Conv>()).unwrap();
        let (convolution, _) = Depthwise::find(&convolution, node, isa).unwrap();
        let shape = TVec::from_slice(&convolution.result());
        let last = model
            .wire_node("last", Operator::new(convolution, shape), &product)
            .unwrap();
        model.select_output_outlets(&last).unwrap();
        assert_eq!(multiply_integers(&mut model, isa).unwrap(), 1);
        model
    }

    #[test]
    fn joined_they_give_the_same() {
        for [height, width] in [[40, 32], [5, 64], [6, 57], [31, 28], [30, 9], [33, 14]] {
            for (stride, isa) in Best::all().into_iter().flat_map(|isa| [(1, isa), (2, isa)]) {
                let model = expansion(height, width, stride, isa);
                let mut joined = model.clone();
                assert_eq!(join_expansions(&mut joined).unwrap(), 1);
                let joined = joined.into_decluttered().unwrap();
                assert_eq!(joined.nodes().len(), 2);
                let input = noise(&[height, width, 12], 0.37, 1.0);
                let (expected, found) = (numbers(&run(model, &input)), numbers(&run(joined, &input)));
                assert!(expected == found, "{height} by {width}, stride {stride}, {isa:?}");
            }
        }
    }

    #[test]
    fn what_gains_nothing_or_is_read_elsewhere_stays() {
        let isa = Best::detect();
        let mut low = expansion(4, 64, 1, isa);
        assert_eq!(join_expansions(&mut low).unwrap(), 0);
        let mut read = expansion(40, 32, 1, isa);
        let last = read.output_outlets().unwrap()[0];
        let layer = read.node(last.node).inputs[0];
        read.select_output_outlets(&[last, layer]).unwrap();
        assert_eq!(join_expansions(&mut read).unwrap(), 0);
    }
}

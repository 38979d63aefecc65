//! The expansion layer of an inverted residual block and its depthwise convolution, evaluated together.
//!
//! The expanded activations between the two are several times larger than any other tensor of the network.
//! Computed a few rows at a time they stay in the L2 cache and never exist as a whole; see M. Sandler et al.,
//! "MobileNetV2", arXiv 1801.04381, section 5.1.

use std::sync::Arc;

use tract_onnx::prelude::DatumType;

use super::{
    depthwise::Depthwise,
    linear::QLinear,
    operator::{Compute, Scratch},
};

/// Tokens per evaluation of the layer that amortize reading its weights.
const MIN_TOKENS: usize = 56;

/// A token-wise linear layer and the depthwise convolution of its result. Its inputs are those of the layer.
#[derive(Debug)]
pub(crate) struct ExpandDepthwise {
    layer: Arc<QLinear>,
    convolution: Arc<Depthwise>,
    /// Rows of the layer's result that are computed together, a power of two. The ring buffer holds twice as
    /// many.
    rows: usize,
}

impl ExpandDepthwise {
    /// `None` if the layer is not token-wise, its result is not the convolution's input, or all rows fit the
    /// ring buffer.
    pub(crate) fn new(layer: Arc<QLinear>, convolution: Arc<Depthwise>) -> Option<Self> {
        let [height, width, channels] = convolution.input();
        let rows = MIN_TOKENS.div_ceil(width).next_power_of_two().max(2);
        let fits = layer.is_token_wise()
            && [layer.tokens, layer.outputs] == [height * width, channels]
            && 2 * rows < height;
        fits.then_some(Self {
            layer,
            convolution,
            rows,
        })
    }

    /// Height, width and channels of the result.
    pub(crate) fn output(&self) -> [usize; 3] {
        self.convolution.output()
    }
}

impl Compute for ExpandDepthwise {
    const NAME: &'static str = "ExpandDepthwise";

    /// Of the layer's operand type: nearly all are its.
    fn macs(&self) -> (DatumType, usize) {
        let (operands, macs) = self.layer.macs();
        (operands, macs + self.convolution.macs().1)
    }

    fn eval(&self, inputs: &[&[f32]], to: &mut [f32], scratch: &mut Scratch) {
        let [height, width, channels] = self.convolution.input();
        let [out_height, out_width, _] = self.convolution.output();
        let (stride, row) = (self.convolution.stride(), width * channels);
        let Scratch { packed, values } = scratch;
        values.resize(values.len().max(2 * self.rows * row), 0.0);
        let ring = &mut values[..2 * self.rows * row];
        let mut done = 0;
        for first in (0..height).step_by(self.rows) {
            let end = (first + self.rows).min(height);
            let at = first % (2 * self.rows);
            let rows = &mut ring[at * row..][..(end - first) * row];
            self.layer.eval_tokens(inputs, first * width, rows, packed);
            // The last output row of a 3x3 kernel also reads the input row below it, except at the lower
            // edge.
            let ready = if end == height {
                out_height
            } else {
                (end - 2) / stride + 1
            };
            let to = &mut to[done * out_width * channels..ready * out_width * channels];
            self.convolution.eval_rows(ring, 2 * self.rows - 1, done, to);
            done = ready;
        }
    }
}

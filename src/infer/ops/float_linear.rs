//! Linear layers in floats, with the operators after them fused into the epilogue.

use std::sync::Arc;

use tract_onnx::prelude::{Datum, DatumType};

use super::operator::{Compute, Scratch, resized};
use crate::kernel::{Activation, FloatRows, FloatWeights, Layout, fgemm};

/// Tokens that are multiplied together: they and their results stay in the L2 cache.
const BLOCK_TOKENS: usize = 128;

/// `activation(weights * x + bias + residual)`. Its inputs are the activations and the residual, if it has
/// one.
#[derive(Debug, Clone)]
pub(crate) struct FloatLinear {
    pub(crate) weights: Arc<FloatWeights>,
    pub(crate) activation: Activation,
    pub(crate) tokens: usize,
    /// Channels of the residual, at most as many as the layer has outputs. Missing channels are zero.
    pub(crate) residual: Option<usize>,
    /// Layout of the activations.
    pub(crate) input_layout: Layout,
    /// Layout of the residual and the result.
    pub(crate) output_layout: Layout,
}

impl FloatLinear {
    /// Whether each token is contiguous before and after the layer, so that it can be [evaluated in
    /// parts](Self::eval_tokens).
    pub(crate) fn is_token_wise(&self) -> bool {
        [self.input_layout, self.output_layout] == [Layout::ChannelsLast; 2]
    }

    /// The same layer with channels last, instead of first, in its activations or its result or both.
    pub(crate) fn to_channels_last(&self, input: bool, output: bool) -> Self {
        let last = |is_last: bool, layout: Layout| if is_last { Layout::ChannelsLast } else { layout };
        Self {
            input_layout: last(input, self.input_layout),
            output_layout: last(output, self.output_layout),
            ..self.clone()
        }
    }

    /// Evaluates some tokens, with channels last in all tensors. `residual` is that of the same tokens;
    /// `widened` is a scratch buffer.
    pub(super) fn eval_tokens(
        &self,
        values: &[f32],
        residual: Option<&[f32]>,
        to: &mut [f32],
        widened: &mut Vec<f32>,
    ) {
        let (channels, outputs) = (self.weights.inputs(), self.weights.outputs());
        let rows = FloatRows::contiguous(values, channels);
        let residual = match (residual, self.residual) {
            (Some(residual), Some(channels)) if channels < outputs => {
                Some(widen(residual, channels, outputs, widened))
            }
            (residual, _) => residual,
        };
        fgemm(&self.weights, rows, residual, self.activation, to);
    }

    /// Evaluates all tokens where one of the layouts is channels-first: a block is transposed before or
    /// after.
    fn eval_transposed(&self, inputs: &[&[f32]], to: &mut [f32], scratch: &mut Scratch) {
        let (channels, outputs) = (self.weights.inputs(), self.weights.outputs());
        let Scratch {
            values,
            rows,
            residuals,
            widened,
            ..
        } = scratch;
        for first in (0..self.tokens).step_by(BLOCK_TOKENS) {
            let block = Block {
                first,
                count: BLOCK_TOKENS.min(self.tokens - first),
                tokens: self.tokens,
            };
            let from = block.read(inputs[0], channels, self.input_layout, rows);
            let residual = self
                .residual
                .map(|channels| block.read(inputs[1], channels, self.output_layout, residuals));
            match self.output_layout {
                Layout::ChannelsLast => {
                    let to = &mut to[first * outputs..][..block.count * outputs];
                    self.eval_tokens(from, residual, to, widened);
                }
                Layout::ChannelsFirst => {
                    let values = resized(values, block.count * outputs);
                    self.eval_tokens(from, residual, values, widened);
                    block.write_channels_first(values, outputs, to);
                }
            }
        }
    }
}

/// Some of the tokens of an activation.
struct Block {
    first: usize,
    count: usize,
    /// Tokens of the activation.
    tokens: usize,
}

impl Block {
    /// Its values with channels last, copied to `buffer` if necessary.
    fn read<'a>(
        &self,
        from: &'a [f32],
        channels: usize,
        layout: Layout,
        buffer: &'a mut Vec<f32>,
    ) -> &'a [f32] {
        if layout == Layout::ChannelsLast {
            return &from[self.first * channels..][..self.count * channels];
        }
        let to = resized(buffer, self.count * channels);
        for (channel, plane) in from.chunks_exact(self.tokens).enumerate() {
            let column = to[channel..].iter_mut().step_by(channels);
            for (to, value) in column.zip(&plane[self.first..]) {
                *to = *value;
            }
        }
        to
    }

    fn write_channels_first(&self, from: &[f32], channels: usize, to: &mut [f32]) {
        for (channel, plane) in to.chunks_exact_mut(self.tokens).enumerate() {
            let column = from[channel..].iter().step_by(channels);
            for (to, value) in plane[self.first..].iter_mut().zip(column) {
                *to = *value;
            }
        }
    }
}

/// Copies the `channels` values of each token and pads them with zeros to `outputs`.
fn widen<'a>(from: &[f32], channels: usize, outputs: usize, buffer: &'a mut Vec<f32>) -> &'a [f32] {
    let to = resized(buffer, from.len() / channels * outputs);
    for (from, to) in from.chunks_exact(channels).zip(to.chunks_exact_mut(outputs)) {
        to[..channels].copy_from_slice(from);
        to[channels..].fill(0.0);
    }
    to
}

impl Compute for FloatLinear {
    fn name(&self) -> &'static str {
        "FloatLinear"
    }

    fn macs(&self) -> (DatumType, usize) {
        (f32::datum_type(), self.tokens * self.weights.count())
    }

    fn eval(&self, inputs: &[&[f32]], to: &mut [f32], scratch: &mut Scratch) {
        if !self.is_token_wise() {
            return self.eval_transposed(inputs, to, scratch);
        }
        let (channels, outputs) = (self.weights.inputs(), self.weights.outputs());
        for (index, to) in to.chunks_mut(BLOCK_TOKENS * outputs).enumerate() {
            let (first, tokens) = (index * BLOCK_TOKENS, to.len() / outputs);
            let from = &inputs[0][first * channels..][..tokens * channels];
            let residual = self
                .residual
                .map(|channels| &inputs[1][first * channels..][..tokens * channels]);
            self.eval_tokens(from, residual, to, &mut scratch.widened);
        }
    }
}

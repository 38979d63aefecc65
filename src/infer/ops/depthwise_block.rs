//! A depthwise convolution with the linear layers before and after it, evaluated together.
//!
//! These are the inverted residuals of M. Sandler et al., "MobileNetV2", arXiv 1801.04381 (whose section 5.1
//! describes this evaluation) and the separable convolutions of BlazeFace, arXiv 1907.05047. The activations
//! in between are several times larger than those around them. Computed a few rows at a time, they stay in
//! the L2 cache and are never stored as a whole.

use std::sync::Arc;

use tract_onnx::prelude::DatumType;

use super::{
    depthwise::Depthwise,
    float_linear::FloatLinear,
    linear::QLinear,
    operator::{Compute, Scratch, resized},
};
use crate::kernel::PackedActivations;

/// The number of tokens per evaluation of a layer that amortizes reading its weights.
const MIN_TOKENS: usize = 56;

/// A token-wise linear layer.
#[derive(Debug, Clone)]
pub(crate) enum Layer {
    Integers(Arc<QLinear>),
    Floats(Arc<FloatLinear>),
}

impl Layer {
    /// Tokens, input channels and outputs.
    fn sizes(&self) -> [usize; 3] {
        match self {
            Self::Integers(layer) => [layer.tokens, layer.channels, layer.outputs],
            Self::Floats(layer) => [layer.tokens, layer.weights.inputs(), layer.weights.outputs()],
        }
    }

    fn is_token_wise(&self) -> bool {
        match self {
            Self::Integers(layer) => layer.is_token_wise(),
            Self::Floats(layer) => layer.is_token_wise(),
        }
    }

    fn macs(&self) -> (DatumType, usize) {
        match self {
            Self::Integers(layer) => layer.macs(),
            Self::Floats(layer) => layer.macs(),
        }
    }

    /// Channels of the residual, given the number of the layer's inputs.
    fn residual_channels(&self, inputs: usize) -> Option<usize> {
        match self {
            Self::Integers(layer) => layer.residual_input(inputs).map(|_| layer.outputs),
            Self::Floats(layer) => layer.residual,
        }
    }

    fn eval(
        &self,
        values: &[f32],
        factors: Option<&[f32]>,
        residual: Option<&[f32]>,
        to: &mut [f32],
        buffers: &mut LayerBuffers<'_>,
    ) {
        match self {
            Self::Integers(layer) => layer.eval_tokens(values, factors, residual, to, buffers.packed),
            Self::Floats(layer) => layer.eval_tokens(values, residual, to, buffers.widened),
        }
    }
}

struct LayerBuffers<'a> {
    packed: &'a mut PackedActivations,
    widened: &'a mut Vec<f32>,
}

/// `project(depthwise(expand(x)))`, where at least one of the layers exists. Its inputs are those of the
/// expansion, or without one the activations, then the projection's residual if it has one.
#[derive(Debug)]
pub(crate) struct DepthwiseBlock {
    expand: Option<Layer>,
    convolution: Arc<Depthwise>,
    project: Option<Layer>,
    /// Channels of the projection's residual.
    residual: Option<usize>,
    /// Whether the expansion has an input of factors.
    scaled: bool,
    /// Input rows that are processed together, a power of two. The ring buffer of an expansion holds twice as
    /// many.
    rows: usize,
}

impl DepthwiseBlock {
    /// `None` if a layer is not token-wise or results do not match what follows. `project_inputs` is the
    /// number of inputs of the projection itself.
    pub(crate) fn new(
        expand: Option<Layer>,
        convolution: Arc<Depthwise>,
        project: Option<Layer>,
        project_inputs: usize,
    ) -> Option<Self> {
        let [height, width, channels] = convolution.input();
        let [out_height, out_width, _] = convolution.output();
        let mut rows = MIN_TOKENS.div_ceil(width).next_power_of_two().max(2);
        if 2 * rows >= height {
            rows = height.next_power_of_two();
        }
        if let Some(layer) = &expand {
            let [tokens, _, outputs] = layer.sizes();
            if !layer.is_token_wise() || [tokens, outputs] != [height * width, channels] {
                return None;
            }
        }
        if let Some(layer) = &project {
            let [tokens, inputs, _] = layer.sizes();
            if !layer.is_token_wise() || [tokens, inputs] != [out_height * out_width, channels] {
                return None;
            }
        }
        let scaled = matches!(&expand, Some(Layer::Integers(layer)) if layer.scaled);
        let residual = project
            .as_ref()
            .and_then(|layer| layer.residual_channels(project_inputs));
        Some(Self {
            expand,
            convolution,
            project,
            residual,
            scaled,
            rows,
        })
    }

    /// Height, width and channels of the result.
    pub(crate) fn output(&self) -> [usize; 3] {
        let [height, width, channels] = self.convolution.output();
        let outputs = self.project.as_ref().map_or(channels, |layer| layer.sizes()[2]);
        [height, width, outputs]
    }

    /// Evaluates output rows from `first` on. `from` is as for [`Depthwise::eval_rows`].
    fn finish(
        &self,
        (from, row_mask): (&[f32], usize),
        first: usize,
        residual: Option<&[f32]>,
        to: &mut [f32],
        (rows, buffers): (&mut Vec<f32>, &mut LayerBuffers<'_>),
    ) {
        let Some(project) = &self.project else {
            return self.convolution.eval_rows(from, row_mask, first, to);
        };
        let [_, _, channels] = self.convolution.output();
        let [_, _, outputs] = self.output();
        let (tokens, start) = (to.len() / outputs, first * self.convolution.output()[1]);
        let rows = resized(rows, tokens * channels);
        self.convolution.eval_rows(from, row_mask, first, rows);
        let residual = residual
            .zip(self.residual)
            .map(|(residual, channels)| &residual[start * channels..][..tokens * channels]);
        project.eval(rows, None, residual, to, buffers);
    }
}

impl Compute for DepthwiseBlock {
    fn name(&self) -> &'static str {
        "DepthwiseBlock"
    }

    /// Reports all products with a layer's operand type, which nearly all of them have.
    fn macs(&self) -> (DatumType, usize) {
        let layers = || self.expand.iter().chain(&self.project).map(Layer::macs);
        let (floats, depthwise) = self.convolution.macs();
        let operands = layers().next().map_or(floats, |(operands, _)| operands);
        (
            operands,
            depthwise + layers().map(|(_, macs)| macs).sum::<usize>(),
        )
    }

    fn eval(&self, inputs: &[&[f32]], to: &mut [f32], scratch: &mut Scratch) {
        let [height, width, channels] = self.convolution.input();
        let [_, out_width, outputs] = self.output();
        let Scratch {
            packed,
            values,
            rows,
            widened,
            ..
        } = scratch;
        let mut buffers = LayerBuffers { packed, widened };
        let factors = self.scaled.then(|| inputs[1]);
        let residual = self.residual.map(|_| inputs[1 + usize::from(self.scaled)]);
        let row = width * channels;
        let mut done = 0;
        for first in (0..height).step_by(self.rows) {
            let end = (first + self.rows).min(height);
            let ready = self.convolution.ready_rows(end);
            let from = match &self.expand {
                None => (inputs[0], usize::MAX),
                Some(layer) => {
                    let ring = resized(values, 2 * self.rows * row);
                    let at = first % (2 * self.rows);
                    let [_, channels, _] = layer.sizes();
                    let from = &inputs[0][first * width * channels..end * width * channels];
                    let to = &mut ring[at * row..][..(end - first) * row];
                    layer.eval(from, factors, None, to, &mut buffers);
                    (&*ring, 2 * self.rows - 1)
                }
            };
            if ready == done {
                continue;
            }
            let to = &mut to[done * out_width * outputs..ready * out_width * outputs];
            self.finish(from, done, residual, to, (rows, &mut buffers));
            done = ready;
        }
    }
}

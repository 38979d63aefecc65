//! Linear layers in int8, with the operators around them fused into prologue and epilogue.
//!
//! A fully connected layer and a 1x1 convolution are the same here, so "token" also means a pixel.

use tract_onnx::prelude::DatumType;

use super::operator::{Compute, Scratch};
use crate::kernel::{
    Activation, ActivationView, Epilogue, LayerNorm, Layout, PackedActivations, PackedWeights, Prologue,
    pack, qgemm,
};

/// Tokens that are quantized and multiplied together: they stay in the L2 cache.
const BLOCK_TOKENS: usize = 256;

/// `epilogue(weights * prologue(x) + bias)`. Its inputs are the activations, then the factors of the prologue
/// and the residual, if it has them.
#[derive(Debug)]
pub(crate) struct QLinear {
    pub(crate) weights: PackedWeights,
    /// Prologue: a layer normalization.
    pub(crate) norm: Option<LayerNorm>,
    /// Prologue: whether a factor for each channel is an input.
    pub(crate) scaled: bool,
    /// Epilogue, unless a residual is added.
    pub(crate) activation: Activation,
    /// Layout of the activations.
    pub(crate) input_layout: Layout,
    pub(crate) tokens: usize,
    pub(crate) channels: usize,
    pub(crate) outputs: usize,
}

impl QLinear {
    /// Layout of the result.
    pub(crate) fn output_layout(&self) -> Layout {
        self.weights.layout()
    }

    /// The index of the input that is added to the result, if there is one, given the number of inputs.
    pub(crate) fn residual_input(&self, inputs: usize) -> Option<usize> {
        let others = 1 + usize::from(self.scaled);
        (inputs > others).then_some(others)
    }

    /// The same layer with channels last, instead of first, in its activations or its result or both.
    pub(crate) fn to_channels_last(&self, input: bool, output: bool) -> Self {
        Self {
            weights: if output {
                self.weights.to_channels_last()
            } else {
                self.weights.clone()
            },
            norm: self.norm.clone(),
            input_layout: if input {
                Layout::ChannelsLast
            } else {
                self.input_layout
            },
            ..*self
        }
    }

    /// Whether each token is contiguous before and after the layer, so that it can be [evaluated in
    /// parts](Self::eval_tokens).
    pub(crate) fn is_token_wise(&self) -> bool {
        [self.input_layout, self.output_layout()] == [Layout::ChannelsLast; 2]
    }

    /// Evaluates some tokens. These must be all tokens unless the layer [is token-wise](Self::is_token_wise).
    /// `residual` is that of the same tokens.
    pub(super) fn eval_tokens(
        &self,
        values: &[f32],
        factors: Option<&[f32]>,
        residual: Option<&[f32]>,
        to: &mut [f32],
        packed: &mut PackedActivations,
    ) {
        let prologue = match (&self.norm, factors) {
            (Some(norm), _) => Prologue::LayerNorm(norm),
            (None, Some(factors)) => Prologue::Scale(factors),
            (None, None) => Prologue::None,
        };
        let tokens = to.len() / self.outputs;
        let view = ActivationView {
            values,
            layout: self.input_layout,
            tokens,
            channels: self.channels,
            prologue,
        };
        pack(
            self.weights.level(),
            view,
            self.weights.activation_operand(),
            packed,
        );
        let epilogue = match residual {
            Some(residual) => Epilogue::Residual(residual),
            None => Epilogue::Activation(self.activation),
        };
        qgemm(&self.weights, packed, tokens, epilogue, to);
    }
}

impl Compute for QLinear {
    fn name(&self) -> &'static str {
        "QLinear"
    }

    fn macs(&self) -> (DatumType, usize) {
        (self.weights.operand_type(), self.tokens * self.weights.count())
    }

    fn eval(&self, inputs: &[&[f32]], to: &mut [f32], scratch: &mut Scratch) {
        let block = if self.is_token_wise() {
            BLOCK_TOKENS
        } else {
            self.tokens
        };
        let mut others = inputs[1..].iter().copied().peekable();
        let factors = others.next_if(|_| self.scaled);
        let residual = others.next();
        for (index, to) in to.chunks_mut(block * self.outputs).enumerate() {
            let (tokens, first) = (to.len() / self.outputs, index * block);
            let values = &inputs[0][first * self.channels..][..tokens * self.channels];
            let residual = residual.map(|residual| &residual[first * self.outputs..][..to.len()]);
            self.eval_tokens(values, factors, residual, to, &mut scratch.packed);
        }
    }
}

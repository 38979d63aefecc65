//! Graph rewrites between loading a model and running it.
//!
//! tract's own declutter and optimize passes still run; the passes here add what a quantized network of
//! windows and grids of tokens needs. [`PASSES`] is the whole pipeline, in its order.

mod block_transpose;
mod channel_sum;
mod channels_last;
mod einsum_axes;
mod elementwise;
mod float_linear;
mod fuse_attention;
mod fuse_depthwise;
mod fuse_gelu;
mod int8_weights;
mod layout;
mod match_conv;
mod norm_last_axis;
mod patterns;
mod quantize_linear;
mod rewrite;
mod simplify;

use std::time::Instant;

use tract_onnx::{
    prelude::{TractResult, TypedModel},
    tract_hir::internal::TractErrorContext as _,
};

use crate::kernel::SimdLevel;

/// What passes need in addition to the model.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Context {
    /// The instruction set that operators are made for.
    pub(crate) level: SimdLevel,
    /// Whether layers with int8 weights may be computed in int8.
    pub(crate) int8: bool,
}

/// A graph rewrite.
pub(crate) trait Pass: Sync {
    /// For logs and errors.
    fn name(&self) -> &'static str;

    /// Rewrites the model and returns the number of rewrites.
    fn run(&self, model: &mut TypedModel, context: &Context) -> TractResult<usize>;
}

/// The pipeline. The first two passes expect the graph as the exporter wrote it. The second
/// [`simplify::Simplify`] lets the axis moves of [`channels_last::ChannelsLast`] cancel out; the passes after
/// it leave nothing to simplify.
const PASSES: [&dyn Pass; 16] = [
    &simplify::Simplify,
    &fuse_gelu::FuseGelu,
    &channels_last::ChannelsLast,
    &simplify::Simplify,
    &fuse_attention::FuseAttention,
    &channel_sum::SumChannels,
    &quantize_linear::QuantizeLinear,
    &float_linear::FloatLinears,
    &layout::PropagateChannelsLast,
    &fuse_depthwise::FuseDepthwise,
    &block_transpose::TransposeBlocks,
    &elementwise::ReplaceLayerNorm,
    &elementwise::ReplaceElementwise,
    &elementwise::ReplaceConcat,
    &simplify::TractOptimize,
    &norm_last_axis::NormLastAxis,
];

/// Runs all passes.
pub(crate) fn run_all(model: &mut TypedModel, context: &Context) -> TractResult<()> {
    for pass in PASSES {
        let start = Instant::now();
        let rewrites = pass
            .run(model, context)
            .with_context(|| format!("in the pass {}", pass.name()))?;
        let took = start.elapsed();
        tracing::debug!(pass = pass.name(), rewrites, ?took, "rewrote the graph");
    }
    Ok(())
}

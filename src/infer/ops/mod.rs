//! Operators that tract lacks or runs more slowly: what they compute, independent of graphs.

mod attention;
mod concat;
mod conv_im2col;
mod depthwise;
mod depthwise_block;
mod elementwise;
mod float_conv;
mod float_linear;
mod layer_normalize;
mod linear;
mod max_pool;
mod norm_last_axis;
mod operator;
mod reduce_sum;
mod transpose;
mod upsample;

pub(crate) use attention::Attention;
pub(crate) use concat::Concat;
pub(crate) use conv_im2col::QConv2d;
pub(crate) use depthwise::Depthwise;
pub(crate) use depthwise_block::{DepthwiseBlock, Layer};
pub(crate) use elementwise::{Combination, Combine, Elementwise, Function};
pub(crate) use float_conv::{FloatConv, MAX_KERNEL};
pub(crate) use float_linear::FloatLinear;
pub(crate) use layer_normalize::LayerNormalize;
pub(crate) use linear::QLinear;
pub(crate) use max_pool::MaxPool;
pub(crate) use norm_last_axis::{AlongLastAxis, AxisOperator};
pub(crate) use operator::{Compute, TractOp, eval};
pub(crate) use reduce_sum::ChannelSum;
pub(crate) use transpose::BlockTranspose;
pub(crate) use upsample::Upsample;

use std::sync::Arc;

use tract_onnx::tract_hir::internal::TypedOp;

/// The operator of this crate that a tract operator wraps, if any.
pub(crate) fn compute(op: &dyn TypedOp) -> Option<Arc<dyn Compute>> {
    fn of<C: Compute>(op: &dyn TypedOp) -> Option<Arc<dyn Compute>> {
        let op: Arc<dyn Compute> = op.downcast_ref::<TractOp<C>>()?.op().clone();
        Some(op)
    }
    let kinds = [
        of::<Attention>,
        of::<BlockTranspose>,
        of::<ChannelSum>,
        of::<Combine>,
        of::<Concat>,
        of::<Depthwise>,
        of::<DepthwiseBlock>,
        of::<Elementwise>,
        of::<FloatConv>,
        of::<FloatLinear>,
        of::<LayerNormalize>,
        of::<MaxPool>,
        of::<QConv2d>,
        of::<QLinear>,
        of::<Upsample>,
    ];
    kinds.into_iter().find_map(|of| of(op))
}

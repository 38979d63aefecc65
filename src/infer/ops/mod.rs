//! Operators that tract does not have, or runs slower: what they compute, without regard to graphs.

mod attention;
mod conv_im2col;
mod depthwise;
mod fused_mbconv;
mod linear;
mod norm_last_axis;
mod operator;
mod reduce_sum;
mod transpose;

pub(crate) use attention::Attention;
pub(crate) use conv_im2col::QConv2d;
pub(crate) use depthwise::Depthwise;
pub(crate) use fused_mbconv::ExpandDepthwise;
pub(crate) use linear::QLinear;
pub(crate) use norm_last_axis::{AlongLastAxis, AxisOperator};
pub(crate) use operator::{Compute, TractOp};
pub(crate) use reduce_sum::ChannelSum;
pub(crate) use transpose::BlockTranspose;

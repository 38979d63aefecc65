//! Operators that tract does not have, or has only in a slower form.

pub(crate) mod attention;
pub(crate) mod conv_im2col;
pub(crate) mod depthwise;
pub(crate) mod fused_mbconv;
pub(crate) mod linear;
pub(crate) mod operator;
pub(crate) mod reduce_sum;
pub(crate) mod transpose;

//! Graph rewrites.

pub(crate) mod channels_last;
pub(crate) mod einsum_axes;
pub(crate) mod fuse_gelu;
pub(crate) mod layout;
pub(crate) mod norm_last_axis;
pub(crate) mod patterns;
pub(crate) mod simplify;

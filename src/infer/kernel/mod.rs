//! The inner loops, compiled for several SIMD instruction sets and dispatched at run time.
//!
//! [`isa`] is the interface to an instruction set; the modules named after one implement it. The int8 matrix
//! product ([`mod@pack`] quantizes the activations, [`mod@qgemm`] multiplies), that of floats
//! ([`mod@fgemm`]), layer normalization, the element-wise functions ([`mod@activate`], [`mod@exp`]) and the
//! resampling of pictures ([`mod@filter_row`]) are built on it.

mod activate;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod dotprod;
mod exp;
mod fgemm;
mod filter_row;
mod gemm_tile;
mod isa;
mod layer_norm;
#[cfg(target_arch = "aarch64")]
mod neon;
#[cfg(target_arch = "aarch64")]
mod neon_floats;
mod pack;
mod peak;
mod portable;
mod qgemm;
mod simd_level;
mod weighted_bytes;
mod weights;

pub(crate) use activate::{Activation, activate};
pub(crate) use exp::exp;
pub(crate) use fgemm::{FloatRows, FloatWeights, fgemm};
pub use filter_row::{FilteredPixel, RowFilter};
pub(crate) use isa::{Isa, LANES, ROUND_TO_INT, SimdOp, first_lanes};
pub(crate) use layer_norm::{LayerNorm, normalize};
pub(crate) use pack::{ActivationView, Layout, Operand, PackedActivations, Prologue, inverse_scale, pack};
pub use peak::Peak;
pub(crate) use qgemm::{Epilogue, qgemm};
pub use simd_level::SimdLevel;
pub(crate) use weights::PackedWeights;

//! Neural networks on the processor, through tract: load, optimise, run.

mod attention;
mod channels_last;
mod depthwise;
mod error;
mod expansion;
mod gelu;
mod innermost;
mod kernel;
mod linear;
mod means;
mod memory;
mod moves;
mod neighbours;
mod network;
mod operator;
mod orders;
mod patches;
mod profile;
mod roles;
mod simplify;
#[cfg(test)]
mod testing;
mod weights;

pub use error::InferError;
pub use kernel::Peak;
pub use network::{Arithmetic, Network, Output, OutputInfo, kernels, peak};
pub use profile::{IntegerLayers, OperatorTime};

//! Neural networks on the processor, through tract: load, optimise, run.

mod attention;
mod depthwise;
mod gelu;
mod innermost;
mod kernel;
mod linear;
mod network;
mod operator;
mod profile;

pub use network::{Arithmetic, InferError, Network, Output, OutputInfo};
pub use profile::OperatorTime;

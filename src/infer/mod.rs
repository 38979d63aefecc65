//! Neural networks on the processor, through tract: load, optimise, run.

mod attention;
mod depthwise;
mod gelu;
mod innermost;
mod kernel;
mod linear;
mod network;

pub use network::{Arithmetic, InferError, Network, Output, OutputInfo};

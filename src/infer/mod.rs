//! Neural networks on the processor, through tract: load, optimise, run.

mod gelu;
mod innermost;
mod network;

pub use network::{InferError, Network, Output, OutputInfo};

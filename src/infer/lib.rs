//! Neural networks on the CPU: loads an ONNX file through tract, optimizes the graph and runs it.

mod error;
mod kernel;
mod memory;
mod network;
mod onnx_weights;
mod ops;
mod passes;
mod profile;
#[cfg(test)]
mod testing;

pub use error::InferError;
pub use kernel::Peak;
pub use network::{Arithmetic, Network, Output, OutputInfo, kernels, peak};
pub use profile::{IntegerLayers, OperatorTime};

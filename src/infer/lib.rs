//! Neural networks on the CPU: loads an ONNX file through tract, optimizes its graph, and runs it.
//!
//! [`Network`] is the interface to networks. It is loaded from a file for one input shape and then run: as a
//! `program` if all operators are this crate's, otherwise by tract. The optimizations are in three layers,
//! each of which depends only on the one below:
//!
//! - `passes`: graph rewrites, in one ordered list, that replace subgraphs with the operators below;
//! - `ops`: operators that tract lacks or runs more slowly, such as linear layers in int8 and in floats, and
//!   fused blocks of convolutions;
//! - `kernel`: the inner loops, compiled for several instruction sets and dispatched by [`SimdLevel`] at run
//!   time. Those that prepare a network's input are public.
//!
//! Weights are quantized to int8 per output channel in the file, activations per token at run time; see
//! `kernel::pack` and B. Jacob et al., "Quantization and training of neural networks for efficient
//! integer-arithmetic-only inference", arXiv 1712.05877.
#![deny(clippy::undocumented_unsafe_blocks, unsafe_op_in_unsafe_fn)]

mod error;
mod kernel;
mod load;
pub mod memory;
mod network;
mod onnx_weights;
mod ops;
mod output;
pub mod panics;
mod passes;
mod profile;
mod program;
mod runner;
#[cfg(test)]
mod testing;

pub use error::{InferError, Source};
pub use kernel::{FilteredPixel, Peak, RowFilter, SimdLevel};
pub use network::{Arithmetic, Network};
pub use output::{Output, OutputInfo};
pub use profile::{IntegerLayers, OperatorTime};

//! Errors from loading and running a network.

use std::{error::Error, path::PathBuf};

/// An underlying error of any type.
pub type Source = Box<dyn Error + Send + Sync>;

/// Why a network cannot be loaded or run. Messages do not repeat their [source](Error::source).
#[derive(Debug, thiserror::Error)]
pub enum InferError {
    /// The file cannot be read.
    #[error("cannot read the network {}", path.display())]
    Read {
        /// The ONNX file.
        path: PathBuf,
        /// The error from the operating system.
        source: std::io::Error,
    },
    /// The file is not an ONNX network that tract can run at this input shape.
    #[error("{} is not a usable ONNX network for an input of {shape:?}", path.display())]
    Unusable {
        /// The ONNX file.
        path: PathBuf,
        /// The input shape that was asked for.
        shape: Vec<usize>,
        /// What was found and what is needed.
        source: Source,
    },
    /// The system cannot start a thread, which may be temporary.
    #[error("cannot start a thread to load {}", path.display())]
    Thread {
        /// The ONNX file.
        path: PathBuf,
        /// The error from the operating system.
        source: std::io::Error,
    },
    /// The network failed on this input.
    #[error("the network failed")]
    Run(#[source] Source),
    /// An output is infinite or NaN, so the result is meaningless.
    #[error("output {index} of the network is {value}, which is not finite")]
    NotFinite {
        /// Index in the output vector.
        index: usize,
        /// The value found.
        value: f32,
    },
}

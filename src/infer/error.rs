//! What can go wrong with a network.

use std::path::PathBuf;

/// Why a network cannot be loaded or run.
#[derive(Debug, thiserror::Error)]
pub enum InferError {
    /// The file cannot be read.
    #[error("cannot read the network {path}: {source}", path = .path.display())]
    Read {
        /// The ONNX file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The file is no ONNX network that tract can run at this input shape.
    #[error(
        "{path} is not a usable ONNX network for an input of {shape:?}: {reason}",
        path = .path.display()
    )]
    Unusable {
        /// The ONNX file.
        path: PathBuf,
        /// The input shape that was asked for.
        shape: Vec<usize>,
        /// What was found and what is needed.
        reason: String,
    },
    /// The network failed on this input.
    #[error("the network failed: {0}")]
    Run(String),
    /// The landmarks are not finite or lie closer together than a face of two pixels.
    #[error("the landmarks span no face")]
    NoFace,
    /// An output is infinite or not a number, so the result means nothing.
    #[error("output {index} of the network is {value}, which is no finite number")]
    NotFinite {
        /// Which number of the output vector.
        index: usize,
        /// What it is.
        value: f32,
    },
}

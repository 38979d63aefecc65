//! Why a model cannot be used.

use std::path::PathBuf;

use affectd_infer::InferError;

use super::digest::Sha256;
use crate::{
    config::{Diagnostic, ModelName},
    file::FileError,
    text,
};

/// Why a model cannot be used. Every message names the file and what is allowed.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// A folder cannot be listed.
    #[error("cannot list {}", text::path(.path))]
    List {
        /// The folder.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// A file cannot be read.
    #[error("cannot read {}", text::path(.path))]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: FileError,
    },
    /// The manifest is not TOML, or holds a value that is not allowed.
    #[error(transparent)]
    Manifest(#[from] Diagnostic),
    /// No manifest has this name.
    #[error(
        "there is no model {} in {}; there are: {}",
        text::quoted(.name),
        text::path(.folder),
        .known.iter().map(ModelName::as_str).collect::<Vec<_>>().join(", ")
    )]
    Unknown {
        /// The requested name.
        name: String,
        /// The folder that was searched.
        folder: PathBuf,
        /// The names that exist.
        known: Vec<ModelName>,
    },
    /// The folder has no manifest at all.
    #[error("there is no model manifest (*.toml) in {}", text::path(.0))]
    Empty(PathBuf),
    /// The model is of the other kind.
    #[error("{} describes {found}; {needed} is needed", text::path(.path))]
    Kind {
        /// The manifest.
        path: PathBuf,
        /// What it is.
        found: &'static str,
        /// What it must be.
        needed: &'static str,
    },
    /// A file is not the one that the manifest was written for.
    #[error(
        "{} has the SHA-256 {found}, and its manifest says {expected}: it is corrupt or another model",
        text::path(.path)
    )]
    Hash {
        /// The file.
        path: PathBuf,
        /// The digest of its bytes.
        found: Sha256,
        /// The digest in the manifest.
        expected: Sha256,
    },
    /// The golden vectors cannot be read.
    #[error("{}: {reason}", text::path(.path))]
    Golden {
        /// The file of golden vectors.
        path: PathBuf,
        /// What was found and what was expected.
        reason: String,
    },
    /// The network's outputs differ from those that its authors' runtime computed.
    #[error(
        "{}: golden vector {vector} differs by {difference:.4}, and the manifest allows {tolerance}: \
         this build computes the network wrongly",
        text::path(.path)
    )]
    Mismatch {
        /// The network.
        path: PathBuf,
        /// Index of the vector, from 0.
        vector: usize,
        /// Largest difference of an output, in the unit of the tolerance.
        difference: f32,
        /// The largest difference that the manifest allows.
        tolerance: f32,
    },
    /// The manifest names an output that the network does not have.
    #[error(
        "{}: the manifest uses output {index}, and the network has {available}",
        text::path(.path)
    )]
    Outputs {
        /// The manifest.
        path: PathBuf,
        /// The highest index used.
        index: usize,
        /// Length of the output vector.
        available: usize,
    },
    /// The network cannot be loaded.
    #[error(transparent)]
    Infer(#[from] InferError),
    /// The network has no golden vectors, and fails on an input of zeros.
    #[error("{} fails on an input of zeros", text::path(.path))]
    Zeros {
        /// The network.
        path: PathBuf,
        /// The cause.
        source: InferError,
    },
    /// The network fails on a golden vector.
    #[error("{} fails on golden vector {vector}", text::path(.path))]
    Run {
        /// The network.
        path: PathBuf,
        /// Index of the vector, from 0.
        vector: usize,
        /// The cause.
        source: InferError,
    },
}

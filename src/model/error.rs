//! Why a model cannot be used.

use std::path::PathBuf;

use affectd_infer::InferError;

use super::integrity::Sha256;

/// Why a model cannot be used. Every message names the file and what is allowed.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// A file or folder cannot be read.
    #[error("cannot read {path}: {source}", path = .path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The manifest is not TOML.
    #[error("{path}:{line}: {message}", path = .path.display())]
    Syntax {
        /// The manifest.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// What the parser found.
        message: String,
    },
    /// The manifest says something that is not allowed.
    #[error("{path}:{line}: {key}: found {found}; allowed: {allowed}", path = .path.display())]
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Key with its table, e.g. `input.width`.
        key: String,
        /// What stands there.
        found: String,
        /// What may stand there.
        allowed: String,
    },
    /// No manifest has this name.
    #[error(
        "there is no model {name:?} in {folder}; there are: {}",
        .known.join(", "),
        folder = .folder.display()
    )]
    Unknown {
        /// What was asked for.
        name: String,
        /// Where it was sought.
        folder: PathBuf,
        /// The names that are there.
        known: Vec<String>,
    },
    /// The folder has no manifest at all.
    #[error("there is no model manifest (*.toml) in {}", .0.display())]
    Empty(PathBuf),
    /// The model is of the other kind.
    #[error("{path} describes {found}, and {needed} is needed", path = .path.display())]
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
        "{path} has the SHA-256 {found}, and its manifest says {expected}: it is corrupt or not that model",
        path = .path.display()
    )]
    Hash {
        /// The file.
        path: PathBuf,
        /// Of its bytes.
        found: Sha256,
        /// By the manifest.
        expected: Sha256,
    },
    /// The golden vectors cannot be read.
    #[error("{path}: {reason}", path = .path.display())]
    Golden {
        /// The file of golden vectors.
        path: PathBuf,
        /// What was found and what must be there.
        reason: String,
    },
    /// The network computes something else than its authors' runtime did.
    #[error(
        "{path}: golden vector {vector} differs by {difference:.4}, and the manifest allows {tolerance}: \
         this build computes the network wrongly",
        path = .path.display()
    )]
    Mismatch {
        /// The network.
        path: PathBuf,
        /// Which vector, from 0.
        vector: usize,
        /// Largest difference of an output, in the unit of the tolerance.
        difference: f32,
        /// What the manifest allows.
        tolerance: f32,
    },
    /// The manifest names an output that the network has not got.
    #[error(
        "{path}: the manifest uses output {index}, and the network has {available}",
        path = .path.display()
    )]
    Outputs {
        /// The manifest.
        path: PathBuf,
        /// The highest index used.
        index: usize,
        /// Length of the output vector.
        available: usize,
    },
    /// The network cannot be loaded or run.
    #[error(transparent)]
    Infer(#[from] InferError),
}

//! Errors from starting the HTTP server.

use std::io;

use crate::{file::FileError, pem::PemError};

/// Why the server cannot be started. An address that cannot be used yet is not an error: it is retried.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// A file that a setting names cannot be read.
    #[error("{key} {path} cannot be read")]
    File {
        /// The setting.
        key: &'static str,
        /// Its value.
        path: String,
        /// The cause.
        source: FileError,
    },
    /// A file that a setting names has unusable content.
    #[error("{key} {path} is unusable: {reason}")]
    Content {
        /// The setting.
        key: &'static str,
        /// Its value.
        path: String,
        /// What was found and what is allowed. Never holds a secret.
        reason: String,
    },
    /// A certificate or key that a setting names cannot be used.
    #[error(transparent)]
    Pem(#[from] PemError),
    /// The thread cannot be started.
    #[error("the HTTP thread cannot be started")]
    Start(#[from] io::Error),
}

//! Why there is no HTTP server.

use std::io;

use crate::file::FileError;

/// Why the server cannot be started. An address that cannot be used now is no error: it is tried again.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// A file that a setting names cannot be read.
    #[error("{key} {path} cannot be read")]
    File {
        /// The setting.
        key: &'static str,
        /// Its value.
        path: String,
        /// Why.
        source: FileError,
    },
    /// A file that a setting names does not hold what it should.
    #[error("{key} {path} is unusable: {reason}")]
    Content {
        /// The setting.
        key: &'static str,
        /// Its value.
        path: String,
        /// What was found and what is allowed. Never holds a secret.
        reason: String,
    },
    /// The thread cannot be started.
    #[error("the HTTP thread cannot be started")]
    Start(#[from] io::Error),
}

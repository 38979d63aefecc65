//! Why nothing can be published.

use std::error::Error;

use crate::pem::PemError;

/// The kinds of failure that end the daemon or a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PublishErrorKind {
    /// A setting, or a file that it names, cannot be used.
    Config,
    /// The broker permanently refuses the credentials.
    Refused,
    /// The broker cannot be reached now; only a check ends with it.
    Unreachable,
    /// The broker does not permit what was asked for, or the device is in use.
    Denied,
    /// The publishing thread could not be started, or it panicked.
    System,
}

/// Why nothing can be published: the kind for programs, the reason for people.
#[derive(Debug, thiserror::Error)]
#[error("{reason}")]
pub struct PublishError {
    /// What sort of failure.
    pub kind: PublishErrorKind,
    /// What was found, where, and what is allowed. Never holds a password.
    pub reason: String,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl PublishError {
    /// A failure of `kind`.
    pub(super) fn new(kind: PublishErrorKind, reason: impl Into<String>) -> Self {
        Self {
            kind,
            reason: reason.into(),
            source: None,
        }
    }

    /// A setting, or a file that it names, cannot be used.
    pub(super) fn config(reason: impl Into<String>) -> Self {
        Self::new(PublishErrorKind::Config, reason)
    }

    /// The publishing thread cannot be started.
    pub(super) fn start(error: std::io::Error) -> Self {
        Self::new(
            PublishErrorKind::System,
            "the publishing thread cannot be started",
        )
        .because(error)
    }

    /// The same with its cause.
    pub(super) fn because(self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            source: Some(source.into()),
            ..self
        }
    }
}

impl From<PemError> for PublishError {
    fn from(error: PemError) -> Self {
        let failure = Self::config(error.to_string());
        match error {
            PemError::File { source, .. } => failure.because(source),
            PemError::Content { .. } => failure,
        }
    }
}

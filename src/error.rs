//! How the process ends: one documented exit code for each kind of failure.

use std::{error::Error, fmt};

/// The process's exit codes (sysexits where one fits). systemd units and installers rely on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// The command line is wrong.
    Usage = 64,
    /// A model or an input file is missing, corrupt or of the wrong kind.
    Input = 66,
    /// The broker permanently refused the credentials. With `check` and `forget` also: the broker cannot be
    /// reached, or refuses the request. With `aim`, `top` and `check --running`: the daemon cannot be
    /// reached, or refuses the request.
    Unavailable = 69,
    /// Something in the daemon itself failed.
    Software = 70,
    /// The camera cannot be used.
    Camera = 74,
    /// The configuration is wrong.
    Config = 78,
}

/// An error that ends the process with the exit code of its class. The command line (`cmd::exit`) assigns the
/// codes, not the modules that report the errors.
pub trait ExitClass: Error {
    /// The exit code.
    fn exit(&self) -> Exit;
}

/// A result cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write the result")]
pub struct Unwritable(#[from] pub std::io::Error);

/// A failure that ends the process: what to tell the user and which code to exit with.
#[derive(Debug)]
pub struct Failure {
    /// The documented exit code.
    pub exit: Exit,
    /// What was found, where, and what is allowed.
    pub error: anyhow::Error,
}

impl Failure {
    /// A failure of kind `exit` caused by `error`.
    pub fn new(exit: Exit, error: impl Into<anyhow::Error>) -> Self {
        Self {
            exit,
            error: error.into(),
        }
    }
}

impl<E: ExitClass + Send + Sync + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::new(error.exit(), error)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#}", self.error)
    }
}

/// An error and its causes, separated by colons, as [`Failure`] shows them.
#[must_use]
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

//! How the process ends: one documented exit code for each kind of failure.

use std::fmt;

/// The process's exit codes (sysexits where one fits). systemd units and installers rely on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// The command line is wrong.
    Usage = 64,
    /// A model or an input file is missing, corrupt or of the wrong kind.
    Input = 66,
    /// The broker refused the credentials for good; with `check` also: it cannot be reached.
    Broker = 69,
    /// Something in the daemon itself failed.
    Software = 70,
    /// The camera cannot be used.
    Camera = 74,
    /// The configuration is wrong.
    Config = 78,
}

/// A failure that ends the process: what to tell the person and which code to exit with.
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

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#}", self.error)
    }
}

//! Diagnostics for a configuration or a TOML file, worded so that the error can be corrected.

use std::{fmt, path::PathBuf};

use crate::text;

/// Where a value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The built-in default.toml.
    Default,
    /// A file and the line in it, counted from 1; 0 for the file as a whole.
    File(PathBuf, usize),
    /// An environment variable.
    Variable(String),
    /// A command line option, e.g. `--set`.
    Option(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path, 0) => f.write_str(&text::path(path)),
            Self::File(path, line) => write!(f, "{}:{line}", text::path(path)),
            Self::Variable(name) => write!(f, "environment {name}"),
            Self::Option(option) => write!(f, "option {option}"),
        }
    }
}

/// One error in a configuration or a TOML file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Diagnostic {
    /// Where it is.
    pub origin: Origin,
    /// The dotted key, e.g. `camera.width`; empty if no key can be named.
    pub key: String,
    /// What was found there.
    pub found: String,
    /// What is allowed there.
    pub allowed: String,
    /// What was probably intended; empty if there is no suggestion.
    pub hint: Box<str>,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.origin)?;
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        write!(f, "found {}; allowed: {}", self.found, self.allowed)?;
        if !self.hint.is_empty() {
            write!(f, "; {}", self.hint)?;
        }
        Ok(())
    }
}

/// A configuration that cannot be used, with all its errors.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ConfigError {
    /// At least one, in the order of file, environment and command line.
    pub diagnostics: Vec<Diagnostic>,
}

/// Maximum number of diagnostics shown.
const MAX_SHOWN: usize = 30;

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the configuration cannot be used")?;
        for diagnostic in self.diagnostics.iter().take(MAX_SHOWN) {
            write!(f, "\n  {diagnostic}")?;
        }
        match self.diagnostics.len().saturating_sub(MAX_SHOWN) {
            0 => Ok(()),
            more => write!(f, "\n  and {more} more"),
        }
    }
}

//! `affectd check`: is everything ready for `affectd run`?

use std::io::{self, Write};

use clap::Args;

use crate::{
    config::Loaded,
    error::{Exit, Failure},
};

/// Checks what `run` needs and says what it finds
///
/// A line for each thing that was checked. All are checked, also when one fails; the exit code is that of the first failure.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Prints the settings in force as TOML, each with where it comes from, and checks nothing but them
    #[arg(long)]
    print: bool,
}

/// Checks the configuration.
///
/// # Errors
/// The first failure.
pub fn check(
    loaded: Result<Loaded, Failure>,
    arguments: &Arguments,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let loaded = loaded?;
    let written = if arguments.print {
        out.write_all(loaded.to_toml().as_bytes())
    } else {
        let file = loaded.file.as_ref().map_or_else(
            || "built-in defaults, no file".to_owned(),
            |file| file.display().to_string(),
        );
        writeln!(out, "configuration: {file}: ok")
    };
    written.map_err(|error: io::Error| Failure::new(Exit::Software, error))
}

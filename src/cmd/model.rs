//! `affectd model`: verification and evaluation of models.

use std::{io::Write, path::PathBuf};

use clap::{Args, Subcommand};

use super::Global;
use crate::{
    error::Failure,
    measure::{evaluation, verify},
};

/// Verifies models and measures their accuracy
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Verifies models by checksum and golden vectors, and times them
    Verify {
        /// Manifest names [default: all]
        names: Vec<String>,
    },
    /// Evaluates a model on pictures of cropped faces
    ///
    /// The first line of the file is path,category or path,category,valence,arousal. Paths are relative to the file;
    /// categories are neutral, happiness, sadness, surprise, fear, disgust, anger and contempt; valence and arousal
    /// are between -1 and 1, or both empty.
    Eval {
        /// Manifest name
        name: String,
        /// CSV file of pictures
        csv: PathBuf,
        /// Prints one JSON object: accuracy, macro_f1, ece, ece_unscaled, va_rmse, va_ccc, n and categories
        #[arg(long)]
        json: bool,
    },
}

impl Arguments {
    pub(super) fn run(&self, global: &Global, out: &mut dyn Write) -> Result<(), Failure> {
        let models = global.settings()?.models_dir()?;
        match &self.command {
            Command::Verify { names } => verify::verify(&models, names, out),
            Command::Eval { name, csv, json } => evaluation::eval(&models, name, csv, *json, out),
        }
    }
}

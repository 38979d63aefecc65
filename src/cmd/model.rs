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
    /// The first line of the file is path,category, optionally followed by valence,arousal, optionally
    /// followed by share or by votes_neutral,...,votes_contempt,votes_unknown,votes_no_face. Paths are
    /// relative to the file; categories are neutral, happiness, sadness, surprise, fear, disgust, anger and
    /// contempt; valence and arousal are between -1 and 1, or both empty; share is the share of the
    /// annotators that chose the category, votes are the number of annotators for each choice. With them, the
    /// accuracy is also given where more than half agree; with votes also where any tied label counts, and
    /// the accuracy that annotators would reach. All intervals are bootstrap intervals that cover 95 %.
    Eval {
        /// Manifest name
        name: String,
        /// CSV file of pictures
        csv: PathBuf,
        /// Prints one JSON object with all metrics, intervals and categories
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

//! `affectd analyze`: expressions in photographs.

use std::{io::Write, path::PathBuf};

use clap::Args;

use super::Global;
use crate::{
    analyze::{self, AnnotateOptions},
    error::Failure,
};

/// Analyzes the faces in photographs
///
/// Prints one line of JSON for each face: file, faces (the number of faces in the picture), face (its number,
/// largest first), box (left, top, width, height in pixels), score, quality, poor (the quality is below
/// publish.min_quality, so that the daemon would call the face uncertain), category, probabilities, valence
/// and arousal, all from this picture alone. A picture without a face gives one line with "faces":0. Pictures
/// that cannot be read are reported on standard error, and the exit code is then 66.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Photographs: JPEG, PNG, WebP, BMP or PNM
    #[arg(required = true, value_name = "PICTURE")]
    pictures: Vec<PathBuf>,

    /// Draws boxes, landmarks and results into copies of the pictures
    ///
    /// OUT is a .png or .jpg file for one picture, or a folder. Existing files are not overwritten without
    /// --force.
    #[arg(long, value_name = "OUT")]
    annotate: Option<PathBuf>,

    /// Lets --annotate overwrite existing files, but never the pictures themselves
    #[arg(long, requires = "annotate")]
    force: bool,
}

impl Arguments {
    pub(super) fn run(&self, global: &Global, out: &mut dyn Write) -> Result<(), Failure> {
        let annotate = self.annotate.as_ref().map(|path| AnnotateOptions {
            path: path.clone(),
            force: self.force,
        });
        analyze::analyze(&global.settings()?, &self.pictures, annotate.as_ref(), out)
    }
}

//! Evaluation of an expression model on pictures of cropped faces.

pub mod labels;
mod metrics;
mod moments;
mod quality;
mod random;
mod report;
mod resampling;
mod sample;
mod votes;

use std::{
    fs,
    io::{self, Write},
    path::Path,
};

use anyhow::Context as _;

use report::Report;
use sample::Sample;

use crate::{
    capture::read_picture,
    error::{Exit, Failure, Unwritable},
    logging::progress,
    model::Registry,
    picture::Picture,
    sense::engine::NetworkClassifier,
    text,
};

/// Runs a model over the pictures of a CSV file and writes the metrics, as text or as one JSON object.
///
/// The first line of the file is `path,category`, optionally followed by `valence,arousal`, optionally
/// followed by `share` or by ten columns of votes. Paths are relative to the file; categories are the
/// published names; valence and arousal are between -1 and 1, or both empty; `share` is the share of the
/// annotators that chose the category. Every picture is a crop filled by one face.
///
/// # Errors
/// [`Exit::Input`] if the model, the file or a picture cannot be used; the message names the line.
pub fn eval(models: &Path, name: &str, csv: &Path, json: bool, out: &mut dyn Write) -> Result<(), Failure> {
    let manifest = Registry::open(models)?.find(name)?;
    let mut classifier = NetworkClassifier::open(&manifest)?;
    let samples = classify(&mut classifier, csv).map_err(|error| Failure {
        exit: Exit::Input,
        error,
    })?;
    let report = Report::of(&samples);
    if json {
        serde_json::to_writer(&mut *out, &report)
            .map_err(io::Error::from)
            .and_then(|()| writeln!(out))
    } else {
        report.write_text(name, out)
    }
    .map_err(Unwritable)?;
    Ok(())
}

/// Classifies every picture of the file.
fn classify(classifier: &mut NetworkClassifier, csv: &Path) -> anyhow::Result<Vec<Sample>> {
    let text = fs::read_to_string(csv).with_context(|| format!("cannot read {}", text::path(csv)))?;
    let rows = labels::rows(csv, &text)?;
    let bar = progress(rows.len() as u64, "{wide_bar} {pos}/{len} pictures, {eta} left");
    let temperature = classifier.temperature();
    let mut samples = Vec::with_capacity(rows.len());
    let mut picture = Picture::default();
    for row in &rows {
        let at = || format!("{}:{}", text::path(csv), row.line);
        read_picture(&row.path, &mut picture).with_context(at)?;
        let classification = classifier.classify_whole(&picture).with_context(at)?;
        samples.push(Sample::new(row.truth, &classification, temperature));
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(samples)
}

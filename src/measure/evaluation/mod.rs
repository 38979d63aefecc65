//! Evaluation of an expression model on pictures of cropped faces.

mod labels;
mod metrics;
mod moments;
mod report;

use std::{fs, io::Write, path::Path};

use anyhow::Context as _;

use metrics::Evaluator;

use crate::{
    error::{Exit, Failure, Unwritable},
    logging::progress,
    model::Registry,
    picture::Picture,
    sense::engine::NetworkClassifier,
};

/// Runs a model over the pictures of a CSV file and writes the metrics: as text, or with `json` as one object with the
/// keys `accuracy`, `macro_f1`, `ece`, `ece_unscaled`, `va_rmse`, `va_ccc` (null if not measurable), `n` and
/// `categories`, a list with the counts and the valence and arousal of each true category.
///
/// The first line of the file is `path,category` or `path,category,valence,arousal`. Paths are relative to the file;
/// categories are the published names; valence and arousal are between -1 and 1, or both empty. Every picture is a
/// cropped face that fills it.
///
/// # Errors
/// [`Exit::Input`] if the model, the file or a picture cannot be used; the message has the line.
pub fn eval(models: &Path, name: &str, csv: &Path, json: bool, out: &mut dyn Write) -> Result<(), Failure> {
    let manifest = Registry::open(models)?.find(name)?;
    let mut classifier = NetworkClassifier::open(&manifest)?;
    let evaluator = measure(&mut classifier, csv).map_err(|error| Failure {
        exit: Exit::Input,
        error,
    })?;
    if json {
        let object = serde_json::to_string(&evaluator.summary())
            .map_err(|error| Failure::new(Exit::Software, error))?;
        writeln!(out, "{object}")
    } else {
        report::write_text(name, &evaluator, out)
    }
    .map_err(Unwritable)?;
    Ok(())
}

fn measure(classifier: &mut NetworkClassifier, csv: &Path) -> anyhow::Result<Evaluator> {
    let text = fs::read_to_string(csv).with_context(|| format!("cannot read {}", csv.display()))?;
    let rows = labels::rows(csv, &text)?;
    let bar = progress(rows.len() as u64, "{wide_bar} {pos}/{len} pictures, {eta} left");
    let temperature = classifier.temperature();
    let mut evaluator = Evaluator::default();
    let mut picture = Picture::default();
    for row in &rows {
        let at = || format!("{}:{}", csv.display(), row.line);
        load(&row.path, &mut picture).with_context(at)?;
        let prediction = classifier.classify_whole(&picture).with_context(at)?;
        evaluator.add(row.truth, &prediction, temperature);
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(evaluator)
}

fn load(path: &Path, picture: &mut Picture) -> anyhow::Result<()> {
    let read = || image::ImageReader::open(path)?.with_guessed_format()?.decode();
    let rgb = read()
        .with_context(|| format!("cannot read the picture {}", path.display()))?
        .into_rgb8();
    picture.reset(rgb.width(), rgb.height()).copy_from_slice(&rgb);
    Ok(())
}

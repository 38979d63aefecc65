//! Expressions in photographs, one line of JSON for each face.

mod annotate;
mod annotations;
mod font;
mod lines;

use affectd_infer::InferError;
use std::{
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, anyhow};

use annotations::Annotations;

use crate::{
    capture::read_picture,
    category::Category,
    config::Settings,
    error::{Exit, Failure},
    logging::{self, progress},
    model::Registry,
    picture::Picture,
    sense::{
        alignment::AlignedCrop,
        detection::Detection,
        engine::{NetworkClassifier, NetworkDetector},
        face::Prediction,
        search::all_faces,
    },
    text,
};

/// Where annotated copies of the pictures go.
#[derive(Debug, Clone)]
pub struct AnnotateOptions {
    /// A .png or .jpg file for a single picture, otherwise a folder, which is created if it is missing.
    pub path: PathBuf,
    /// Overwrite existing files. Pictures that are analyzed are never overwritten.
    pub force: bool,
}

/// Writes a line for each face of each picture, or one with `"faces":0`, and annotated copies if requested.
///
/// A picture that cannot be processed is reported, and the others are still analyzed.
///
/// # Errors
/// [`Exit::Usage`] before anything is done if an annotated picture would replace a file; [`Exit::Input`] if a
/// model cannot be used or, at the end, if a picture could not be analyzed; [`Exit::Software`] if a result
/// cannot be written.
pub fn analyze(
    settings: &Settings,
    pictures: &[PathBuf],
    annotate: Option<&AnnotateOptions>,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let mut annotations = annotate
        .map(|options| Annotations::plan(options, pictures))
        .transpose()?;
    let mut analyzer = Analyzer::open(settings)?;
    // The log has its own thread, so it is flushed while the bar is suspended.
    let bar = progress(pictures.len() as u64, "{wide_bar} {pos}/{len} {msg}");
    let complain = |error: anyhow::Error| {
        bar.suspend(|| {
            tracing::error!("{error:#}");
            logging::flush();
        });
    };
    let mut picture = Picture::default();
    let mut unusable = 0;
    let mut unwritten = 0;
    for (index, path) in pictures.iter().enumerate() {
        bar.set_message(text::path(path));
        if annotations
            .as_ref()
            .is_some_and(|annotations| annotations.is_written(path))
        {
            unusable += 1;
            complain(anyhow!(
                "{}: this is an annotated copy that was just written",
                text::path(path)
            ));
            continue;
        }
        let faces = match analyzer.read(path, &mut picture) {
            Ok(faces) => faces,
            Err(error) => {
                unusable += 1;
                complain(error);
                continue;
            }
        };
        bar.suspend(|| lines::write_lines(out, path, &faces, &analyzer.categories))
            .map_err(|error| Failure::new(Exit::Software, error))?;
        if let Some(annotations) = &mut annotations
            && let Err(error) = annotations.write(index, &annotate::draw(&picture, &faces))
        {
            unwritten += 1;
            complain(error);
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    let failure =
        |exit, count, what| Failure::new(exit, anyhow!("{count} of {} pictures {what}", pictures.len()));
    if unusable > 0 {
        return Err(failure(Exit::Input, unusable, "cannot be analyzed"));
    }
    if unwritten > 0 {
        return Err(failure(Exit::Software, unwritten, "cannot be annotated"));
    }
    Ok(())
}

/// The models that analyze a photograph.
struct Analyzer {
    detector: NetworkDetector,
    classifier: NetworkClassifier,
    /// The categories of the expression model, in its order.
    categories: Vec<Category>,
    min_face_px: f32,
    min_quality: f32,
}

/// One face and its expression.
struct Face {
    detection: Detection,
    prediction: Prediction,
    /// Quality of the crop, 0 to 1.
    quality: f32,
    /// Whether that is below `publish.min_quality`: the daemon reports such a face as uncertain.
    poor: bool,
}

impl Analyzer {
    fn open(settings: &Settings) -> Result<Self, Failure> {
        let registry = Registry::open(&settings.models_dir()?)?;
        let detector = registry.find(&settings.detect.model)?;
        let expression = registry.find(&settings.expression.model)?;
        let contract = expression.expression()?;
        Ok(Self {
            categories: contract.logits.iter().map(|(category, _)| *category).collect(),
            detector: NetworkDetector::open(&detector, settings.detect.min_score)?,
            classifier: NetworkClassifier::open(&expression)?,
            min_face_px: settings.detect.min_face_px,
            min_quality: settings.publish.min_quality,
        })
    }

    /// Reads a picture into `picture` and returns its faces, largest first.
    fn read(&mut self, path: &Path, picture: &mut Picture) -> anyhow::Result<Vec<Face>> {
        read_picture(path, picture)?;
        self.faces(picture).with_context(|| text::path(path))
    }

    /// The faces of a picture, largest first.
    fn faces(&mut self, picture: &Picture) -> Result<Vec<Face>, InferError> {
        let mut faces = Vec::new();
        for detection in all_faces(&mut self.detector, picture)? {
            if detection.rect.width < self.min_face_px {
                continue;
            }
            // Landmarks that coincide are not those of a face.
            let Some(crop) = AlignedCrop::fit(&detection.landmarks) else {
                continue;
            };
            let classification = self.classifier.classify(picture, &crop)?;
            faces.push(Face {
                detection,
                prediction: classification.prediction,
                quality: classification.quality.value(),
                poor: classification.quality.value() < self.min_quality,
            });
        }
        faces.sort_by(|a, b| b.detection.rect.area().total_cmp(&a.detection.rect.area()));
        Ok(faces)
    }
}

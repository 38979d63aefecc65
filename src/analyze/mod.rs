//! Expressions in photographs, one line of JSON for each face.

mod annotate;
mod font;

use affectd_infer::InferError;
use std::{
    collections::HashSet,
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use anyhow::anyhow;
use serde::Serialize;

use crate::{
    capture::read_picture,
    category::Category,
    config::Settings,
    error::{Exit, Failure},
    json::{Distribution, Rounded},
    logging::progress,
    model::Registry,
    picture::Picture,
    sense::{
        alignment::AlignedCrop,
        engine::{NetworkClassifier, NetworkDetector},
        face::{Detection, Prediction},
        search::all_faces,
    },
};

/// Extensions of the picture formats that can be written.
const WRITABLE: [&str; 3] = ["png", "jpg", "jpeg"];

/// Writes a line for each face of each picture, or one with `"faces":0`; with `annotate` also draws them.
///
/// `annotate` is a file (.png or .jpg) for a single picture, or else a folder, which is made where it is missing.
/// A picture that cannot be read is named on standard error and the others are still analyzed.
///
/// # Errors
/// [`Failure`]: [`Exit::Input`] if a model or any picture cannot be used, [`Exit::Usage`] if `annotate` is no place
/// to write to, [`Exit::Software`] if a result cannot be written.
pub fn analyze(
    settings: &Settings,
    pictures: &[PathBuf],
    annotate: Option<&Path>,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let mut places = annotate
        .map(|path| Places::new(path, pictures.len()))
        .transpose()?;
    let mut analyzer = Analyzer::open(settings)?;
    let bar = progress(pictures.len() as u64, "{wide_bar} {pos}/{len} {msg}");
    let mut picture = Picture::default();
    let mut unreadable = 0;
    for path in pictures {
        bar.set_message(path.display().to_string());
        if let Err(error) = read_picture(path, &mut picture) {
            unreadable += 1;
            bar.suspend(|| tracing::error!("{error}"));
            continue;
        }
        let faces = analyzer
            .faces(&picture)
            .map_err(|error| failure(Exit::Software, path, &error))?;
        bar.suspend(|| write_lines(out, path, &faces, &analyzer.categories))
            .map_err(|error| Failure::new(Exit::Software, error))?;
        if let Some(places) = &mut places {
            let place = places.next(path);
            annotate::draw(&picture, &faces)
                .save(&place)
                .map_err(|error| failure(Exit::Software, &place, &error))?;
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    if unreadable > 0 {
        let error = anyhow!("{unreadable} of {} pictures cannot be read", pictures.len());
        return Err(Failure::new(Exit::Input, error));
    }
    Ok(())
}

fn failure(exit: Exit, path: &Path, error: &dyn std::error::Error) -> Failure {
    Failure::new(exit, anyhow!("{}: {error}", path.display()))
}

/// The models that analyze a photograph.
struct Analyzer {
    detector: NetworkDetector,
    classifier: NetworkClassifier,
    /// The categories of the expression model, in its order.
    categories: Vec<Category>,
    min_face_px: f32,
}

/// One face and its expression.
struct Face {
    detection: Detection,
    prediction: Prediction,
    /// Quality of the crop, 0 to 1.
    quality: f32,
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
        })
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
                quality: classification.quality,
            });
        }
        faces.sort_by(|a, b| b.detection.rect.area().total_cmp(&a.detection.rect.area()));
        Ok(faces)
    }
}

/// One line of JSON. Numbers are rounded to four decimals.
#[derive(Debug, Serialize)]
struct Line<'a> {
    file: &'a Path,
    /// Number of faces in the picture.
    faces: usize,
    #[serde(flatten)]
    face: Option<FaceLine<'a>>,
}

#[derive(Debug, Serialize)]
struct FaceLine<'a> {
    /// Number of this face in the picture, from 1, largest first.
    face: usize,
    /// The detector's box: left, top, width, height in pixels.
    r#box: [Rounded; 4],
    score: Rounded,
    quality: Rounded,
    /// The most probable category; `null` for a model without categories.
    category: Option<&'static str>,
    probabilities: Option<Distribution<'a>>,
    valence: Option<Rounded>,
    arousal: Option<Rounded>,
}

fn write_lines(out: &mut dyn Write, path: &Path, faces: &[Face], categories: &[Category]) -> io::Result<()> {
    let mut write = |face| -> io::Result<()> {
        let line = Line {
            file: path,
            faces: faces.len(),
            face,
        };
        serde_json::to_writer(&mut *out, &line)?;
        writeln!(out)
    };
    if faces.is_empty() {
        return write(None);
    }
    for (
        index,
        Face {
            detection,
            prediction,
            quality,
        },
    ) in faces.iter().enumerate()
    {
        let rect = detection.rect;
        write(Some(FaceLine {
            face: index + 1,
            r#box: [rect.x, rect.y, rect.width, rect.height].map(Rounded),
            score: Rounded(detection.score),
            quality: Rounded(*quality),
            category: prediction.probabilities.map(|p| p.argmax().0.name()),
            probabilities: prediction.probabilities.map(|probabilities| Distribution {
                categories,
                probabilities,
            }),
            valence: prediction.valence.map(Rounded),
            arousal: prediction.arousal.map(Rounded),
        }))?;
    }
    Ok(())
}

/// Where annotated pictures go.
#[derive(Debug)]
enum Places {
    File(PathBuf),
    Folder { path: PathBuf, taken: HashSet<PathBuf> },
}

impl Places {
    fn new(path: &Path, pictures: usize) -> Result<Self, Failure> {
        let extension = path
            .extension()
            .and_then(|e| e.to_str())
            .map(str::to_ascii_lowercase);
        let is_file = extension.is_some_and(|e| WRITABLE.contains(&e.as_str())) && !path.is_dir();
        if is_file && pictures == 1 {
            return Ok(Self::File(path.to_owned()));
        }
        let refuse = |reason: String| {
            let allowed = "allowed: a .png or .jpg file for one picture, or a folder";
            Failure::new(
                Exit::Usage,
                anyhow!("--annotate {}: {reason}; {allowed}", path.display()),
            )
        };
        if is_file {
            return Err(refuse(format!("one file cannot hold {pictures} pictures")));
        }
        fs::create_dir_all(path).map_err(|error| refuse(error.to_string()))?;
        Ok(Self::Folder {
            path: path.to_owned(),
            taken: HashSet::new(),
        })
    }

    /// The file for the next picture: in a folder its own name as PNG, numbered where two have the same.
    fn next(&mut self, picture: &Path) -> PathBuf {
        match self {
            Self::File(path) => path.clone(),
            Self::Folder { path, taken } => {
                let stem = picture.file_stem().unwrap_or_default().to_string_lossy();
                let mut place = path.join(format!("{stem}.png"));
                let mut number = 2;
                while !taken.insert(place.clone()) {
                    place = path.join(format!("{stem}-{number}.png"));
                    number += 1;
                }
                place
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{
        category::Probabilities,
        sense::{face::Landmarks, geometry::Rect},
    };

    fn face() -> Face {
        let mut probabilities = [0.0; 8];
        probabilities[Category::Happiness as usize] = 0.75;
        probabilities[Category::Anger as usize] = 0.25;
        Face {
            detection: Detection {
                rect: Rect {
                    x: 1.25,
                    y: -2.0,
                    width: 30.0,
                    height: 40.0,
                },
                score: 0.9,
                landmarks: Landmarks::default(),
            },
            prediction: Prediction {
                probabilities: Probabilities::from_weights(probabilities),
                valence: Some(0.5),
                arousal: None,
            },
            quality: 0.123_456,
        }
    }

    fn lines(faces: &[Face]) -> String {
        let mut out = Vec::new();
        write_lines(
            &mut out,
            Path::new("a.jpg"),
            faces,
            &[Category::Happiness, Category::Anger],
        )
        .unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn each_face_is_one_line_with_the_model_s_own_categories() {
        assert_eq!(
            lines(&[face()]),
            "{\"file\":\"a.jpg\",\"faces\":1,\"face\":1,\"box\":[1.25,-2.0,30.0,40.0],\"score\":0.9,\
             \"quality\":0.1235,\"category\":\"happiness\",\"probabilities\":{\"happiness\":0.75,\"anger\":0.25},\
             \"valence\":0.5,\"arousal\":null}\n"
        );
        assert_eq!(lines(&[face(), face()]).lines().count(), 2);
    }

    #[test]
    fn a_picture_without_a_face_is_one_line_that_says_so() {
        assert_eq!(lines(&[]), "{\"file\":\"a.jpg\",\"faces\":0}\n");
    }

    #[test]
    fn a_file_holds_one_picture_and_a_folder_any_number() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("out.png");
        let mut places = Places::new(&file, 1).unwrap();
        assert_eq!(places.next(Path::new("a.jpg")), file);
        assert_eq!(Places::new(&file, 2).unwrap_err().exit, Exit::Usage);

        let drawn = folder.path().join("drawn");
        let mut places = Places::new(&drawn, 3).unwrap();
        let names: Vec<_> = ["x/a.jpg", "y/a.png", "b.jpg"]
            .map(|p| places.next(Path::new(p)))
            .to_vec();
        assert_eq!(names, ["a.png", "a-2.png", "b.png"].map(|name| drawn.join(name)));
        assert!(drawn.is_dir());
    }
}

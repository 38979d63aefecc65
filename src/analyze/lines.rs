//! The results as lines of JSON.

use std::{
    borrow::Cow,
    io::{self, Write},
    path::Path,
};

use serde::Serialize;

use super::Face;
use crate::{
    category::Category,
    json::{Decimals, Distribution, Rounded},
};

/// One line of JSON. Numbers are rounded to four decimals.
#[derive(Debug, Serialize)]
struct Line<'a> {
    /// Lossy: bytes of the name that are not UTF-8 become U+FFFD.
    file: Cow<'a, str>,
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
    /// Whether the crop is too poor to rely on its expression.
    poor: bool,
    /// The most probable category; `null` for a model without categories.
    category: Option<&'static str>,
    probabilities: Option<Distribution<'a, 4>>,
    valence: Option<Rounded>,
    arousal: Option<Rounded>,
}

/// Writes one line for each face, or one line for a picture without faces.
///
/// # Errors
/// If `out` cannot be written.
pub(super) fn write_lines(
    out: &mut dyn Write,
    path: &Path,
    faces: &[Face],
    categories: &[Category],
) -> io::Result<()> {
    let mut write = |face| -> io::Result<()> {
        let line = Line {
            file: path.to_string_lossy(),
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
            poor,
        },
    ) in faces.iter().enumerate()
    {
        let rect = detection.rect;
        write(Some(FaceLine {
            face: index + 1,
            r#box: [rect.x, rect.y, rect.width, rect.height].map(Decimals),
            score: Decimals(detection.score),
            quality: Decimals(*quality),
            poor: *poor,
            category: prediction.probabilities.map(|p| p.argmax().0.name()),
            probabilities: prediction.probabilities.map(|probabilities| Distribution {
                categories,
                probabilities,
            }),
            valence: prediction.valence.map(Decimals),
            arousal: prediction.arousal.map(Decimals),
        }))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{
        category::Probabilities,
        sense::{
            detection::{Detection, Landmarks},
            face::Prediction,
            geometry::Rect,
        },
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
            poor: false,
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
             \"quality\":0.1235,\"poor\":false,\"category\":\"happiness\",\"probabilities\":{\"happiness\":0.75,\"anger\":0.25},\
             \"valence\":0.5,\"arousal\":null}\n"
        );
        assert_eq!(lines(&[face(), face()]).lines().count(), 2);
    }

    #[test]
    fn a_picture_without_faces_gives_one_line_with_zero() {
        assert_eq!(lines(&[]), "{\"file\":\"a.jpg\",\"faces\":0}\n");
    }
}

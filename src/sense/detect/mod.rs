//! Faces in a picture: a network, its decoder, and what both need of the manifest.

mod blazeface;
mod centerface;
mod letterbox;
mod nms;
mod yunet;

use std::time::Duration;

use affectd_infer::{InferError, Network, Output, OutputInfo};

use crate::{
    model::{self, Colour, Layout, Manifest, ModelError},
    picture::Picture,
    sense::{
        face::Detection,
        geometry::{Point, Rect},
    },
};
use letterbox::{Letterbox, Levels, Placement};
use nms::Candidates;

/// Most faces found in one run.
pub const MAX_FOUND: usize = 32;

/// The faces found in one run, the best first.
pub type Found = heapless::Vec<Detection, MAX_FOUND>;

/// Why a manifest cannot be opened as a detector.
#[derive(Debug, thiserror::Error)]
pub enum DetectError {
    /// The manifest or its files are unusable.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The manifest asks for an input that no decoder takes.
    #[error(
        "{manifest}: a detector's input must be nchw in rgb or bgr, with a width and height that are multiples of 32; found {found}"
    )]
    Input {
        /// The manifest's name.
        manifest: String,
        /// What it says.
        found: String,
    },
    /// The network's outputs are not those of the manifest's decoder.
    #[error("output {output:?} of the network is {found}; the decoder needs {expected}")]
    Layout {
        /// The output's name.
        output: String,
        /// What there is.
        found: String,
        /// What is needed.
        expected: String,
    },
}

/// Finds faces.
pub trait Detector: Send {
    /// Width and height of what the network sees, in pixels.
    fn input_size(&self) -> (usize, usize);

    /// Time spent inside the network so far.
    fn network_time(&self) -> Duration;

    /// Writes the faces of the part of `picture` that `region` (in pixels) encloses into `found`.
    /// Places are in pixels of the whole picture; a face at its edge may reach beyond.
    ///
    /// # Errors
    /// [`InferError`] if the network fails.
    fn detect(&mut self, picture: &Picture, region: &Rect, found: &mut Found) -> Result<(), InferError>;
}

/// Reads one network's outputs.
trait Decoder: Send + std::fmt::Debug {
    /// Offers what scores at least `min_score`, in input pixels.
    fn decode(&self, outputs: &[Output<'_>], min_score: f32, candidates: &mut Candidates);
}

/// A detector by manifest.
#[derive(Debug)]
pub struct NetworkDetector {
    network: Network,
    decoder: Box<dyn Decoder>,
    letterbox: Letterbox,
    levels: Levels,
    size: (usize, usize),
    min_score: f32,
    candidates: Candidates,
}

impl NetworkDetector {
    /// Loads and checks the manifest's network. Faces that score below `min_score` (0 to 1) are not reported.
    ///
    /// # Errors
    /// [`DetectError`].
    pub fn open(manifest: &Manifest, min_score: f32) -> Result<Self, DetectError> {
        let kind = manifest.detector()?.decoder;
        let levels = levels(manifest)?;
        let network = manifest.load()?.network;
        let (width, height) = (manifest.input.width, manifest.input.height);
        let outputs = network.outputs();
        let decoder: Box<dyn Decoder> = match kind {
            model::Decoder::CenterFace => Box::new(centerface::CenterFace::new(outputs, width, height)?),
            model::Decoder::BlazeFace => Box::new(blazeface::BlazeFace::new(outputs, width, height)?),
            model::Decoder::YuNet => Box::new(yunet::YuNet::new(outputs, width, height)?),
        };
        Ok(Self {
            network,
            decoder,
            letterbox: Letterbox::default(),
            levels,
            size: (width, height),
            min_score,
            candidates: Candidates::default(),
        })
    }
}

impl Detector for NetworkDetector {
    fn input_size(&self) -> (usize, usize) {
        self.size
    }

    fn network_time(&self) -> Duration {
        self.network.busy()
    }

    fn detect(&mut self, picture: &Picture, region: &Rect, found: &mut Found) -> Result<(), InferError> {
        found.clear();
        let placement = Placement::fit(region, self.size.0, self.size.1);
        let Self {
            network,
            decoder,
            letterbox,
            candidates,
            ..
        } = self;
        candidates.clear();
        network.run(
            |input| letterbox.fill(picture, &placement, &self.levels, self.size, input),
            |outputs| decoder.decode(outputs, self.min_score, candidates),
        )?;
        candidates.suppress(found);
        for detection in found.iter_mut() {
            detection.rect = placement.rect(&detection.rect);
            let landmarks = &mut detection.landmarks;
            for place in [
                &mut landmarks.right_eye,
                &mut landmarks.left_eye,
                &mut landmarks.nose,
                &mut landmarks.mouth,
            ] {
                *place = placement.place(*place);
            }
        }
        Ok(())
    }
}

/// How the manifest wants its numbers, for bytes.
fn levels(manifest: &Manifest) -> Result<Levels, DetectError> {
    let input = &manifest.input;
    let channels = match (input.layout, input.colour) {
        (Layout::Nchw, Colour::Rgb) => Some([0, 1, 2]),
        (Layout::Nchw, Colour::Bgr) => Some([2, 1, 0]),
        _ => None,
    };
    let (Some(channels), &[m0, m1, m2], &[s0, s1, s2], true) = (
        channels,
        &input.mean[..],
        &input.std[..],
        input.width.is_multiple_of(32) && input.height.is_multiple_of(32),
    ) else {
        return Err(DetectError::Input {
            manifest: manifest.name.clone(),
            found: format!(
                "{:?}, {:?}, {}x{}",
                input.layout, input.colour, input.width, input.height
            )
            .to_lowercase(),
        });
    };
    Ok(Levels {
        channels,
        mean: [m0, m1, m2].map(|mean| mean * 255.0),
        std: [s0, s1, s2].map(|std| std * 255.0),
    })
}

/// The index of the output of this name and shape.
fn output(outputs: &[OutputInfo], name: &str, shape: &[usize]) -> Result<usize, DetectError> {
    let found = outputs.iter().position(|output| output.name == name);
    match found {
        Some(index) if outputs[index].shape == shape => Ok(index),
        _ => Err(DetectError::Layout {
            output: name.to_owned(),
            found: found.map_or("missing".into(), |index| format!("{:?}", outputs[index].shape)),
            expected: format!("{shape:?}"),
        }),
    }
}

fn midway(a: Point, b: Point) -> Point {
    Point {
        x: (a.x + b.x) / 2.0,
        y: (a.y + b.y) / 2.0,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// What must hold whatever a network answers.
    pub fn assert_sound(found: &Found, min_score: f32) {
        for Detection {
            rect,
            score,
            landmarks: l,
        } in found
        {
            assert!((min_score..=1.0).contains(score), "{score}");
            assert!(rect.width > 0.0 && rect.height > 0.0);
            let places = [l.right_eye, l.left_eye, l.nose, l.mouth, rect.centre()];
            assert!(places.iter().all(|p| p.x.is_finite() && p.y.is_finite()), "{l:?}");
        }
    }

    #[test]
    fn an_output_of_another_shape_is_named_with_what_is_needed() {
        let outputs = [OutputInfo {
            name: "heatmap".into(),
            shape: vec![1, 1, 8, 8],
        }];
        assert!(centerface::CenterFace::new(&outputs, 32, 64).is_err());
        let error = output(&outputs, "heatmap", &[1, 1, 16, 8])
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("heatmap") && error.contains("[1, 1, 8, 8]") && error.contains("[1, 1, 16, 8]"),
            "{error}"
        );
        assert!(
            output(&outputs, "scale", &[1])
                .unwrap_err()
                .to_string()
                .contains("missing")
        );
    }
}

//! Finds faces in a picture: the detectors' interface, and the decoders of their networks' outputs.

pub(super) mod blazeface;
pub(super) mod centerface;
pub(super) mod letterbox;
pub(super) mod nms;
pub(super) mod yunet;

use affectd_infer::{InferError, Output, OutputInfo};
use std::time::Duration;

use crate::{
    model::ModelError,
    picture::Picture,
    sense::{detection::Detection, geometry::Rect},
};
use nms::Candidates;

/// Maximum number of faces found in one run.
pub const MAX_DETECTIONS: usize = 32;

/// The faces found in one run, the best first.
pub type Detections = heapless::Vec<Detection, MAX_DETECTIONS>;

/// Why a manifest cannot be opened as a detector.
#[derive(Debug, thiserror::Error)]
pub enum DetectError {
    /// The manifest or its files are unusable.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The size of the input does not fit the decoders' grids.
    #[error(
        "{manifest}: the width and height of a detector's input must be multiples of 32; found {width}x{height}"
    )]
    InputSize {
        /// The manifest's name.
        manifest: String,
        /// Width in pixels.
        width: usize,
        /// Height in pixels.
        height: usize,
    },
    /// The network's outputs are not those of the manifest's decoder.
    #[error("output {output:?} of the network is {found}; the decoder needs {expected}")]
    OutputShape {
        /// The output's name.
        output: String,
        /// What was found.
        found: String,
        /// What is needed.
        expected: String,
    },
}

/// Finds faces.
pub trait Detector: Send {
    /// Width and height of the network's input, in pixels.
    fn input_size(&self) -> (usize, usize);

    /// Time spent inside the network so far.
    fn network_time(&self) -> Duration;

    /// Writes the faces in `region` (in pixels of `picture`) to `found`. Boxes and landmarks are in pixels of
    /// the whole picture; a face at its edge may extend beyond it.
    ///
    /// # Errors
    /// [`InferError`] if the network fails.
    fn detect(&mut self, picture: &Picture, region: &Rect, found: &mut Detections) -> Result<(), InferError>;
}

/// Decodes the outputs of one kind of network.
pub(super) trait HeadDecoder: Send + std::fmt::Debug {
    /// Adds the candidates that score at least `min_score`, in input pixels.
    fn decode(&self, outputs: &[Output<'_>], min_score: f32, candidates: &mut Candidates);
}

/// The index of the output of this name and shape.
fn output(outputs: &[OutputInfo], name: &str, shape: &[usize]) -> Result<usize, DetectError> {
    let found = outputs.iter().position(|output| output.name == name);
    match found {
        Some(index) if outputs[index].shape == shape => Ok(index),
        _ => Err(DetectError::OutputShape {
            output: name.to_owned(),
            found: found.map_or("missing".into(), |index| format!("{:?}", outputs[index].shape)),
            expected: format!("{shape:?}"),
        }),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::sense::geometry::Point;

    /// What must hold for any output of a network.
    pub fn assert_sound(found: &Detections, min_score: f32) {
        for Detection {
            rect,
            score,
            landmarks,
        } in found
        {
            assert!((min_score..=1.0).contains(score), "{score}");
            assert!(rect.width > 0.0 && rect.height > 0.0);
            let finite = |point: &Point| point.x.is_finite() && point.y.is_finite();
            assert!(
                finite(&rect.centre()) && landmarks.points().iter().all(finite),
                "{landmarks:?}"
            );
        }
    }

    #[test]
    fn a_wrong_output_shape_error_names_both_shapes() {
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

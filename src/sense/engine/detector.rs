//! A detector that runs the network of a manifest.

use affectd_infer::{InferError, Network};
use std::time::Duration;

use crate::{
    model::{self, Manifest},
    picture::Picture,
    sense::{
        detect::{
            DetectError, Detections, Detector, HeadDecoder,
            blazeface::BlazeFace,
            centerface::CenterFace,
            letterbox::{Letterbox, LetterboxResizer},
            nms::Candidates,
            yunet::YuNet,
        },
        geometry::Rect,
        input::InputTensor,
    },
};

/// A detector described by a manifest.
#[derive(Debug)]
pub struct NetworkDetector {
    network: Network,
    decoder: Box<dyn HeadDecoder>,
    resizer: LetterboxResizer,
    input: InputTensor,
    min_score: f32,
    candidates: Candidates,
}

impl NetworkDetector {
    /// Loads and verifies the manifest's network. Faces that score below `min_score` (0 to 1) are not
    /// reported.
    ///
    /// # Errors
    /// [`DetectError`].
    pub fn open(manifest: &Manifest, min_score: f32) -> Result<Self, DetectError> {
        let kind = manifest.detector()?.decoder;
        let (width, height) = (manifest.input.width, manifest.input.height);
        if !(width.is_multiple_of(32) && height.is_multiple_of(32)) {
            return Err(DetectError::InputSize {
                manifest: manifest.name.clone(),
                width,
                height,
            });
        }
        let network = manifest.load()?.network;
        let outputs = network.outputs();
        let decoder: Box<dyn HeadDecoder> = match kind {
            model::Decoder::CenterFace => Box::new(CenterFace::new(outputs, width, height)?),
            model::Decoder::BlazeFace => Box::new(BlazeFace::new(outputs, width, height)?),
            model::Decoder::YuNet => Box::new(YuNet::new(outputs, width, height)?),
        };
        Ok(Self {
            network,
            decoder,
            resizer: LetterboxResizer::default(),
            input: InputTensor::new(&manifest.input),
            min_score,
            candidates: Candidates::default(),
        })
    }
}

impl Detector for NetworkDetector {
    fn input_size(&self) -> (usize, usize) {
        (self.input.width(), self.input.height())
    }

    fn network_time(&self) -> Duration {
        self.network.busy()
    }

    fn detect(&mut self, picture: &Picture, region: &Rect, found: &mut Detections) -> Result<(), InferError> {
        let Self {
            network,
            decoder,
            resizer,
            input,
            min_score,
            candidates,
        } = self;
        let letterbox = Letterbox::fit(region, input.width(), input.height());
        candidates.clear();
        network.run(
            |tensor| resizer.resize(picture, &letterbox, input, tensor),
            |outputs| decoder.decode(outputs, *min_score, candidates),
        )?;
        candidates.suppress(found);
        for detection in found.iter_mut() {
            detection.rect = letterbox.rect_in_picture(&detection.rect);
            detection.landmarks = detection.landmarks.map(|point| letterbox.point_in_picture(point));
        }
        Ok(())
    }
}

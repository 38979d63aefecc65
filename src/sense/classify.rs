//! The interface of an expression classifier.

use affectd_infer::InferError;
use std::time::Duration;

use super::{
    alignment::AlignedCrop,
    crop_quality::CropQuality,
    face::{MAX_FACES, Prediction},
};
use crate::picture::Picture;

/// The result of classifying one face.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Classification {
    /// What the network predicts, before smoothing.
    pub prediction: Prediction,
    /// Quality of the crop.
    pub quality: CropQuality,
}

/// The results of one batch, in the order of its crops.
pub type Classifications = heapless::Vec<Classification, MAX_FACES>;

/// Predicts the expressions of faces.
pub trait Classifier: Send {
    /// Number of faces that are classified at the same time, at least 1.
    fn batch_size(&self) -> usize;

    /// Time spent inside the network so far.
    fn network_time(&self) -> Duration;

    /// Classifies at most [`MAX_FACES`] faces, and replaces `results` with one result for each of `crops`.
    ///
    /// # Errors
    /// [`InferError`] if the network fails on any of them.
    fn classify_batch(
        &mut self,
        picture: &Picture,
        crops: &[AlignedCrop],
        results: &mut Classifications,
    ) -> Result<(), InferError>;
}

//! A classifier that runs the network of a manifest, in several threads if requested.

use affectd_infer::{InferError, Network, Output};
use std::{sync::Arc, time::Duration};

use super::workers::InferenceWorker;
use crate::{
    model::{Expression as ExpressionSpec, Manifest, ModelError},
    picture::Picture,
    sense::{
        alignment::AlignedCrop,
        classify::{Classification, Classifications, Classifier},
        crop::Cropper,
        crop_quality::CropQuality,
        face::{MAX_FACES, Prediction},
        outputs::OutputVector,
    },
};

/// An expression model, ready to classify.
#[derive(Debug)]
pub struct NetworkClassifier {
    network: Network,
    cropper: Cropper,
    spec: Arc<ExpressionSpec>,
    workers: Vec<InferenceWorker>,
}

impl NetworkClassifier {
    /// Loads the model of a manifest and verifies it: checksum first, then golden vectors.
    ///
    /// # Errors
    /// [`ModelError`], also if the manifest is that of a detector.
    pub fn open(manifest: &Manifest) -> Result<Self, ModelError> {
        let spec = Arc::new(manifest.expression()?.clone());
        Ok(Self {
            cropper: Cropper::new(&manifest.input, spec.crop),
            network: manifest.load()?.network,
            spec,
            workers: Vec::new(),
        })
    }

    /// Runs this many networks at the same time in [`Classifier::classify_batch`], one of them in the calling
    /// thread.
    ///
    /// # Errors
    /// [`InferError::Run`] if a thread or a network cannot be created.
    pub fn with_threads(mut self, threads: usize) -> Result<Self, InferError> {
        self.workers = (1..threads)
            .map(|_| InferenceWorker::start(&self.network, &self.spec))
            .collect::<Result<_, _>>()?;
        Ok(self)
    }

    /// The softmax temperature, above 0.
    #[must_use]
    pub fn temperature(&self) -> f32 {
        self.spec.temperature
    }

    /// Classifies one face in the calling thread.
    ///
    /// # Errors
    /// [`InferError::Run`] and [`InferError::NotFinite`].
    pub fn classify(&mut self, picture: &Picture, crop: &AlignedCrop) -> Result<Classification, InferError> {
        let mut quality = CropQuality::PERFECT;
        let prediction = self.predict(|cropper, tensor| quality = cropper.face(picture, crop, tensor))?;
        Ok(Classification { prediction, quality })
    }

    /// Classifies a picture that is a cropped face in its entirety.
    ///
    /// # Errors
    /// [`InferError::Run`] and [`InferError::NotFinite`].
    pub fn classify_whole(&mut self, picture: &Picture) -> Result<Classification, InferError> {
        let mut quality = CropQuality::PERFECT;
        let prediction = self.predict(|cropper, tensor| quality = cropper.whole(picture, tensor))?;
        Ok(Classification { prediction, quality })
    }

    /// Runs the network in the calling thread on the input that `fill` writes and, if the manifest asks for
    /// it, on its mirror image.
    fn predict(&mut self, fill: impl FnOnce(&mut Cropper, &mut [f32])) -> Result<Prediction, InferError> {
        let (cropper, spec) = (&mut self.cropper, &self.spec);
        let gather = |outputs: &[Output<'_>]| OutputVector::gather(spec, outputs);
        let mut outputs = self.network.run(|tensor| fill(cropper, tensor), gather)??;
        if spec.crop.mirror {
            // The input still holds the face.
            let mirrored = self.network.run(|tensor| cropper.mirror(tensor), gather)??;
            outputs = outputs.mean(&mirrored);
        }
        Ok(outputs.prediction(spec))
    }

    /// Runs all views at the same time, at most one per thread; `done` receives each view's face and result.
    fn run_views(&mut self, picture: &Picture, views: &[View], mut done: impl FnMut(usize, ViewResult)) {
        let Some((first, others)) = views.split_first() else {
            return;
        };
        let cropper = &mut self.cropper;
        let mut fill = |view: &View, tensor: &mut [f32]| {
            let quality = cropper.face(picture, &view.crop, tensor);
            if view.mirrored {
                cropper.mirror(tensor);
            }
            quality
        };
        // A worker whose submission failed has nothing to wait for.
        let mut submitted: heapless::Vec<Result<CropQuality, InferError>, { 2 * MAX_FACES }> =
            heapless::Vec::new();
        for (worker, view) in self.workers.iter_mut().zip(others) {
            let mut quality = CropQuality::PERFECT;
            let result = worker.submit(|tensor| quality = fill(view, tensor));
            // There is room for one per view.
            let _ = submitted.push(result.map(|()| quality));
        }
        let mut quality = CropQuality::PERFECT;
        let own = self
            .network
            .run(
                |tensor| quality = fill(first, tensor),
                |outputs| OutputVector::gather(&self.spec, outputs),
            )
            .flatten();
        done(first.face, own.map(|outputs| (outputs, quality)));
        for ((worker, view), submitted) in self.workers.iter_mut().zip(others).zip(submitted) {
            let result = submitted.and_then(|quality| Ok((worker.wait()?, quality)));
            done(view.face, result);
        }
    }
}

impl Classifier for NetworkClassifier {
    fn batch_size(&self) -> usize {
        self.workers.len() + 1
    }

    fn network_time(&self) -> Duration {
        self.network.busy()
    }

    /// The threads share the faces and, if the manifest asks for them, their mirror images.
    fn classify_batch(
        &mut self,
        picture: &Picture,
        crops: &[AlignedCrop],
        results: &mut Classifications,
    ) -> Result<(), InferError> {
        debug_assert!(crops.len() <= MAX_FACES);
        let images = if self.spec.crop.mirror {
            &[false, true][..]
        } else {
            &[false]
        };
        let mut views: heapless::Vec<View, { 2 * MAX_FACES }> = heapless::Vec::new();
        for (face, &crop) in crops.iter().enumerate() {
            // There is room for two per face.
            views.extend(images.iter().map(|&mirrored| View { face, crop, mirrored }));
        }
        let mut faces: [Option<ViewResult>; MAX_FACES] = [const { None }; MAX_FACES];
        for round in views.chunks(self.batch_size()) {
            self.run_views(picture, round, |face, result| {
                let slot = &mut faces[face];
                *slot = Some(match slot.take() {
                    None => result,
                    Some(first) => first.and_then(|(outputs, quality)| {
                        result.map(|(mirrored, _)| (outputs.mean(&mirrored), quality))
                    }),
                });
            });
        }
        results.clear();
        for result in faces.into_iter().flatten() {
            let (outputs, quality) = result?;
            // There is room for one per face.
            let _ = results.push(Classification {
                prediction: outputs.prediction(&self.spec),
                quality,
            });
        }
        Ok(())
    }
}

/// The input of one run of the network.
struct View {
    /// Index of the face in the batch.
    face: usize,
    crop: AlignedCrop,
    mirrored: bool,
}

/// The outputs for one view, and the quality of the crop.
type ViewResult = Result<(OutputVector, CropQuality), InferError>;

#[cfg(test)]
#[path = "classifier_tests.rs"]
mod tests;

//! What a face shows: crop, network, reading.

use std::{sync::Arc, time::Duration};

use affectd_infer::{InferError, Network, Output};

use super::{
    crew::Helper,
    crop::Cropper,
    face::{Landmarks, MAX_FACES, Reading},
    outputs::Numbers,
    square::FaceSquare,
};
use crate::{
    model::{Expression as Contract, Manifest, ModelError},
    picture::Picture,
};

/// An expression model, ready to classify.
#[derive(Debug)]
pub struct Expression {
    network: Network,
    cropper: Cropper,
    contract: Arc<Contract>,
    helpers: Vec<Helper>,
}

/// What comes of a face: the unsmoothed reading and the quality of the crop, 0 to 1 (see [`Cropper::face`]).
pub type Classified = Result<(Reading, f32), ClassifyError>;

/// Why a face has no reading.
#[derive(Debug, thiserror::Error)]
pub enum ClassifyError {
    /// The landmarks are not finite or lie closer together than a face of two pixels.
    #[error("the landmarks span no face")]
    NoFace,
    /// The network failed.
    #[error(transparent)]
    Infer(#[from] InferError),
}

impl Expression {
    /// Loads the model of a manifest and proves it: checksum first, then golden vectors.
    ///
    /// # Errors
    /// [`ModelError`], also where the manifest is that of a detector.
    pub fn open(manifest: &Manifest) -> Result<Self, ModelError> {
        let contract = Arc::new(manifest.expression()?.clone());
        Ok(Self {
            cropper: Cropper::new(&manifest.input, contract.crop),
            network: manifest.load()?.network,
            contract,
            helpers: Vec::new(),
        })
    }

    /// Runs so many networks at the same time in [`Self::classify_all`].
    ///
    /// # Errors
    /// [`InferError::Run`] where there is no room for that.
    pub fn with_threads(mut self, threads: usize) -> Result<Self, InferError> {
        self.helpers = (1..threads)
            .map(|_| Helper::start(&self.network, &self.contract))
            .collect::<Result<_, _>>()?;
        Ok(self)
    }

    /// How many networks run at the same time.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.helpers.len() + 1
    }

    /// Classifies at most [`MAX_FACES`] faces; `done` gets each face's number and result. The threads share the faces and, where
    /// the network is shown them as well, their mirror images.
    pub fn classify_all(
        &mut self,
        picture: &Picture,
        faces: &[Landmarks],
        mut done: impl FnMut(usize, Classified),
    ) {
        debug_assert!(faces.len() <= MAX_FACES);
        let images = if self.contract.crop.mirror {
            &[false, true][..]
        } else {
            &[false]
        };
        let mut views: heapless::Vec<View, { 2 * MAX_FACES }> = heapless::Vec::new();
        for (face, landmarks) in faces.iter().enumerate() {
            let Some(square) = FaceSquare::fit(landmarks) else {
                continue;
            };
            // There is room for two of each.
            views.extend(images.iter().map(|&mirrored| View {
                face,
                square,
                mirrored,
            }));
        }
        let mut seen: [Option<Seen>; MAX_FACES] = [const { None }; MAX_FACES];
        for together in views.chunks(self.threads()) {
            self.see_together(picture, together, |face, result| {
                let place = &mut seen[face];
                *place = Some(match place.take() {
                    None => result,
                    Some(before) => before.and_then(|(numbers, quality)| {
                        result.map(|(others, _)| (numbers.mean(&others), quality))
                    }),
                });
            });
        }
        for (face, seen) in seen.into_iter().take(faces.len()).enumerate() {
            let classified = match seen {
                Some(seen) => seen
                    .map(|(numbers, quality)| (numbers.reading(&self.contract), quality))
                    .map_err(ClassifyError::from),
                None => Err(ClassifyError::NoFace),
            };
            done(face, classified);
        }
    }

    /// Shows at most [`Self::threads`] views to as many networks; `done` gets each view's face and what came of it.
    fn see_together(&mut self, picture: &Picture, views: &[View], mut done: impl FnMut(usize, Seen)) {
        let Some((first, others)) = views.split_first() else {
            return;
        };
        let cropper = &mut self.cropper;
        let mut show = |view: &View, input: &mut [f32]| {
            let quality = cropper.face(picture, &view.square, input);
            if view.mirrored {
                cropper.mirror(input);
            }
            quality
        };
        // A helper that could not begin has nothing to finish.
        let mut begun: heapless::Vec<Result<f32, InferError>, { 2 * MAX_FACES }> = heapless::Vec::new();
        for (helper, view) in self.helpers.iter_mut().zip(others) {
            let mut quality = 0.0;
            let result = helper.begin(|input| quality = show(view, input));
            // As many places as views.
            let _ = begun.push(result.map(|()| quality));
        }
        let mut quality = 0.0;
        let own = self
            .network
            .run(
                |input| quality = show(first, input),
                |outputs| Numbers::gather(&self.contract, outputs),
            )
            .flatten();
        done(first.face, own.map(|numbers| (numbers, quality)));
        for ((helper, view), begun) in self.helpers.iter_mut().zip(others).zip(begun) {
            let result = begun.and_then(|quality| Ok((helper.finish()?, quality)));
            done(view.face, result);
        }
    }

    /// Time spent inside the network so far.
    #[must_use]
    pub fn network_time(&self) -> Duration {
        self.network.busy()
    }

    /// What the logits are divided by before the softmax, above 0.
    #[must_use]
    pub fn temperature(&self) -> f32 {
        self.contract.temperature
    }

    /// Classifies the face with these landmarks in the calling thread.
    ///
    /// # Errors
    /// [`ClassifyError`].
    pub fn classify(&mut self, picture: &Picture, landmarks: &Landmarks) -> Classified {
        let square = FaceSquare::fit(landmarks).ok_or(ClassifyError::NoFace)?;
        let mut quality = 0.0;
        let reading = self.see(|cropper, input| quality = cropper.face(picture, &square, input))?;
        Ok((reading, quality))
    }

    /// Classifies a picture that is a cropped face as a whole.
    ///
    /// # Errors
    /// [`InferError::Run`] and [`InferError::NotFinite`].
    pub fn classify_whole(&mut self, picture: &Picture) -> Result<Reading, InferError> {
        self.see(|cropper, input| cropper.whole(picture, input))
    }

    /// Reads what `show` writes, in the calling thread.
    fn see(&mut self, show: impl FnOnce(&mut Cropper, &mut [f32])) -> Result<Reading, InferError> {
        let (cropper, contract) = (&mut self.cropper, &self.contract);
        let gather = |outputs: &[Output<'_>]| Numbers::gather(contract, outputs);
        let mut numbers = self.network.run(|input| show(cropper, input), gather)??;
        if contract.crop.mirror {
            // The input still holds the face.
            let mirrored = self.network.run(|input| cropper.mirror(input), gather)??;
            numbers = numbers.mean(&mirrored);
        }
        Ok(numbers.reading(contract))
    }
}

/// What the network is shown in one run.
struct View {
    /// Number of the face.
    face: usize,
    square: FaceSquare,
    mirrored: bool,
}

/// What came of a view: the outputs, and the quality of the crop.
type Seen = Result<(Numbers, f32), InferError>;

#[cfg(test)]
#[path = "expression_tests.rs"]
mod tests;

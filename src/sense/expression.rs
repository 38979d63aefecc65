//! What a face shows: crop, network, probabilities.

use std::{sync::Arc, time::Duration};

use super::{
    crew::Helper,
    crop::Cropper,
    face::{Landmarks, MAX_FACES, Probabilities, Reading},
    square::FaceSquare,
};
use crate::{
    infer::{InferError, Network, Output},
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
pub type Classified = Result<(Reading, f32), InferError>;

impl Expression {
    /// Loads the model of a manifest and proves it: checksum first, then golden vectors.
    ///
    /// # Errors
    /// [`ModelError`], also where the manifest is that of a detector.
    pub fn open(manifest: &Manifest) -> Result<Self, ModelError> {
        let contract = Arc::new(manifest.expression()?.clone());
        Ok(Self {
            cropper: Cropper::new(&manifest.input, contract.margin, contract.align),
            network: manifest.load()?.network,
            contract,
            helpers: Vec::new(),
        })
    }

    /// Reads so many faces at the same time in [`Self::classify_all`].
    ///
    /// # Errors
    /// [`InferError::Run`] where there is no room for that.
    pub fn with_threads(mut self, threads: usize) -> Result<Self, InferError> {
        self.helpers = (1..threads)
            .map(|_| Helper::start(&self.network, &self.contract, run))
            .collect::<Result<_, _>>()?;
        Ok(self)
    }

    /// How many faces are read at the same time.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.helpers.len() + 1
    }

    /// Classifies at most [`Self::threads`] faces at the same time; `done` gets each face's number and result.
    pub fn classify_all(
        &mut self,
        picture: &Picture,
        faces: &[Landmarks],
        mut done: impl FnMut(usize, Classified),
    ) {
        debug_assert!(faces.len() <= self.threads());
        let Some((first, others)) = faces.split_first() else {
            return;
        };
        let mut qualities = [0.0; MAX_FACES];
        let mut begun: [Result<(), InferError>; MAX_FACES] = std::array::from_fn(|_| Err(InferError::NoFace));
        let helped = self
            .helpers
            .iter_mut()
            .zip(others)
            .zip(begun.iter_mut().zip(&mut qualities));
        for ((helper, landmarks), (begun, quality)) in helped {
            if let Some(square) = FaceSquare::fit(landmarks) {
                *begun = helper.begin(|input| *quality = self.cropper.face(picture, &square, input));
            }
        }
        done(0, self.classify(picture, first));
        let helped = self
            .helpers
            .iter_mut()
            .zip(others)
            .zip(begun.into_iter().zip(qualities));
        for (index, ((helper, _), (begun, quality))) in helped.enumerate() {
            let result = begun
                .and_then(|()| helper.finish())
                .map(|reading| (reading, quality));
            done(index + 1, result);
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
    /// [`InferError::NoFace`] where the landmarks span no face; [`InferError::Run`] and
    /// [`InferError::NotFinite`].
    pub fn classify(&mut self, picture: &Picture, landmarks: &Landmarks) -> Classified {
        let square = FaceSquare::fit(landmarks).ok_or(InferError::NoFace)?;
        let mut quality = 0.0;
        let (cropper, contract) = (&mut self.cropper, &self.contract);
        let reading = self.network.run(
            |input| quality = cropper.face(picture, &square, input),
            |outputs| read(contract, outputs),
        )??;
        Ok((reading, quality))
    }

    /// Classifies a picture that is a cropped face as a whole.
    ///
    /// # Errors
    /// [`InferError::Run`] and [`InferError::NotFinite`].
    pub fn classify_whole(&mut self, picture: &Picture) -> Result<Reading, InferError> {
        let (cropper, contract) = (&mut self.cropper, &self.contract);
        self.network.run(
            |input| cropper.whole(picture, input),
            |outputs| read(contract, outputs),
        )?
    }
}

/// Runs the network on what its input holds.
fn run(contract: &Contract, network: &mut Network) -> Result<Reading, InferError> {
    network.run(|_| (), |outputs| read(contract, outputs))?
}

/// Reads the output vector by the manifest.
fn read(contract: &Contract, outputs: &[Output<'_>]) -> Result<Reading, InferError> {
    let number = |wanted: usize| {
        let mut index = wanted;
        for output in outputs {
            match output.data.get(index) {
                Some(value) if value.is_finite() => return Ok(*value),
                Some(value) => {
                    return Err(InferError::NotFinite {
                        index: wanted,
                        value: *value,
                    });
                }
                None => index -= output.data.len(),
            }
        }
        // Opening the model has compared the highest index with the length.
        Err(InferError::Run(format!("it has no output {wanted}")))
    };
    let probabilities = if contract.logits.is_empty() {
        None
    } else {
        let mut logits = [None; 8];
        for (category, index) in &contract.logits {
            logits[*category as usize] = Some(number(*index)?);
        }
        Some(softmax(&logits, contract.temperature))
    };
    let (valence, arousal) = match contract.valence_arousal {
        None => (None, None),
        Some((valence, arousal)) => (
            Some(number(valence)?.clamp(-1.0, 1.0)),
            Some(number(arousal)?.clamp(-1.0, 1.0)),
        ),
    };
    Ok(Reading {
        probabilities,
        valence,
        arousal,
    })
}

/// Softmax over the categories that the model knows; the others get 0. The largest logit is subtracted first,
/// so that no exponential overflows.
fn softmax(logits: &[Option<f32>; 8], temperature: f32) -> Probabilities {
    let largest = logits
        .iter()
        .flatten()
        .fold(f32::NEG_INFINITY, |largest, logit| largest.max(*logit));
    let exponentials = logits.map(|logit| logit.map_or(0.0, |logit| ((logit - largest) / temperature).exp()));
    let sum: f32 = exponentials.iter().sum();
    exponentials.map(|exponential| exponential / sum)
}

#[cfg(test)]
#[path = "expression_tests.rs"]
mod tests;

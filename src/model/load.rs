//! From a manifest to a network that is verified: the right file, and the right outputs for known inputs.

use std::{
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::Duration,
};

use affectd_infer::{Arithmetic, Network};

use super::{
    error::ModelError,
    golden::Golden,
    manifest::{Kind, Manifest, Precision},
};

/// The largest ONNX file, in bytes.
const MAX_FILE: u64 = 256 << 20;

/// How long loading and verifying may take: a constant part, and a part in proportion to the file's size. Damaged
/// files can send the ONNX library into an endless loop.
const TIME: Duration = Duration::from_secs(20);
const TIME_PER_MIB: Duration = Duration::from_secs(20);

/// The stack of the loading thread, that of a main thread: the ONNX library recurses along the network.
const STACK: usize = 8 << 20;

/// A network whose checksum is right and that reproduced its golden vectors.
#[derive(Debug)]
pub struct Verified {
    /// Ready to run at the manifest's input size.
    pub network: Network,
    /// Largest difference from a golden vector's outputs; `None` where the manifest has no golden vectors.
    pub difference: Option<f32>,
}

impl Manifest {
    /// Compares the checksum, loads the network at the manifest's input size and runs the golden vectors.
    ///
    /// All this happens in a thread of its own, which is left behind if it does not end in time. The process is
    /// expected to end then.
    ///
    /// # Errors
    /// Every [`ModelError`] except those about the manifest itself.
    pub fn load(&self) -> Result<Verified, ModelError> {
        let size = std::fs::metadata(&self.file).map_or(0, |metadata| metadata.len());
        let limit = TIME + TIME_PER_MIB.mul_f64(size.min(MAX_FILE) as f64 / f64::from(1 << 20));
        let manifest = self.clone();
        within(limit, move || manifest.verify()).unwrap_or_else(|failure| Err(self.failure(failure, limit)))
    }

    fn verify(&self) -> Result<Verified, ModelError> {
        self.sha256.verify(&self.file, MAX_FILE)?;
        let arithmetic = match &self.kind {
            Kind::Expression(expression) => match expression.precision {
                Precision::F32 => Arithmetic::Floats,
                Precision::Int8Weights => Arithmetic::Integers,
            },
            Kind::Detector(_) => Arithmetic::IntegersOfFewChannels,
        };
        let mut network = Network::load(&self.file, &self.input.shape(), arithmetic)?;
        let available = network
            .outputs()
            .iter()
            .map(|output| output.shape.iter().product::<usize>())
            .sum();
        if let Some(index) = self.highest_output().filter(|index| *index >= available) {
            return Err(ModelError::Outputs {
                path: self.path.clone(),
                index,
                available,
            });
        }
        let difference = match &self.golden {
            None => None,
            Some(file) => {
                let golden = Golden::open(file, self.input.size(), available)?;
                Some(golden.check(&mut network, &self.file, file.tolerance)?)
            }
        };
        Ok(Verified { network, difference })
    }

    fn failure(&self, failure: Failure, limit: Duration) -> ModelError {
        let path = self.file.clone();
        match failure {
            Failure::Deadline => ModelError::Deadline { path, limit },
            Failure::Panic => ModelError::Panic { path },
            Failure::Thread(source) => ModelError::Thread { path, source },
        }
    }
}

/// Why there is no result.
#[derive(Debug)]
enum Failure {
    Deadline,
    Panic,
    Thread(std::io::Error),
}

/// The result of `work`, which runs in a thread of its own.
fn within<T: Send + 'static>(
    limit: Duration,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Failure> {
    let (sender, receiver) = mpsc::channel();
    thread::Builder::new()
        .name("model".to_owned())
        .stack_size(STACK)
        .spawn(move || {
            // After the deadline nobody waits for it.
            let _ = sender.send(work());
        })
        .map_err(Failure::Thread)?;
    receiver.recv_timeout(limit).map_err(|error| match error {
        RecvTimeoutError::Timeout => Failure::Deadline,
        // The thread ended without a result.
        RecvTimeoutError::Disconnected => Failure::Panic,
    })
}

#[cfg(test)]
#[path = "load_tests.rs"]
mod tests;

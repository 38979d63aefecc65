//! From a manifest to a network that is verified: the right file, and the right outputs for known inputs.

use std::{
    any::Any,
    panic::{self, AssertUnwindSafe},
    sync::mpsc,
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

/// How long loading and verifying may take: a constant part and a part for each started MiB of the file. Damaged
/// files can send the ONNX library into an endless loop. A Raspberry Pi 3 needs a tenth of it.
const TIME: Duration = Duration::from_secs(20);
const TIME_PER_MIB: Duration = Duration::from_secs(20);

/// The stack of the loading thread, that of a main thread: the ONNX library recurses along the network.
const STACK: usize = 8 << 20;

/// The name of the loading thread. A panic in it is an error that is reported, see [`ModelError::Panic`].
const THREAD: &str = "model";

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
        let limit = TIME + TIME_PER_MIB * (size.min(MAX_FILE).div_ceil(1 << 20) as u32);
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
            Failure::Panic(message) => ModelError::Panic { path, message },
            Failure::Thread(source) => ModelError::Thread { path, source },
        }
    }
}

/// Why there is no result.
#[derive(Debug)]
enum Failure {
    Deadline,
    Panic(String),
    Thread(std::io::Error),
}

/// The result of `work`, which runs in a thread of its own.
fn within<T: Send + 'static>(
    limit: Duration,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Failure> {
    let (sender, receiver) = mpsc::channel();
    thread::Builder::new()
        .name(THREAD.to_owned())
        .stack_size(STACK)
        .spawn(move || {
            // After a panic nothing is used of what it may have left half done.
            let result = panic::catch_unwind(AssertUnwindSafe(work));
            let _ = sender.send(result);
        })
        .map_err(Failure::Thread)?;
    match receiver.recv_timeout(limit) {
        Ok(result) => result.map_err(|payload| Failure::Panic(message(payload.as_ref()))),
        Err(_) => Err(Failure::Deadline),
    }
}

/// Keeps panics of the loading thread, which are reported as [`ModelError::Panic`], from standard error. It replaces
/// the process's panic hook: call it once, at the start.
pub fn silence_load_panics() {
    let standard = panic::take_hook();
    panic::set_hook(Box::new(move |information| {
        if thread::current().name() != Some(THREAD) {
            standard(information);
        }
    }));
}

/// What a panic says.
fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref::<&str>().copied())
        .unwrap_or("the ONNX library panicked")
        .to_owned()
}

#[cfg(test)]
#[path = "load_tests.rs"]
mod tests;

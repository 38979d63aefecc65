//! Loads a manifest's network and verifies it: the right file, and the right outputs for known inputs.

use std::{fs, path::Path, time::Duration};

use affectd_infer::{Arithmetic, Network};

use super::{
    error::ModelError,
    golden::Golden,
    integrity::verify,
    manifest::{Kind, Manifest, Precision},
};

/// The largest ONNX file, in bytes.
const MAX_FILE: u64 = 256 << 20;

/// A network whose checksum matches and that reproduced its golden vectors.
#[derive(Debug)]
pub struct Verified {
    /// Ready to run at the manifest's input size.
    pub network: Network,
    /// Largest difference from a golden vector's outputs; `None` if the manifest has no golden vectors.
    pub difference: Option<f32>,
}

impl Manifest {
    /// Verifies the checksum, loads the network at the manifest's input size and runs the golden vectors, or
    /// zeros if there are none.
    ///
    /// The network is loaded and runs in a separate thread, which is abandoned if it does not finish in time.
    /// The process is then expected to exit. Whatever goes wrong in that thread, panics included, is an error
    /// that names the file.
    ///
    /// # Errors
    /// Every [`ModelError`] except those about the manifest itself.
    pub fn load(&self) -> Result<Verified, ModelError> {
        verify(&self.file, self.sha256, MAX_FILE)?;
        let arithmetic = match &self.kind {
            Kind::Expression(expression) => match expression.precision {
                Precision::F32 => Arithmetic::Floats,
                Precision::Int8Weights => Arithmetic::Integers,
            },
            Kind::Detector(_) => Arithmetic::IntegersIfFastForFewChannels,
        };
        let runs = self.golden.as_ref().map_or(1, |golden| golden.count);
        let (limit, shape) = (load_limit(&self.file, runs), self.input.shape());
        let manifest = self.clone();
        let check = move |network: &mut Network| manifest.check(network);
        let (network, difference) = Network::load_within(limit, &self.file, &shape, arithmetic, check)?;
        let difference = difference?;
        Ok(Verified { network, difference })
    }

    /// Checks the number of outputs and runs the network; returns the largest difference from a golden
    /// vector.
    fn check(&self, network: &mut Network) -> Result<Option<f32>, ModelError> {
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
        let Some(file) = &self.golden else {
            let run = network.run(|input| input.fill(0.0), |_| ());
            run.map_err(|source| ModelError::Zeros {
                path: self.file.clone(),
                source,
            })?;
            return Ok(None);
        };
        let golden = Golden::open(file, self.input.size(), available)?;
        Ok(Some(golden.check(network, &self.file, file.tolerance)?))
    }
}

/// How long loading a network and running it may take: 20 s, 20 s for each MiB of the file and 20 s for each
/// run, which is generous even for emulated boards. The limit only guards against a load that never ends.
fn load_limit(file: &Path, runs: usize) -> Duration {
    let bytes = fs::metadata(file).map_or(0, |metadata| metadata.len());
    Duration::from_secs(20 * (1 + (bytes.min(MAX_FILE) >> 20) + runs as u64))
}

#[cfg(test)]
#[path = "load_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "load_run_tests.rs"]
mod run_tests;

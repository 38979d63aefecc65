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
    /// Verifies the checksum, loads the network at the manifest's input size and runs the golden vectors.
    ///
    /// The network is loaded in a separate thread, which is abandoned if it does not finish in time. The
    /// process is then expected to exit.
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
            Kind::Detector(_) => Arithmetic::IntegersOfFewChannels,
        };
        let limit = load_limit(&self.file);
        let mut network = Network::load_within(limit, &self.file, &self.input.shape(), arithmetic)?;
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
}

/// How long loading a network may take: 20 s, and 20 s for each MiB of the file, which is generous even for
/// emulated boards. The limit only guards against a load that never ends.
fn load_limit(file: &Path) -> Duration {
    let bytes = fs::metadata(file).map_or(0, |metadata| metadata.len());
    Duration::from_secs(20 + 20 * (bytes.min(MAX_FILE) >> 20))
}

#[cfg(test)]
#[path = "load_tests.rs"]
mod tests;

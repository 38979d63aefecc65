//! From a manifest to a network that is proven to be the right one and to compute the right thing.

use affectd_infer::{Arithmetic, Network};

use super::{
    error::ModelError,
    golden::Golden,
    manifest::{Kind, Manifest, Precision},
};

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
    /// # Errors
    /// Every [`ModelError`] but those of the manifest itself.
    pub fn load(&self) -> Result<Verified, ModelError> {
        self.sha256.verify(&self.file)?;
        let arithmetic = match &self.kind {
            Kind::Expression(expression) if expression.precision == Precision::Int8Weights => {
                Arithmetic::Integers
            }
            Kind::Expression(_) => Arithmetic::Floats,
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
}

#[cfg(test)]
#[path = "load_tests.rs"]
mod tests;

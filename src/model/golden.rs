//! Golden vectors: inputs and the outputs that the model's authors computed for them with another runtime.
//!
//! Layout, all little-endian: `count` as u32, then `count` times the whole input as f32 (already normalized,
//! in the network's own order) and all outputs as f32, in the network's order. Nothing follows.

use std::path::Path;

use affectd_infer::Network;

use super::{error::ModelError, integrity::verify, manifest::GoldenFile};
use crate::file;

/// The largest file, in bytes. Two vectors of 640 x 640 colour pixels take 10 MB.
const MAX_FILE: u64 = 64 << 20;

/// One stored input and the expected outputs.
#[derive(Debug, Clone, PartialEq)]
pub struct GoldenVector {
    /// The whole input.
    pub input: Vec<f32>,
    /// All outputs, concatenated.
    pub outputs: Vec<f32>,
}

/// All golden vectors of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct Golden {
    /// In the file's order.
    pub vectors: Vec<GoldenVector>,
}

impl Golden {
    /// Reads a manifest's golden vectors after verifying the file's checksum. Each vector holds `inputs`
    /// input and `outputs` output values.
    ///
    /// # Errors
    /// [`ModelError::Read`], [`ModelError::Hash`], [`ModelError::Golden`].
    pub fn open(file: &GoldenFile, inputs: usize, outputs: usize) -> Result<Self, ModelError> {
        verify(&file.path, file.sha256, MAX_FILE)?;
        let bytes = file::read(&file.path, MAX_FILE).map_err(|source| ModelError::Read {
            path: file.path.clone(),
            source,
        })?;
        Self::parse(&bytes, file.count, inputs, outputs).map_err(|reason| ModelError::Golden {
            path: file.path.clone(),
            reason,
        })
    }

    /// Reads `count` vectors of `inputs` input and `outputs` output values.
    ///
    /// # Errors
    /// What was found and what is expected.
    pub fn parse(bytes: &[u8], count: usize, inputs: usize, outputs: usize) -> Result<Self, String> {
        let (head, rest) = bytes
            .split_first_chunk::<4>()
            .ok_or_else(|| format!("{} bytes, too few for a count", bytes.len()))?;
        let stored = u32::from_le_bytes(*head) as usize;
        if stored != count {
            return Err(format!("{stored} vectors, and the manifest says {count}"));
        }
        let length = inputs
            .checked_add(outputs)
            .and_then(|numbers| numbers.checked_mul(4))
            .filter(|length| *length > 0)
            .ok_or("a vector of no possible length")?;
        if count.checked_mul(length) != Some(rest.len()) {
            return Err(format!(
                "{} bytes after the count, and {count} vectors of {inputs} inputs and {outputs} outputs need {}",
                rest.len(),
                count.saturating_mul(length),
            ));
        }
        let mut vectors = Vec::with_capacity(count);
        for (index, vector) in rest.chunks_exact(length).enumerate() {
            let mut numbers = vector
                .chunks_exact(4)
                .map(|four| f32::from_le_bytes([four[0], four[1], four[2], four[3]]));
            let input: Vec<f32> = numbers.by_ref().take(inputs).collect();
            let outputs: Vec<f32> = numbers.collect();
            if input.iter().chain(&outputs).any(|number| !number.is_finite()) {
                return Err(format!("vector {index} holds a number that is not finite"));
            }
            vectors.push(GoldenVector { input, outputs });
        }
        Ok(Self { vectors })
    }

    /// Runs the network on every vector and returns the largest difference of an output from the expected
    /// one, relative to the vector's largest output if that exceeds 1, because the error of 8-bit
    /// quantization grows with the values' range.
    ///
    /// # Errors
    /// [`ModelError::Mismatch`] if a difference is NaN or larger than the manifest allows;
    /// [`ModelError::Run`].
    pub fn check(&self, network: &mut Network, path: &Path, tolerance: f32) -> Result<f32, ModelError> {
        let mut largest = 0.0_f32;
        for (index, vector) in self.vectors.iter().enumerate() {
            let unit = vector
                .outputs
                .iter()
                .fold(1.0_f32, |unit, output| unit.max(output.abs()));
            let difference = network
                .run(
                    |input| input.copy_from_slice(&vector.input),
                    |outputs| {
                        let found = outputs.iter().flat_map(|output| output.data);
                        // Not f32::max, which would drop a NaN.
                        found
                            .zip(&vector.outputs)
                            .fold(0.0_f32, |worst, (found, expected)| {
                                let difference = (found - expected).abs() / unit;
                                if difference > worst || difference.is_nan() {
                                    difference
                                } else {
                                    worst
                                }
                            })
                    },
                )
                .map_err(|source| ModelError::Run {
                    path: path.to_owned(),
                    vector: index,
                    source,
                })?;
            if difference.is_nan() || difference > tolerance {
                return Err(ModelError::Mismatch {
                    path: path.to_owned(),
                    vector: index,
                    difference,
                    tolerance,
                });
            }
            largest = largest.max(difference);
        }
        Ok(largest)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn file(count: u32, numbers: &[f32]) -> Vec<u8> {
        let mut bytes = count.to_le_bytes().to_vec();
        bytes.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
        bytes
    }

    #[test]
    fn inputs_then_outputs_of_each_vector() {
        let golden = Golden::parse(&file(2, &[1., 2., 3., 4., 5., 6.]), 2, 2, 1).unwrap();
        assert_eq!(
            golden.vectors[1],
            GoldenVector {
                input: vec![4., 5.],
                outputs: vec![6.],
            }
        );
    }

    #[test]
    fn every_other_length_is_refused() {
        let whole = file(2, &[1., 2., 3., 4., 5., 6.]);
        for length in 0..whole.len() {
            assert!(Golden::parse(&whole[..length], 2, 2, 1).is_err(), "{length}");
        }
        let longer = [&whole[..], &[0]].concat();
        assert!(Golden::parse(&longer, 2, 2, 1).is_err());
        assert!(Golden::parse(&whole, 3, 1, 1).unwrap_err().contains("2 vectors"));
        assert!(Golden::parse(&whole, 2, usize::MAX, 1).is_err());
        assert!(Golden::parse(&file(0, &[]), 0, 0, 0).is_err());
    }

    #[test]
    fn numbers_that_are_not_finite_are_refused() {
        assert!(Golden::parse(&file(1, &[1., f32::NAN]), 1, 1, 1).is_err());
        assert!(Golden::parse(&file(1, &[f32::INFINITY, 1.]), 1, 1, 1).is_err());
    }
}

//! One ONNX network with a fixed input shape, ready to run in the calling thread.

use std::{fs::File, path::Path, sync::mpsc::sync_channel, thread, time::Duration};

use tract_onnx::prelude::{TractError, TractResult};

use crate::{
    InferError, SimdLevel, Source,
    load::load,
    memory,
    output::{Output, OutputInfo},
    panics::catch_panics,
    profile::{IntegerLayers, OperatorTime},
    runner::Runner,
};

/// Stack size of a loading thread in bytes: that of a main thread, because tract's recursion depends on the
/// file.
const LOAD_STACK: usize = 8 << 20;

/// How linear layers are computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arithmetic {
    /// In floats, whatever type the weights have in the file.
    Floats,
    /// In int8 if the file has int8 weights and the processor is faster at it, with activations quantized to
    /// one byte (to two in some layers).
    Integers,
    /// As [`Arithmetic::Integers`], but only where the processor is so much faster that int8 pays off even in
    /// layers of few channels, whose activations cost as much to quantize as to multiply.
    IntegersIfFastForFewChannels,
}

impl Arithmetic {
    pub(crate) fn allows_int8(self, level: SimdLevel) -> bool {
        match self {
            Self::Floats => false,
            Self::Integers => level.has_fast_int8(),
            Self::IntegersIfFastForFewChannels => level.has_fast_int8_for_few_channels(),
        }
    }
}

/// An optimized network. It runs in the calling thread and keeps its input buffer from run to run.
#[derive(Debug)]
pub struct Network {
    runner: Runner,
    outputs: Vec<OutputInfo>,
    integer_layers: IntegerLayers,
    busy: Duration,
}

impl Network {
    /// Loads an ONNX file, fixes its only input to `shape` (f32) and optimizes it.
    ///
    /// External data files are rejected: the manifest's checksum would not cover them. A panic in tract
    /// becomes an error.
    ///
    /// # Errors
    /// [`InferError::Read`] or [`InferError::Unusable`].
    pub fn load(path: &Path, shape: &[usize], arithmetic: Arithmetic) -> Result<Self, InferError> {
        let mut file = File::open(path).map_err(|source| InferError::Read {
            path: path.to_owned(),
            source,
        })?;
        let load = || -> Result<Self, Source> {
            let loaded = catch_panics("tract", || load(&mut file, shape, arithmetic))?
                .map_err(TractError::reallocate_into_boxed_dyn_error_without_backtrace)?;
            Ok(Self {
                runner: loaded.runner,
                outputs: loaded.outputs,
                integer_layers: loaded.integer_layers,
                busy: Duration::ZERO,
            })
        };
        memory::while_loading(load).map_err(|source| unusable(path, shape, source))
    }

    /// As [`Network::load`], and then calls `check` with the network, which is meant to run it. A panic in
    /// `check` becomes an error. Gives up after `limit`, because tract does not terminate on some malformed
    /// files.
    ///
    /// All of this happens in a thread that cannot be stopped. After a timeout it runs until the process
    /// exits, which should be soon.
    ///
    /// # Errors
    /// As [`Network::load`], or [`InferError::Thread`]; a panic or a timeout is [`InferError::Unusable`].
    pub fn load_within<T: Send + 'static>(
        limit: Duration,
        path: &Path,
        shape: &[usize],
        arithmetic: Arithmetic,
        check: impl FnOnce(&mut Self) -> T + Send + 'static,
    ) -> Result<(Self, T), InferError> {
        let (sender, receiver) = sync_channel(1);
        let (file, file_shape) = (path.to_owned(), shape.to_vec());
        let load = move || {
            let loaded = Self::load(&file, &file_shape, arithmetic).and_then(|mut network| {
                let checked = catch_panics("the network", || check(&mut network))
                    .map_err(|panic| unusable(&file, &file_shape, panic.into()))?;
                Ok((network, checked))
            });
            // After a timeout, the receiver is gone.
            let _ = sender.send(loaded);
        };
        thread::Builder::new()
            .name("load".to_owned())
            .stack_size(LOAD_STACK)
            .spawn(load)
            .map_err(|source| InferError::Thread {
                path: path.to_owned(),
                source,
            })?;
        receiver.recv_timeout(limit).unwrap_or_else(|_| {
            let reason = format!("loading and checking it did not end within {} s", limit.as_secs());
            Err(unusable(path, shape, reason.into()))
        })
    }

    /// Another instance of the same network, for another thread; the weights are shared.
    ///
    /// # Errors
    /// [`InferError::Run`].
    pub fn try_clone(&self) -> Result<Self, InferError> {
        Ok(Self {
            runner: self.runner.try_clone().map_err(failed)?,
            outputs: self.outputs.clone(),
            integer_layers: self.integer_layers,
            busy: Duration::ZERO,
        })
    }

    /// Writes the whole input, as [`Network::run`] does before it runs.
    ///
    /// # Errors
    /// [`InferError::Run`] if a failed run still holds the input.
    pub fn fill(&mut self, fill: impl FnOnce(&mut [f32])) -> Result<(), InferError> {
        self.runner.write(fill).map_err(failed)
    }

    /// Names and shapes of the outputs, in the file's order.
    #[must_use]
    pub fn outputs(&self) -> &[OutputInfo] {
        &self.outputs
    }

    /// How many operators multiply integers.
    #[must_use]
    pub fn integer_layers(&self) -> IntegerLayers {
        self.integer_layers
    }

    /// Time spent in all runs so far, excluding writing inputs and reading outputs.
    #[must_use]
    pub fn busy(&self) -> Duration {
        self.busy
    }

    /// Runs the network once. `fill` writes the whole input, last dimension innermost, which still holds the
    /// values of the previous run; `read` gets the outputs in the file's order.
    ///
    /// # Errors
    /// [`InferError::Run`].
    pub fn run<R>(
        &mut self,
        fill: impl FnOnce(&mut [f32]),
        read: impl FnOnce(&[Output<'_>]) -> R,
    ) -> Result<R, InferError> {
        self.evaluate(fill, read).map_err(|error| {
            // A failed run leaves intermediate values behind, including the input.
            if let Err(reset) = self.runner.reset() {
                tracing::warn!("cannot reset the network: {reset:#}");
            }
            failed(error)
        })
    }

    /// Runs the network `runs` times on the current input and returns the time of each kind of operator, the
    /// most expensive first. For each operator the fastest run counts, because the machine may be busy with
    /// other work.
    ///
    /// # Errors
    /// [`InferError::Run`].
    pub fn profile(&mut self, runs: u32) -> Result<Vec<OperatorTime>, InferError> {
        self.runner.profile(runs).map_err(failed)
    }

    fn evaluate<R>(
        &mut self,
        fill: impl FnOnce(&mut [f32]),
        read: impl FnOnce(&[Output<'_>]) -> R,
    ) -> TractResult<R> {
        self.runner.write(fill)?;
        let (took, result) = self.runner.run(&self.outputs, read)?;
        self.busy += took;
        Ok(result)
    }
}

fn unusable(path: &Path, shape: &[usize], source: Source) -> InferError {
    InferError::Unusable {
        path: path.to_owned(),
        shape: shape.to_vec(),
        source,
    }
}

fn failed(error: TractError) -> InferError {
    InferError::Run(error.into())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::fs;

    use super::*;
    use crate::testing::test_model;

    #[test]
    fn names_and_shapes_of_the_outputs() {
        let network = Network::load(
            &test_model("tiny-combined.onnx"),
            &[1, 1, 16, 16],
            Arithmetic::Floats,
        )
        .unwrap();
        let scores = OutputInfo {
            name: "scores".to_owned(),
            shape: vec![1, 10],
        };
        assert_eq!(network.outputs(), [scores]);
    }

    #[test]
    fn the_input_buffer_is_kept_from_run_to_run() {
        let mut network =
            Network::load(&test_model("tiny-va.onnx"), &[1, 16, 16, 3], Arithmetic::Floats).unwrap();
        let mut run = |value: Option<f32>| {
            let mut at = std::ptr::null();
            let outputs = network
                .run(
                    |input| {
                        at = input.as_ptr();
                        if let Some(value) = value {
                            input.fill(value);
                        }
                    },
                    |outputs| outputs[0].data.to_vec(),
                )
                .unwrap();
            (at, outputs)
        };
        let (at, ones) = run(Some(1.0));
        assert_eq!(
            run(None),
            (at, ones.clone()),
            "the network must not write into its input"
        );
        assert_ne!(run(Some(-1.0)).1, ones);
    }

    #[test]
    fn a_load_or_check_that_panics_or_does_not_end_in_time_is_an_error() {
        let (path, shape) = (test_model("tiny-combined.onnx"), [1, 1, 16, 16]);
        let (long, short) = (Duration::from_secs(60), Duration::ZERO);
        let load = |limit, check: fn(&mut Network) -> usize| {
            Network::load_within(limit, &path, &shape, Arithmetic::Floats, check)
        };
        let (network, checked) = load(long, |network| network.outputs().len()).unwrap();
        assert_eq!((network.outputs().len(), checked), (1, 1));
        let refused = [
            (
                short,
                (|_| 1) as fn(&mut Network) -> usize,
                "did not end within 0 s",
            ),
            (
                Duration::from_secs(1),
                |_| loop {
                    thread::park();
                },
                "did not end within 1 s",
            ),
            (
                long,
                |network| network.outputs()[1].shape.len(),
                "the network panicked: index out of bounds",
            ),
        ];
        for (limit, check, words) in refused {
            match load(limit, check).unwrap_err() {
                InferError::Unusable { source, .. } => {
                    assert!(source.to_string().contains(words), "{source}");
                }
                other => panic!("{other}"),
            }
        }
    }

    #[test]
    fn unusable_files_and_shapes_are_errors() {
        let missing = Network::load(&test_model("none.onnx"), &[1], Arithmetic::Floats).unwrap_err();
        assert!(matches!(missing, InferError::Read { .. }));
        for shape in [&[1, 1, 16][..], &[1, 3, 16, 16], &[1, 1, 24, 16]] {
            let wrong =
                Network::load(&test_model("tiny-combined.onnx"), shape, Arithmetic::Floats).unwrap_err();
            assert!(matches!(wrong, InferError::Unusable { .. }), "{shape:?}");
        }
    }

    #[test]
    fn a_truncated_file_is_an_error_wherever_it_is_cut() {
        let whole = fs::read(test_model("tiny-va.onnx")).unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        for length in (0..whole.len()).step_by(97) {
            fs::write(file.path(), &whole[..length]).unwrap();
            let error = Network::load(file.path(), &[1, 16, 16, 3], Arithmetic::Floats).unwrap_err();
            assert!(matches!(error, InferError::Unusable { .. }), "{length}: {error}");
        }
    }
}

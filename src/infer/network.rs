//! One ONNX network with a fixed input shape, ready to run in the calling thread.

use std::{
    collections::HashMap,
    fs::File,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use tract_onnx::{
    prelude::{
        Datum, DatumType, Framework, InferenceFact, InferenceModelExt, IntoRunnable, IntoTValue, TVec,
        Tensor, TractError, TypedSimpleState, tvec,
    },
    tract_hir::{infer::Factoid, tract_core::plan::eval},
};

use crate::{
    InferError,
    kernel::{Best, Peak},
    memory, onnx_weights,
    ops::attention::fuse_attention,
    ops::fused_mbconv::join_expansions,
    ops::linear::multiply_integers,
    ops::reduce_sum::sum_channels,
    ops::transpose::move_runs,
    passes::channels_last::put_channels_last,
    passes::fuse_gelu::fuse_gelu,
    passes::layout::put_results_last,
    passes::norm_last_axis::normalise_along_memory,
    passes::simplify::simplify,
    profile::{IntegerLayers, OperatorTime, by_kind, thread_time},
};

/// Which kernels this processor got, and why no others.
#[must_use]
pub fn kernels() -> &'static str {
    Best::detect().describe()
}

/// How fast they can be at most.
#[must_use]
pub fn peak() -> Peak {
    Best::detect().peak()
}

/// How linear layers are computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arithmetic {
    /// In floats, whatever the file keeps the weights in.
    Floats,
    /// Those whose weights the file keeps as eight-bit integers in such, with activations rounded to 256 steps, wherever the processor is faster at it.
    Integers,
    /// The same where the processor is so much faster at it that it pays for layers of few channels too, whose activations cost as much to
    /// round as to multiply.
    IntegersOfFewChannels,
}

impl Arithmetic {
    fn allows_integers(self, isa: Best) -> bool {
        match self {
            Self::Floats => false,
            Self::Integers => isa.has_integer_products(),
            Self::IntegersOfFewChannels => isa.pays_for_few_channels(),
        }
    }
}

/// Name and shape of one output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputInfo {
    /// The name in the ONNX file.
    pub name: String,
    /// Its dimensions for the fixed input shape.
    pub shape: Vec<usize>,
}

/// One output of one run.
#[derive(Debug, Clone, Copy)]
pub struct Output<'a> {
    /// Its dimensions.
    pub shape: &'a [usize],
    /// The numbers, last dimension innermost.
    pub data: &'a [f32],
}

/// An optimised network. It runs in the thread that calls it and holds its input buffer from run to run.
#[derive(Debug)]
pub struct Network {
    state: TypedSimpleState,
    /// Shared with tract during a run only, so that it can be written again before the next.
    input: Arc<Tensor>,
    outputs: Vec<OutputInfo>,
    busy: Duration,
}

impl Network {
    /// Loads an ONNX file, fixes its only input to `shape` (f32) and optimises.
    ///
    /// Everything must lie within the one file: a network that keeps its weights in further files is refused,
    /// because the manifest's checksum would not cover them.
    ///
    /// # Errors
    /// [`InferError::Read`] or [`InferError::Unusable`].
    pub fn load(path: &Path, shape: &[usize], arithmetic: Arithmetic) -> Result<Self, InferError> {
        let mut file = File::open(path).map_err(|source| InferError::Read {
            path: path.to_owned(),
            source,
        })?;
        memory::loading(|| Self::prepare(&mut file, shape, arithmetic)).map_err(|error| {
            InferError::Unusable {
                path: path.to_owned(),
                shape: shape.to_vec(),
                reason: format!("{error:#}"),
            }
        })
    }

    fn prepare(file: &mut File, shape: &[usize], arithmetic: Arithmetic) -> Result<Self, TractError> {
        // Shapes noted in the file belong to the size it was exported at; ours may be another.
        let onnx = tract_onnx::onnx()
            .with_ignore_output_shapes(true)
            .with_ignore_value_info(true);
        let file = onnx.proto_model_for_read(file)?;
        let names: Vec<String> = file
            .graph
            .iter()
            .flat_map(|g| &g.output)
            .map(|o| o.name.clone())
            .collect();
        let model = onnx_weights::model(&onnx, file)?;
        let inputs = model.input_outlets()?.len();
        if inputs != 1 {
            return Err(TractError::msg(format!(
                "it has {inputs} inputs, and must have one"
            )));
        }
        let declared = model.input_fact(0)?;
        if let Some(found) = declared
            .datum_type
            .concretize()
            .filter(|found| *found != DatumType::F32)
        {
            return Err(TractError::msg(format!(
                "its input holds {found:?}, and must hold f32"
            )));
        }
        if let Some(rank) = declared
            .shape
            .rank()
            .concretize()
            .filter(|rank| *rank as usize != shape.len())
        {
            return Err(TractError::msg(format!("its input has {rank} dimensions")));
        }

        let mut model = model
            .with_input_fact(0, InferenceFact::dt_shape(f32::datum_type(), shape))?
            .into_typed()?;
        simplify(&mut model)?;
        fuse_gelu(&mut model)?;
        let isa = Best::detect();
        let integers = arithmetic.allows_integers(isa);
        put_channels_last(&mut model, isa, integers)?;
        simplify(&mut model)?;
        fuse_attention(&mut model, isa)?;
        sum_channels(&mut model, isa)?;
        if integers {
            multiply_integers(&mut model, isa)?;
            put_results_last(&mut model)?;
            join_expansions(&mut model)?;
        }
        move_runs(&mut model)?;
        // These leave nothing to declutter, which would take its time once more.
        model.optimize()?;
        normalise_along_memory(&mut model)?;
        let mut outputs = Vec::with_capacity(names.len());
        for (index, name) in names.into_iter().enumerate() {
            let fact = model.output_fact(index)?;
            if fact.datum_type != DatumType::F32 {
                return Err(TractError::msg(format!(
                    "output {name} holds {:?}, and must hold f32",
                    fact.datum_type
                )));
            }
            let shape = fact
                .shape
                .as_concrete()
                .ok_or_else(|| {
                    TractError::msg(format!(
                        "the size of output {name} is not fixed: {:?}",
                        fact.shape
                    ))
                })?
                .to_vec();
            outputs.push(OutputInfo { name, shape });
        }
        let state = model.into_runnable()?.spawn()?;
        Ok(Self {
            state,
            input: Arc::new(Tensor::zero::<f32>(shape)?),
            outputs,
            busy: Duration::ZERO,
        })
    }

    /// Another state of the same network, for another thread; the weights are shared.
    ///
    /// # Errors
    /// [`InferError::Run`].
    pub fn another(&self) -> Result<Self, InferError> {
        let failed = |error: TractError| InferError::Run(format!("{error:#}"));
        Ok(Self {
            state: self.state.plan().spawn().map_err(failed)?,
            input: Arc::new(Tensor::zero::<f32>(self.input.shape()).map_err(failed)?),
            outputs: self.outputs.clone(),
            busy: Duration::ZERO,
        })
    }

    /// Writes the whole input, as [`Network::run`] does before it runs.
    ///
    /// # Errors
    /// [`InferError::Run`] where a failed run still holds the input.
    pub fn fill(&mut self, fill: impl FnOnce(&mut [f32])) -> Result<(), InferError> {
        self.write(fill)
            .map_err(|error| InferError::Run(format!("{error:#}")))
    }

    fn write(&mut self, fill: impl FnOnce(&mut [f32])) -> Result<(), TractError> {
        let input =
            Arc::get_mut(&mut self.input).ok_or_else(|| TractError::msg("its input is still in use"))?;
        fill(input.try_as_plain_ram_mut()?.as_slice_mut::<f32>()?);
        Ok(())
    }

    /// Names and shapes of the outputs, in the file's order.
    #[must_use]
    pub fn outputs(&self) -> &[OutputInfo] {
        &self.outputs
    }

    /// How many operators multiply integers.
    #[must_use]
    pub fn integer_layers(&self) -> IntegerLayers {
        IntegerLayers::of(self.state.model())
    }

    /// Time spent in all runs so far, without writing inputs and reading outputs.
    #[must_use]
    pub fn busy(&self) -> Duration {
        self.busy
    }

    /// Runs the network once. `fill` writes the whole input (last dimension innermost; it still holds the
    /// numbers of the run before); `read` gets the outputs in the file's order.
    ///
    /// # Errors
    /// [`InferError::Run`].
    pub fn run<R>(
        &mut self,
        fill: impl FnOnce(&mut [f32]),
        read: impl FnOnce(&[Output<'_>]) -> R,
    ) -> Result<R, InferError> {
        self.evaluate(fill, read).map_err(|error| {
            // A failed run leaves its intermediate values behind, our input among them.
            if let Err(reset) = self.state.reset_turn() {
                tracing::warn!("cannot reset the network: {reset:#}");
            }
            InferError::Run(format!("{error:#}"))
        })
    }

    /// Runs the network so many times on what its input holds, and times every operator by its fastest run: the
    /// machine may be busy with other things. The dearest kind comes first.
    ///
    /// # Errors
    /// [`InferError::Run`].
    pub fn profile(&mut self, runs: u32) -> Result<Vec<OperatorTime>, InferError> {
        let mut times = HashMap::new();
        for _ in 0..runs {
            self.state
                .run_plan_with_eval(
                    tvec!(self.input.clone().into_tvalue()),
                    |context, state, node, inputs| {
                        let start = thread_time();
                        let outputs = eval(context, state, node, inputs);
                        let took = thread_time() - start;
                        let fastest = times.entry(node.id).or_insert(took);
                        *fastest = took.min(*fastest);
                        outputs
                    },
                )
                .map_err(|error| InferError::Run(format!("{error:#}")))?;
        }
        Ok(by_kind(self.state.model(), &times))
    }

    fn evaluate<R>(
        &mut self,
        fill: impl FnOnce(&mut [f32]),
        read: impl FnOnce(&[Output<'_>]) -> R,
    ) -> Result<R, TractError> {
        self.write(fill)?;
        let start = Instant::now();
        let results = self.state.run(tvec!(self.input.clone().into_tvalue()))?;
        self.busy += start.elapsed();
        let mut views: TVec<Output<'_>> = TVec::new();
        for result in &results {
            views.push(Output {
                shape: result.shape(),
                data: result.try_as_plain_ram()?.as_slice::<f32>()?,
            });
        }
        Ok(read(&views))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::{fs, path::PathBuf};

    use super::*;

    fn tiny(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../..")
            .join("tests/data/models")
            .join(name)
    }

    #[test]
    fn names_and_shapes_of_the_outputs() {
        let network =
            Network::load(&tiny("tiny-combined.onnx"), &[1, 1, 16, 16], Arithmetic::Floats).unwrap();
        let scores = OutputInfo {
            name: "scores".to_owned(),
            shape: vec![1, 10],
        };
        assert_eq!(network.outputs(), [scores]);
    }

    #[test]
    fn the_input_buffer_is_kept_from_run_to_run() {
        let mut network = Network::load(&tiny("tiny-va.onnx"), &[1, 16, 16, 3], Arithmetic::Floats).unwrap();
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
    fn unusable_files_and_shapes_are_errors() {
        let missing = Network::load(&tiny("none.onnx"), &[1], Arithmetic::Floats).unwrap_err();
        assert!(matches!(missing, InferError::Read { .. }));
        for shape in [&[1, 1, 16][..], &[1, 3, 16, 16], &[1, 1, 24, 16]] {
            let wrong = Network::load(&tiny("tiny-combined.onnx"), shape, Arithmetic::Floats).unwrap_err();
            assert!(matches!(wrong, InferError::Unusable { .. }), "{shape:?}");
        }
    }

    #[test]
    fn a_truncated_file_is_an_error_wherever_it_is_cut() {
        let whole = fs::read(tiny("tiny-va.onnx")).unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        for length in (0..whole.len()).step_by(97) {
            fs::write(file.path(), &whole[..length]).unwrap();
            let error = Network::load(file.path(), &[1, 16, 16, 3], Arithmetic::Floats).unwrap_err();
            assert!(matches!(error, InferError::Unusable { .. }), "{length}: {error}");
        }
    }
}

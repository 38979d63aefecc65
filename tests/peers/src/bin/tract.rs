//! affectd's own runtime, and tract as it comes.

use std::path::Path;

use affectd::infer::{Arithmetic, Network};
use anyhow::{Context as _, bail, ensure};
use peers::{Arguments, Engine, serve};
use tract_onnx::prelude::{
    Framework as _, InferenceModelExt as _, IntoRunnable as _, IntoTValue as _, Tensor, TypedSimpleState,
    tvec,
};

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::read()?;
    let model = &arguments.model;
    ensure!(
        arguments.threads == 1,
        "{} runs a network in one thread, and {} were asked for",
        arguments.engine,
        arguments.threads
    );
    let mut engine: Box<dyn Engine> = match arguments.engine.as_str() {
        "affectd-int8" => Box::new(Affectd::load(model, Arithmetic::Integers)?),
        "affectd-f32" => Box::new(Affectd::load(model, Arithmetic::Floats)?),
        "tract" => Box::new(Tract::load(model)?),
        other => bail!("the engine is {other:?}; allowed are affectd-int8, affectd-f32 and tract"),
    };
    serve(&arguments, &mut *engine)
}

struct Affectd {
    network: Network,
    input_len: usize,
}

impl Affectd {
    fn load(model: &Path, arithmetic: Arithmetic) -> anyhow::Result<Self> {
        let shape = input_shape(model)?;
        Ok(Self {
            network: Network::load(model, &shape, arithmetic)?,
            input_len: shape.iter().product(),
        })
    }
}

impl Engine for Affectd {
    fn input_len(&self) -> usize {
        self.input_len
    }

    fn run(&mut self, input: &[f32]) -> anyhow::Result<Vec<f32>> {
        let output = self
            .network
            .run(|to| to.copy_from_slice(input), |outputs| outputs[0].data.to_vec())?;
        Ok(output)
    }
}

struct Tract {
    state: TypedSimpleState,
    shape: Vec<usize>,
}

impl Tract {
    fn load(model: &Path) -> anyhow::Result<Self> {
        let shape = input_shape(model)?;
        let state = tract_onnx::onnx()
            .model_for_path(model)?
            .into_optimized()?
            .into_runnable()?
            .spawn()?;
        Ok(Self { state, shape })
    }
}

impl Engine for Tract {
    fn input_len(&self) -> usize {
        self.shape.iter().product()
    }

    fn run(&mut self, input: &[f32]) -> anyhow::Result<Vec<f32>> {
        let input = Tensor::from_shape(&self.shape, input)?;
        let outputs = self.state.run(tvec!(input.into_tvalue()))?;
        Ok(outputs[0].try_as_plain_ram()?.as_slice::<f32>()?.to_vec())
    }
}

/// The shape that the file fixes its only input to.
fn input_shape(model: &Path) -> anyhow::Result<Vec<usize>> {
    let model = tract_onnx::onnx().model_for_path(model)?;
    let shape = model.input_fact(0)?.shape.as_concrete_finite()?;
    Ok(shape.context("the input's shape is not fixed")?.to_vec())
}

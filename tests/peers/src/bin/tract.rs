//! affectd's runtime, and unmodified tract.

use std::{
    path::Path,
    sync::{
        Arc,
        mpsc::{Receiver, Sender, channel},
    },
    thread,
};

use affectd_infer::{Arithmetic, Network};
use anyhow::{Context as _, bail};
use peers::{Arguments, Engine, serve};
use tract_onnx::prelude::{
    Framework as _, InferenceModelExt as _, IntoRunnable as _, IntoTValue as _, Tensor, TypedSimpleState,
    tvec,
};

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::read()?;
    let mut engine: Box<dyn Engine> = match arguments.threads {
        1 => load(&arguments.engine, &arguments.model)?,
        _ => Box::new(FaceEach::start(&arguments)?),
    };
    serve(&arguments, &mut *engine)
}

fn load(engine: &str, model: &Path) -> anyhow::Result<Box<dyn Engine>> {
    Ok(match engine {
        "affectd-int8" => Box::new(Affectd::load(model, Arithmetic::Integers)?),
        "affectd-f32" => Box::new(Affectd::load(model, Arithmetic::Floats)?),
        "tract" => Box::new(Tract::load(model)?),
        other => bail!("the engine is {other:?}; allowed are affectd-int8, affectd-f32 and tract"),
    })
}

/// Several threads, each with the network and one face.
struct FaceEach {
    workers: Vec<Worker>,
    input_len: usize,
}

struct Worker {
    to: Sender<Arc<[f32]>>,
    from: Receiver<anyhow::Result<Vec<f32>>>,
}

impl FaceEach {
    fn start(arguments: &Arguments) -> anyhow::Result<Self> {
        let mut input_len = 0;
        let mut workers = Vec::new();
        for _ in 0..arguments.threads {
            let (name, model) = (arguments.engine.clone(), arguments.model.clone());
            let (loaded, ready) = channel();
            let (to, inputs) = channel::<Arc<[f32]>>();
            let (outputs, from) = channel();
            thread::spawn(move || {
                let mut engine = match load(&name, &model) {
                    Ok(engine) => engine,
                    Err(error) => return drop(loaded.send(Err(error))),
                };
                drop(loaded.send(Ok(engine.input_len())));
                for input in inputs {
                    if outputs.send(engine.run(&input)).is_err() {
                        return;
                    }
                }
            });
            input_len = ready.recv()??;
            workers.push(Worker { to, from });
        }
        Ok(Self { workers, input_len })
    }
}

impl Engine for FaceEach {
    fn input_len(&self) -> usize {
        self.input_len
    }

    fn faces(&self) -> u32 {
        self.workers.len() as u32
    }

    fn run(&mut self, input: &[f32]) -> anyhow::Result<Vec<f32>> {
        let input: Arc<[f32]> = input.into();
        for worker in &self.workers {
            worker.to.send(input.clone())?;
        }
        let mut output = Vec::new();
        for worker in &self.workers {
            output = worker.from.recv()??;
        }
        Ok(output)
    }
}

struct Affectd {
    network: Network,
    input_len: usize,
}

impl Affectd {
    fn load(model: &Path, arithmetic: Arithmetic) -> anyhow::Result<Self> {
        // As the daemon does.
        affectd_infer::memory::tune_allocator();
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
        let output = self.network.run(
            |to| to.copy_from_slice(input),
            |outputs| outputs.iter().flat_map(|output| output.data).copied().collect(),
        )?;
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
        let mut numbers = Vec::new();
        for output in &outputs {
            numbers.extend_from_slice(output.try_as_plain_ram()?.as_slice::<f32>()?);
        }
        Ok(numbers)
    }
}

/// Returns the static shape of the network's only input.
fn input_shape(model: &Path) -> anyhow::Result<Vec<usize>> {
    let model = tract_onnx::onnx().model_for_path(model)?;
    let shape = model.input_fact(0)?.shape.as_concrete_finite()?;
    Ok(shape.context("the input's shape is not fixed")?.to_vec())
}

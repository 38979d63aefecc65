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
use tract_onnx::{
    prelude::{
        DatumExt as _, Framework as _, InferenceModelExt as _, IntoRunnable as _, IntoTValue as _, Tensor,
        TypedSimpleState, tvec,
    },
    tract_hir::infer::Factoid as _,
};

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::read()?;
    let mut engine: Box<dyn Engine> = match arguments.threads {
        1 => load(&arguments)?,
        _ => Box::new(FaceEach::start(&arguments)?),
    };
    serve(&arguments, &mut *engine)
}

fn load(arguments: &Arguments) -> anyhow::Result<Box<dyn Engine>> {
    let model = &arguments.model;
    let shape = input_shape(model, arguments.size)?;
    Ok(match arguments.engine.as_str() {
        "affectd-int8" => Box::new(Affectd::load(model, &shape, Arithmetic::Integers)?),
        "affectd-f32" => Box::new(Affectd::load(model, &shape, Arithmetic::Floats)?),
        "tract" => Box::new(Tract::load(model, shape)?),
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
            let arguments = arguments.clone();
            let (loaded, ready) = channel();
            let (to, inputs) = channel::<Arc<[f32]>>();
            let (outputs, from) = channel();
            thread::spawn(move || {
                let mut engine = match load(&arguments) {
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
    fn load(model: &Path, shape: &[usize], arithmetic: Arithmetic) -> anyhow::Result<Self> {
        // As the daemon does.
        affectd_infer::memory::tune_allocator();
        Ok(Self {
            network: Network::load(model, shape, arithmetic)?,
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
    fn load(model: &Path, shape: Vec<usize>) -> anyhow::Result<Self> {
        let state = tract_onnx::onnx()
            .model_for_path(model)?
            .with_input_fact(0, f32::fact(&shape).into())?
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

/// Returns the shape of the network's only input; `size` replaces the last two axes if they are dynamic.
fn input_shape(model: &Path, size: Option<(usize, usize)>) -> anyhow::Result<Vec<usize>> {
    let model = tract_onnx::onnx().model_for_path(model)?;
    let fact = &model.input_fact(0)?.shape;
    let axes: Vec<Option<usize>> = fact
        .dims()
        .map(|axis| {
            axis.concretize()
                .and_then(|axis| usize::try_from(axis.to_i64().ok()?).ok())
        })
        .collect();
    let mut sizes = size.map(|(width, height)| [height, width]).into_iter().flatten();
    let fixed = axes.iter().map(|axis| axis.or_else(|| sizes.next()));
    fixed
        .collect::<Option<_>>()
        .context("the input's shape is not fixed, and --size is not given")
}

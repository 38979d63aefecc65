//! rten, with prepacked weights.

use std::{path::Path, sync::Arc};

use anyhow::{Context as _, bail, ensure};
use peers::{Arguments, Engine, serve};
use rten::{Dimension, Model, ModelOptions, RunOptions, ThreadPool, Value};

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::read()?;
    ensure!(
        arguments.engine == "rten",
        "the engine is {:?}; allowed is rten",
        arguments.engine
    );
    let mut engine = Rten::load(&arguments.model, arguments.threads)?;
    serve(&arguments, &mut engine)
}

struct Rten {
    model: Model,
    shape: Vec<usize>,
    options: RunOptions,
}

impl Rten {
    fn load(path: &Path, threads: usize) -> anyhow::Result<Self> {
        let model = ModelOptions::with_all_ops()
            .prepack_weights(true)
            .load_file(path)?;
        let shape = model
            .input_shape(0)
            .context("the input's shape is not known")?
            .iter()
            .map(|dimension| match dimension {
                Dimension::Fixed(length) => Ok(*length),
                Dimension::Symbolic(name) => bail!("the input's length {name:?} is not fixed"),
            })
            .collect::<anyhow::Result<_>>()?;
        let pool = Arc::new(ThreadPool::with_num_threads(threads));
        Ok(Self {
            model,
            shape,
            options: RunOptions::default().with_thread_pool(Some(pool)),
        })
    }
}

impl Engine for Rten {
    fn input_len(&self) -> usize {
        self.shape.iter().product()
    }

    fn run(&mut self, input: &[f32]) -> anyhow::Result<Vec<f32>> {
        let input = Value::from_shape(&self.shape, input.to_vec())?;
        let inputs = vec![(self.model.input_ids()[0], input.into())];
        let outputs = self
            .model
            .run(inputs, self.model.output_ids(), Some(self.options.clone()))?;
        let mut numbers = Vec::new();
        for output in outputs {
            let Value::FloatTensor(tensor) = output else {
                bail!("an output is no tensor of floats");
            };
            numbers.extend(tensor.into_data());
        }
        Ok(numbers)
    }
}

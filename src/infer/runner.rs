//! Runs an optimized network: as a program of this crate's operators, or else with tract.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use tract_onnx::{
    prelude::{
        IntoRunnable, IntoTValue, TVec, Tensor, TractError, TractResult, TypedModel, TypedSimpleState, tvec,
    },
    tract_hir::tract_core::plan::eval,
};

use crate::{
    output::{Output, OutputInfo},
    profile::{OperatorTime, Profiled, by_kind, thread_time},
    program::Program,
};

/// A network in one thread.
#[derive(Debug)]
pub(crate) enum Runner {
    /// All of its operators are this crate's.
    Program(Program),
    /// Some are not.
    Tract(TractRunner),
}

/// tract's plan.
#[derive(Debug)]
pub(crate) struct TractRunner {
    state: Box<TypedSimpleState>,
    /// Shared with tract only during a run, so it can be written again before the next one.
    input: Arc<Tensor>,
}

impl Runner {
    /// For an optimized model with one input of this shape.
    pub(crate) fn new(model: TypedModel, shape: &[usize]) -> TractResult<Self> {
        if let Some(program) = Program::compile(&model) {
            return Ok(Self::Program(program));
        }
        Ok(Self::Tract(TractRunner {
            state: Box::new(model.into_runnable()?.spawn()?),
            input: Arc::new(Tensor::zero::<f32>(shape)?),
        }))
    }

    /// The same network for another thread; the weights are shared.
    pub(crate) fn try_clone(&self) -> TractResult<Self> {
        Ok(match self {
            Self::Program(program) => Self::Program(program.duplicate()),
            Self::Tract(runner) => Self::Tract(TractRunner {
                state: Box::new(runner.state.plan().spawn()?),
                input: Arc::new(Tensor::zero::<f32>(runner.input.shape())?),
            }),
        })
    }

    /// Lets `fill` write the input, which still holds the values of the previous run.
    pub(crate) fn write(&mut self, fill: impl FnOnce(&mut [f32])) -> TractResult<()> {
        match self {
            Self::Program(program) => fill(program.input()),
            Self::Tract(runner) => {
                let input = Arc::get_mut(&mut runner.input)
                    .ok_or_else(|| TractError::msg("its input is still in use"))?;
                fill(input.try_as_plain_ram_mut()?.as_slice_mut::<f32>()?);
            }
        }
        Ok(())
    }

    /// Runs the network, and returns the time this took and the result of `read`.
    pub(crate) fn run<R>(
        &mut self,
        outputs: &[OutputInfo],
        read: impl FnOnce(&[Output<'_>]) -> R,
    ) -> TractResult<(Duration, R)> {
        let start = Instant::now();
        match self {
            Self::Program(program) => {
                program.run();
                let took = start.elapsed();
                let mut views: TVec<Output<'_>> = TVec::new();
                for (data, info) in program.outputs().zip(outputs) {
                    let shape = &info.shape;
                    views.push(Output { shape, data });
                }
                Ok((took, read(&views)))
            }
            Self::Tract(runner) => {
                let results = runner.state.run(tvec!(runner.input.clone().into_tvalue()))?;
                let took = start.elapsed();
                let mut views: TVec<Output<'_>> = TVec::new();
                for result in &results {
                    views.push(Output {
                        shape: result.shape(),
                        data: result.try_as_plain_ram()?.as_slice::<f32>()?,
                    });
                }
                Ok((took, read(&views)))
            }
        }
    }

    /// Drops the intermediate values of a failed run.
    pub(crate) fn reset(&mut self) -> TractResult<()> {
        match self {
            Self::Program(_) => Ok(()),
            Self::Tract(runner) => runner.state.reset_turn(),
        }
    }

    /// Runs the network `runs` times on the current input; see [`Network::profile`](crate::Network::profile).
    pub(crate) fn profile(&mut self, runs: u32) -> TractResult<Vec<OperatorTime>> {
        let mut times: HashMap<usize, Duration> = HashMap::new();
        let mut record = |node: usize, took: Duration| {
            let fastest = times.entry(node).or_insert(took);
            *fastest = took.min(*fastest);
        };
        match self {
            Self::Program(program) => {
                for _ in 0..runs {
                    for step in 0..program.steps().len() {
                        let start = thread_time();
                        program.run_step(step);
                        record(step, thread_time() - start);
                    }
                }
                let steps = program.steps();
                Ok(by_kind(
                    times
                        .iter()
                        .map(|(step, time)| Profiled::step(&*steps[*step].op, *time)),
                ))
            }
            Self::Tract(runner) => {
                for _ in 0..runs {
                    let input = tvec!(runner.input.clone().into_tvalue());
                    runner
                        .state
                        .run_plan_with_eval(input, |context, state, node, inputs| {
                            let start = thread_time();
                            let outputs = eval(context, state, node, inputs);
                            record(node.id, thread_time() - start);
                            outputs
                        })?;
                }
                let model = runner.state.model();
                let nodes = times
                    .iter()
                    .map(|(node, time)| Profiled::node(model, *node, *time));
                Ok(by_kind(nodes))
            }
        }
    }
}

//! A network as a list of steps over buffers that are allocated once.
//!
//! tract's plan allocates every result on every run and keeps the constants of the graph. Neither is needed
//! if all operators of an optimized graph are this crate's.

use std::{collections::HashMap, mem, sync::Arc};

use tract_onnx::{
    prelude::{Datum, OutletId, TVec, TypedModel, TypedNode},
    tract_core::ops::{
        change_axes::{AxisOp, IntoShape},
        konst::Const,
        source::TypedSource,
    },
};

use crate::ops::{self, Compute};

/// A network that is ready to run in one thread.
#[derive(Debug)]
pub(crate) struct Program {
    steps: Arc<[Step]>,
    input: View,
    outputs: Arc<[View]>,
    buffers: Vec<Vec<f32>>,
}

/// One operator.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) op: Arc<dyn Compute>,
    inputs: TVec<Operand>,
    output: View,
}

/// What an operator reads.
#[derive(Debug, Clone)]
enum Operand {
    Value(View),
    Constant(Arc<[f32]>),
}

/// The beginning of a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct View {
    buffer: usize,
    length: usize,
}

impl Program {
    /// `None` unless the model has one input and fixed sizes, and every node is one of this crate's
    /// operators, a constant, or a change of shape.
    pub(crate) fn compile(model: &TypedModel) -> Option<Self> {
        let order = model.eval_order().ok()?;
        let mut allocator = BufferAllocator::of(model, &order)?;
        let mut steps = Vec::new();
        for (position, id) in order.iter().enumerate() {
            let node = model.node(*id);
            if node.op_is::<TypedSource>() {
                allocator.write(*id)?;
            } else if let Some(op) = ops::compute(&*node.op) {
                let inputs = node.inputs.iter().map(|input| allocator.read(*input));
                let inputs = inputs.collect::<Option<_>>()?;
                let output = allocator.write(*id)?;
                steps.push(Step { op, inputs, output });
            } else if !node.op_is::<Const>() && !is_reshape(node) {
                return None;
            }
            allocator.free(node, position);
        }
        let view = |outlet: &OutletId| allocator.view(*outlet);
        let [input] = model.input_outlets().ok()? else {
            return None;
        };
        let outputs = model.output_outlets().ok()?;
        Some(Self {
            steps: steps.into(),
            input: view(input)?,
            outputs: outputs.iter().map(view).collect::<Option<_>>()?,
            buffers: allocator
                .lengths
                .iter()
                .map(|length| vec![0.0; *length])
                .collect(),
        })
    }

    /// The same network with its own buffers, for another thread.
    pub(crate) fn duplicate(&self) -> Self {
        Self {
            steps: self.steps.clone(),
            input: self.input,
            outputs: self.outputs.clone(),
            buffers: self
                .buffers
                .iter()
                .map(|buffer| vec![0.0; buffer.len()])
                .collect(),
        }
    }

    pub(crate) fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The input, which still holds the values of the previous run.
    pub(crate) fn input(&mut self) -> &mut [f32] {
        &mut self.buffers[self.input.buffer][..self.input.length]
    }

    /// The outputs of the last run.
    pub(crate) fn outputs(&self) -> impl Iterator<Item = &[f32]> {
        self.outputs.iter().map(|view| self.values(*view))
    }

    fn values(&self, View { buffer, length }: View) -> &[f32] {
        &self.buffers[buffer][..length]
    }

    /// Runs all steps.
    pub(crate) fn run(&mut self) {
        for step in 0..self.steps.len() {
            self.run_step(step);
        }
    }

    /// Runs one step; all steps before it must have run.
    pub(crate) fn run_step(&mut self, step: usize) {
        let steps = self.steps.clone();
        let Step { op, inputs, output } = &steps[step];
        // No operator reads the buffer it writes to.
        let mut to = mem::take(&mut self.buffers[output.buffer]);
        let mut values: TVec<&[f32]> = TVec::new();
        for input in inputs {
            values.push(match input {
                Operand::Value(view) => self.values(*view),
                Operand::Constant(values) => values,
            });
        }
        ops::eval(&**op, &values, &mut to[..output.length]);
        drop(values);
        self.buffers[output.buffer] = to;
    }
}

/// Assigns a buffer to each value while steps are added in order.
struct BufferAllocator<'m> {
    model: &'m TypedModel,
    /// For each node: the node whose result it passes on, possibly with another shape.
    origins: HashMap<usize, usize>,
    /// For each node that is passed on: the position of its last reader.
    last_reads: HashMap<usize, usize>,
    views: HashMap<usize, View>,
    /// The length of each buffer, in values.
    lengths: Vec<usize>,
    free: Vec<usize>,
}

impl<'m> BufferAllocator<'m> {
    fn of(model: &'m TypedModel, order: &[usize]) -> Option<Self> {
        let mut origins = HashMap::new();
        let mut last_reads = HashMap::new();
        for (position, id) in order.iter().enumerate() {
            let node = model.node(*id);
            let mut origin = *id;
            if is_reshape(node) {
                origin = *origins.get(&node.inputs[0].node)?;
            }
            origins.insert(*id, origin);
            for input in &node.inputs {
                last_reads.insert(*origins.get(&input.node)?, position);
            }
        }
        // The input is kept from run to run, and outputs are read after the run.
        for outlet in [model.input_outlets().ok()?, model.output_outlets().ok()?].concat() {
            last_reads.insert(*origins.get(&outlet.node)?, usize::MAX);
        }
        Some(Self {
            model,
            origins,
            last_reads,
            views: HashMap::new(),
            lengths: Vec::new(),
            free: Vec::new(),
        })
    }

    /// Where a value is stored.
    fn view(&self, outlet: OutletId) -> Option<View> {
        self.views.get(self.origins.get(&outlet.node)?).copied()
    }

    /// The operand for an input of an operator.
    fn read(&self, outlet: OutletId) -> Option<Operand> {
        if let Some(view) = self.view(outlet) {
            return Some(Operand::Value(view));
        }
        let constant = self
            .model
            .node(*self.origins.get(&outlet.node)?)
            .op_as::<Const>()?;
        let values = constant.val().try_as_plain_ram().ok()?.as_slice::<f32>().ok()?;
        Some(Operand::Constant(values.into()))
    }

    /// Finds a buffer for the result of a node: the smallest free one that is large enough, or else the
    /// largest, which grows.
    fn write(&mut self, node: usize) -> Option<View> {
        let fact = &self.model.node(node).outputs[0].fact;
        let length = fact.shape.as_concrete()?.iter().product();
        if fact.datum_type != f32::datum_type() {
            return None;
        }
        let lengths = &self.lengths;
        let (large, small): (Vec<_>, Vec<_>) =
            self.free.iter().partition(|buffer| lengths[**buffer] >= length);
        let best = large
            .into_iter()
            .min_by_key(|buffer| lengths[*buffer])
            .or_else(|| small.into_iter().max_by_key(|buffer| lengths[*buffer]));
        let buffer = best.unwrap_or_else(|| {
            self.lengths.push(0);
            self.lengths.len() - 1
        });
        self.free.retain(|free| *free != buffer);
        self.lengths[buffer] = self.lengths[buffer].max(length);
        let view = View { buffer, length };
        self.views.insert(node, view);
        Some(view)
    }

    /// Frees the buffers that the node at this position is the last to read.
    fn free(&mut self, node: &TypedNode, position: usize) {
        for input in &node.inputs {
            let is_last = self
                .origins
                .get(&input.node)
                .is_some_and(|origin| self.last_reads.get(origin) == Some(&position));
            if let Some(view) = self.view(*input).filter(|_| is_last)
                && !self.free.contains(&view.buffer)
            {
                self.free.push(view.buffer);
            }
        }
    }
}

/// Whether a node changes only the shape.
fn is_reshape(node: &TypedNode) -> bool {
    node.op_is::<IntoShape>()
        || matches!(
            node.op_as::<AxisOp>(),
            Some(AxisOp::Add(_) | AxisOp::Rm(_) | AxisOp::Reshape(..))
        )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use tract_onnx::{
        prelude::{DatumExt as _, Tensor},
        tract_core::ops::math,
        tract_hir::internal::SpecialOps as _,
    };

    use super::*;
    use crate::{
        kernel::SimdLevel,
        ops::{Combination, Combine, Elementwise, Function, TractOp},
        testing::{noise, run, values},
    };

    fn map(function: Function) -> TractOp<Elementwise> {
        let level = SimdLevel::detect();
        TractOp::new(Elementwise { level, function }, &[4_usize, 6][..])
    }

    fn combine(combination: Combination) -> TractOp<Combine> {
        let level = SimdLevel::detect();
        TractOp::new(Combine { level, combination }, &[4_usize, 6][..])
    }

    /// A chain of functions whose first result is read again at the end, and whose last one is reshaped.
    fn model() -> TypedModel {
        let mut model = TypedModel::default();
        let source = model.add_source("source", f32::fact([4, 6])).unwrap();
        let first = model.wire_node("first", map(Function::Tanh), &[source]).unwrap()[0];
        let mut last = first;
        for index in 0..5 {
            let next = map(Function::Scale(1.0 + index as f32));
            last = model.wire_node(format!("map{index}"), next, &[last]).unwrap()[0];
        }
        let constant = model.add_const("constant", noise(&[4, 6], 0.9, 1.0)).unwrap();
        last = model
            .wire_node("product", combine(Combination::Product), &[last, constant])
            .unwrap()[0];
        last = model
            .wire_node("sum", combine(Combination::Sum), &[first, last])
            .unwrap()[0];
        last = model.wire_node("row", AxisOp::Add(0), &[last]).unwrap()[0];
        model.select_output_outlets(&[last, source]).unwrap();
        model
    }

    fn outputs(program: &mut Program, input: &Tensor) -> Vec<Vec<f32>> {
        program.input().copy_from_slice(&values(input));
        program.run();
        program.outputs().map(<[f32]>::to_vec).collect()
    }

    #[test]
    fn a_program_computes_what_tract_does_with_few_buffers() {
        let model = model();
        let mut program = Program::compile(&model).unwrap();
        assert_eq!(program.steps().len(), 8);
        // The input, the first result, and two that alternate.
        assert_eq!(program.buffers.len(), 4);
        for step in [0.37, 0.7] {
            let input = noise(&[4, 6], step, 1.0);
            let expected = values(&run(model.clone(), &input));
            assert_eq!(outputs(&mut program, &input), [expected.clone(), values(&input)]);
            assert_eq!(outputs(&mut program.duplicate(), &input)[0], expected);
        }
    }

    #[test]
    fn a_model_with_an_operator_of_tract_is_not_compiled() {
        let mut model = TypedModel::default();
        let source = model.add_source("source", f32::fact([4, 6])).unwrap();
        let sum = model.wire_node("sum", math::add(), &[source, source]).unwrap();
        model.select_output_outlets(&sum).unwrap();
        assert!(Program::compile(&model).is_none());
    }
}

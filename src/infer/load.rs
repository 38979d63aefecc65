//! Turns an ONNX file into a model that is ready to run.

use std::fs::File;

use tract_onnx::{
    pb::ModelProto,
    prelude::{
        Datum, DatumType, Framework, InferenceFact, InferenceModel, InferenceModelExt, TractError,
        TractResult, TypedModel,
    },
    tract_hir::infer::Factoid,
};

use crate::{
    Arithmetic, OutputInfo,
    kernel::SimdLevel,
    onnx_weights,
    passes::{self, Context},
    profile::IntegerLayers,
    runner::Runner,
};

/// The largest tensor, in bytes. An allocation that fails may end the process, and not only the load.
const MAX_TENSOR: usize = 512 << 20;

/// A model, its outputs in the file's order, and its number of integer layers.
pub(crate) struct Loaded {
    pub(crate) runner: Runner,
    pub(crate) outputs: Vec<OutputInfo>,
    pub(crate) integer_layers: IntegerLayers,
}

/// Parses and optimizes a model whose only input has this shape.
pub(crate) fn load(file: &mut File, shape: &[usize], arithmetic: Arithmetic) -> TractResult<Loaded> {
    let level = SimdLevel::detect();
    let int8 = arithmetic.allows_int8(level);
    // Shapes recorded in the file are for the input size at export, which may differ from ours.
    let onnx = tract_onnx::onnx()
        .with_ignore_output_shapes(true)
        .with_ignore_value_info(true);
    let proto = onnx.proto_model_for_read(file)?;
    let names = output_names(&proto);
    check_axes(&proto)?;
    let model = onnx_weights::parse(&onnx, proto)?;
    check_input(&model, shape)?;
    let mut model = model
        .with_input_fact(0, InferenceFact::dt_shape(f32::datum_type(), shape))?
        .into_typed()?;
    check_sizes(&model)?;
    passes::run_all(&mut model, &Context { level, int8 })?;
    check_sizes(&model)?;
    let outputs = outputs(&model, names)?;
    let integer_layers = IntegerLayers::of(&model);
    let runner = Runner::new(model, shape)?;
    Ok(Loaded {
        runner,
        outputs,
        integer_layers,
    })
}

fn output_names(proto: &ModelProto) -> Vec<String> {
    proto
        .graph
        .iter()
        .flat_map(|graph| &graph.output)
        .map(|output| output.name.clone())
        .collect()
}

/// Rejects axes that no tensor has: tract counts from the axis to the rank, which for LayerNormalization does
/// not terminate.
fn check_axes(proto: &ModelProto) -> TractResult<()> {
    const MAX_RANK: i64 = 64;
    for node in proto.graph.iter().flat_map(|graph| &graph.node) {
        let axes = node
            .attribute
            .iter()
            .filter(|attribute| ["axis", "axes"].contains(&attribute.name.as_str()));
        for axis in axes.flat_map(|attribute| attribute.ints.iter().chain([&attribute.i])) {
            if !(-MAX_RANK..=MAX_RANK).contains(axis) {
                return Err(TractError::msg(format!(
                    "{} {:?} has the axis {axis}",
                    node.op_type, node.name
                )));
            }
        }
    }
    Ok(())
}

fn check_input(model: &InferenceModel, shape: &[usize]) -> TractResult<()> {
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
    Ok(())
}

/// Rejects a model that computes a tensor of more than [`MAX_TENSOR`] bytes, as far as sizes are fixed.
fn check_sizes(model: &TypedModel) -> TractResult<()> {
    for node in model.nodes() {
        for fact in node.outputs.iter().map(|output| &output.fact) {
            let Some(shape) = fact.shape.as_concrete() else {
                continue;
            };
            let bytes = shape
                .iter()
                .try_fold(fact.datum_type.size_of(), |bytes, side| bytes.checked_mul(*side));
            if bytes.is_none_or(|bytes| bytes > MAX_TENSOR) {
                return Err(TractError::msg(format!(
                    "{} {:?} computes {shape:?} of {:?}, and {} MiB are allowed",
                    node.op.name(),
                    node.name,
                    fact.datum_type,
                    MAX_TENSOR >> 20,
                )));
            }
        }
    }
    Ok(())
}

fn outputs(model: &TypedModel, names: Vec<String>) -> TractResult<Vec<OutputInfo>> {
    let mut outputs = Vec::with_capacity(names.len());
    for (index, name) in names.into_iter().enumerate() {
        let fact = model.output_fact(index)?;
        if fact.datum_type != DatumType::F32 {
            return Err(TractError::msg(format!(
                "output {name} holds {:?}, and must hold f32",
                fact.datum_type
            )));
        }
        let Some(shape) = fact.shape.as_concrete() else {
            return Err(TractError::msg(format!(
                "the size of output {name} is not fixed: {:?}",
                fact.shape
            )));
        };
        let shape = shape.to_vec();
        outputs.push(OutputInfo { name, shape });
    }
    Ok(outputs)
}

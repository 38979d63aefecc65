//! Dequantizes the int8 weights of a file before tract parses it.
//!
//! tract would compute the same values with three general operators and a plan for each tensor. The floats
//! are passed directly to the parsed model. If they were written into the file's structures, tract would copy
//! them: a hundred megabytes for a large network.

use std::{
    collections::{HashMap, HashSet},
    mem,
};

use tract_onnx::{
    Onnx,
    pb::{GraphProto, ModelProto, NodeProto, TensorProto, tensor_proto::DataType},
    prelude::{InferenceFact, InferenceModel, Tensor, TractError, TractResult},
    tract_core::ops::konst::Const,
    tract_hir::internal::IntoArcTensor,
};

/// Parses a file, with its weights dequantized. External data files are rejected.
pub(crate) fn parse(onnx: &Onnx, mut file: ModelProto) -> TractResult<InferenceModel> {
    let mut weights = file.graph.as_mut().map(dequantize).unwrap_or_default();
    let parsed = onnx.parse(&file, None)?;
    drop(file);
    let mut model = parsed.model;
    for name in parsed.unresolved_inputs {
        let Some(tensor) = weights.remove(&name) else {
            return Err(TractError::msg(format!(
                "there is no {name:?}, which a node reads"
            )));
        };
        let outlet = parsed.outlets_by_name[&name];
        let tensor = tensor.into_arc_tensor();
        model.set_outlet_fact(outlet, InferenceFact::try_from(&tensor)?)?;
        model.node_mut(outlet.node).op = Box::new(Const::new(tensor)?);
        model.inputs.retain(|input| *input != outlet);
    }
    Ok(model)
}

/// Removes every DequantizeLinear whose inputs are initializers, and the initializers that only these nodes
/// read; returns the dequantized tensors by name. Anything but raw int8 data with f32 scales per tensor or
/// per axis is left to tract.
fn dequantize(graph: &mut GraphProto) -> HashMap<String, Tensor> {
    let mut dequantized = HashMap::new();
    let mut attributes = graph.node.iter().flat_map(|node| &node.attribute);
    // Subgraphs may read any initializer of the graph that contains them.
    if attributes.any(|attribute| attribute.g.is_some() || !attribute.graphs.is_empty()) {
        return dequantized;
    }
    let outputs: HashSet<&str> = graph.output.iter().map(|output| output.name.as_str()).collect();
    let initializers: HashMap<&str, &TensorProto> = graph
        .initializer
        .iter()
        .map(|tensor| (tensor.name.as_str(), tensor))
        .collect();
    let mut removed = HashSet::new();
    for node in mem::take(&mut graph.node) {
        match dequantize_node(&node, &initializers) {
            Some(tensor) if !outputs.contains(node.output[0].as_str()) => {
                dequantized.insert(node.output[0].clone(), tensor);
                removed.extend(node.input);
            }
            _ => graph.node.push(node),
        }
    }
    let read = graph.node.iter().flat_map(|node| &node.input);
    for name in read.chain(graph.output.iter().map(|output| &output.name)) {
        removed.remove(name);
    }
    graph.initializer.retain(|tensor| !removed.contains(&tensor.name));
    // Before IR version 4, initializers are listed as inputs too.
    graph.input.retain(|input| !removed.contains(&input.name));
    dequantized
}

/// The result of a DequantizeLinear, which ONNX defines as `(x - zero_point) * scale`.
fn dequantize_node(node: &NodeProto, initializers: &HashMap<&str, &TensorProto>) -> Option<Tensor> {
    if node.op_type != "DequantizeLinear" || node.output.len() != 1 {
        return None;
    }
    let input = |index: usize| initializers.get(node.input.get(index)?.as_str()).copied();
    let weights = input(0)?;
    let dims: Vec<usize> = weights
        .dims
        .iter()
        .map(|dim| usize::try_from(*dim).ok())
        .collect::<Option<_>>()?;
    let count = dims
        .iter()
        .try_fold(1_usize, |count, dim| count.checked_mul(*dim))?;
    let weights_bytes = bytes(weights, DataType::Int8, count)?;
    let scales = input(1)?;
    let channels = scales.raw_data.len() / size_of::<f32>();
    let scales = bytes(scales, DataType::Float, channels)?;
    let scales = scales.chunks_exact(size_of::<f32>()).map(|scale| {
        // Each chunk has this length.
        f32::from_le_bytes(scale.try_into().unwrap_or_default())
    });
    let zero_points = match node.input.get(2).filter(|name| !name.is_empty()) {
        Some(_) => bytes(input(2)?, DataType::Int8, channels)?.to_vec(),
        None => vec![0; channels],
    };
    let inner = values_per_channel(node, &dims, channels)?;
    let channels: Vec<(f32, f32)> = scales
        .zip(zero_points)
        .map(|(scale, zero_point)| (scale, f32::from(zero_point as i8)))
        .collect();
    // SAFETY: any bit pattern is a valid f32, and every element is written below: the bytes and the tensor
    // both have `count` elements and are chunked alike.
    let mut tensor = unsafe { Tensor::uninitialized::<f32>(&dims).ok()? };
    let mut plain = tensor.try_as_plain_ram_mut().ok()?;
    let to = plain.as_slice_mut::<f32>().ok()?;
    let float = |value: u8, (scale, zero_point): (f32, f32)| (f32::from(value as i8) - zero_point) * scale;
    let repeated = channels.len() * inner;
    for (values, to) in weights_bytes.chunks(repeated).zip(to.chunks_mut(repeated)) {
        if inner == 1 {
            for ((value, to), channel) in values.iter().zip(to).zip(&channels) {
                *to = float(*value, *channel);
            }
        } else {
            for ((values, to), channel) in values.chunks(inner).zip(to.chunks_mut(inner)).zip(&channels) {
                for (value, to) in values.iter().zip(to) {
                    *to = float(*value, *channel);
                }
            }
        }
    }
    Some(tensor)
}

/// How many adjacent values share a scale; `None` if the scales do not match the tensor.
fn values_per_channel(node: &NodeProto, dims: &[usize], channels: usize) -> Option<usize> {
    let attribute = |name: &str| {
        node.attribute
            .iter()
            .find(|attribute| attribute.name == name)
            .map(|attribute| attribute.i)
    };
    if attribute("block_size").is_some_and(|size| size != 0) {
        return None;
    }
    let inner = if channels == 1 {
        dims.iter().product()
    } else {
        let axis = attribute("axis").unwrap_or(1);
        let axis = if axis < 0 { axis + dims.len() as i64 } else { axis };
        let (dim, inner) = dims.get(usize::try_from(axis).ok()?..)?.split_first()?;
        if *dim != channels {
            return None;
        }
        inner.iter().product()
    };
    (inner > 0).then_some(inner)
}

/// The raw data of a tensor, if it has this type and `count` elements.
fn bytes(tensor: &TensorProto, kind: DataType, count: usize) -> Option<&[u8]> {
    let size = if kind == DataType::Float {
        size_of::<f32>()
    } else {
        1
    };
    let whole = tensor.data_type == kind as i32 && tensor.raw_data.len() == count.checked_mul(size)?;
    (whole && count > 0).then_some(tensor.raw_data.as_slice())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use tract_onnx::{
        pb::{AttributeProto, OperatorSetIdProto, ValueInfoProto, attribute_proto::AttributeType},
        prelude::{Framework, InferenceModelExt, IntoRunnable, IntoTensor, tvec},
    };

    use super::*;

    fn tensor(name: &str, dims: &[i64], kind: DataType, raw_data: Vec<u8>) -> TensorProto {
        TensorProto {
            name: name.into(),
            dims: dims.into(),
            data_type: kind as i32,
            raw_data,
            ..TensorProto::default()
        }
    }

    /// A network of one DequantizeLinear, of a [2, 3, 4] tensor with `scales` scales along `axis`, and an
    /// Identity.
    fn file(axis: i64, scales: usize, zeros: bool) -> ModelProto {
        let raw_scales = (1..=scales).flat_map(|n| (n as f32 * 0.37).to_le_bytes());
        let dims: &[i64] = if scales == 1 { &[] } else { &[scales as i64] };
        let mut initializer = vec![
            tensor("w", &[2, 3, 4], DataType::Int8, (0..24).map(|n| n * 11).collect()),
            tensor("scale", dims, DataType::Float, raw_scales.collect()),
        ];
        let mut input = vec!["w".into(), "scale".into()];
        if zeros {
            let zeros = (0..scales).map(|n| n as u8 * 60).collect();
            initializer.push(tensor("zero", dims, DataType::Int8, zeros));
            input.push("zero".into());
        }
        let axis = AttributeProto {
            name: "axis".into(),
            r#type: AttributeType::Int as i32,
            i: axis,
            ..AttributeProto::default()
        };
        let node = NodeProto {
            op_type: "DequantizeLinear".into(),
            input,
            output: vec!["floats".into()],
            attribute: vec![axis],
            ..NodeProto::default()
        };
        let same = NodeProto {
            op_type: "Identity".into(),
            input: vec!["floats".into()],
            output: vec!["y".into()],
            ..NodeProto::default()
        };
        let graph = GraphProto {
            node: vec![node, same],
            initializer,
            output: vec![ValueInfoProto {
                name: "y".into(),
                ..ValueInfoProto::default()
            }],
            ..GraphProto::default()
        };
        ModelProto {
            ir_version: 8,
            opset_import: vec![OperatorSetIdProto {
                domain: String::new(),
                version: 13,
            }],
            graph: Some(graph),
            ..ModelProto::default()
        }
    }

    fn run(model: InferenceModel) -> Tensor {
        let plan = model.into_typed().unwrap().into_runnable().unwrap();
        plan.run(tvec![]).unwrap()[0].clone().into_tensor()
    }

    #[test]
    fn weights_become_the_floats_that_tract_computes() {
        for (axis, scales, zeros) in [(0, 2, true), (1, 3, false), (-1, 4, true), (1, 1, true)] {
            let file = file(axis, scales, zeros);
            let expected = run(Onnx::model_for_proto_model(&tract_onnx::onnx(), &file).unwrap());
            let found = parse(&tract_onnx::onnx(), file).unwrap();
            assert!(
                found.inputs.is_empty() && found.nodes().len() == 2,
                "{axis} {scales}"
            );
            assert_eq!(run(found), expected, "{axis} {scales}");
        }
    }

    #[test]
    fn initializers_with_other_readers_stay() {
        let mut read = file(1, 3, false);
        let graph = read.graph.as_mut().unwrap();
        graph.node.push(NodeProto {
            op_type: "Identity".into(),
            input: vec!["w".into()],
            output: vec!["same".into()],
            ..NodeProto::default()
        });
        for name in ["w", "scale"] {
            graph.input.push(ValueInfoProto {
                name: name.into(),
                ..ValueInfoProto::default()
            });
        }
        assert_eq!(dequantize(graph).len(), 1);
        let names: Vec<&str> = graph.input.iter().map(|input| input.name.as_str()).collect();
        assert_eq!(names, ["w"]);
        let names: Vec<&str> = graph
            .initializer
            .iter()
            .map(|tensor| tensor.name.as_str())
            .collect();
        assert_eq!(names, ["w"]);
    }

    #[test]
    fn a_missing_initializer_is_an_error() {
        let mut lost = file(1, 3, false);
        lost.graph.as_mut().unwrap().initializer.clear();
        let error = parse(&tract_onnx::onnx(), lost).unwrap_err();
        assert!(error.to_string().starts_with("there is no "), "{error}");
    }

    #[test]
    fn other_forms_are_left_to_tract() {
        let within = AttributeProto {
            name: "body".into(),
            g: Some(GraphProto::default()),
            ..AttributeProto::default()
        };
        let left = |change: &dyn Fn(&mut GraphProto)| {
            let mut graph = file(1, 3, true).graph.unwrap();
            change(&mut graph);
            assert!(dequantize(&mut graph).is_empty());
            assert_eq!((graph.node.len(), graph.initializer.len()), (2, 3));
        };
        left(&|graph| graph.initializer[0].dims[1] = 2);
        left(&|graph| graph.initializer[0].dims = vec![i64::MAX, i64::MAX, i64::MAX]);
        left(&|graph| graph.initializer[0].dims[0] = -2);
        left(&|graph| graph.initializer[0].data_type = DataType::Uint8 as i32);
        left(&|graph| graph.initializer[0].raw_data.clear());
        left(&|graph| graph.initializer[1].raw_data.truncate(7));
        left(&|graph| graph.initializer[2].raw_data.truncate(2));
        left(&|graph| graph.node[0].attribute[0].i = 5);
        left(&|graph| graph.node[0].input[0] = "elsewhere".into());
        left(&|graph| graph.node[0].attribute[0].name = "block_size".into());
        left(&|graph| graph.output[0].name = "floats".into());
        left(&|graph| graph.node[1].attribute.push(within.clone()));
    }
}

//! Networks that load, and then panic or need too much memory when they run. Their files are written here,
//! field by field.
#![allow(clippy::unwrap_used)]

use std::{fs, path::Path};

use tempfile::TempDir;

use crate::{
    error::{Exit, ExitClass as _, chain},
    model::{GoldenFile, Manifest, Registry, Sha256},
};

/// The tiny network whose manifest is used: an input of 1 x 16 x 16 x 3.
const TINY: &str = "tiny-va";
const INPUTS: usize = 16 * 16 * 3;

const FLOAT: u64 = 1;
const INT64: u64 = 7;

fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value > 127 {
        bytes.push(value as u8 | 128);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

/// A field of a message that holds a number.
fn number(field: u64, value: u64) -> Vec<u8> {
    [varint(field << 3), varint(value)].concat()
}

/// A field that holds text, bytes or another message.
fn bytes(field: u64, value: impl AsRef<[u8]>) -> Vec<u8> {
    let value = value.as_ref();
    [varint(field << 3 | 2), varint(value.len() as u64), value.to_vec()].concat()
}

/// An operator with one integer attribute.
fn node(operator: &str, inputs: &[&str], output: &str, attribute: (&str, u64)) -> Vec<u8> {
    let attribute = [bytes(1, attribute.0), number(3, attribute.1), number(20, 2)].concat();
    let inputs: Vec<u8> = inputs.iter().flat_map(|input| bytes(1, input)).collect();
    [inputs, bytes(2, output), bytes(4, operator), bytes(5, attribute)].concat()
}

/// A constant with one dimension.
fn constant(name: &str, data_type: u64, values: &[u64]) -> Vec<u8> {
    let values: Vec<u8> = match data_type {
        FLOAT => values
            .iter()
            .flat_map(|value| (*value as f32).to_le_bytes())
            .collect(),
        _ => values.iter().flat_map(|value| value.to_le_bytes()).collect(),
    };
    let length = values.len() as u64 / if data_type == FLOAT { 4 } else { 8 };
    [
        number(1, length),
        number(2, data_type),
        bytes(8, name),
        bytes(9, values),
    ]
    .concat()
}

/// An input or output of floats.
fn value(name: &str, shape: &[u64]) -> Vec<u8> {
    let shape: Vec<u8> = shape.iter().flat_map(|side| bytes(1, number(1, *side))).collect();
    let tensor = [number(1, FLOAT), bytes(2, shape)].concat();
    [bytes(1, name), bytes(2, bytes(1, tensor))].concat()
}

/// A network from `x` to `y`.
fn network(nodes: &[Vec<u8>], constants: &[Vec<u8>]) -> Vec<u8> {
    let mut graph: Vec<u8> = nodes.iter().flat_map(|node| bytes(1, node)).collect();
    graph.extend(bytes(2, "graph"));
    graph.extend(constants.iter().flat_map(|constant| bytes(5, constant)));
    graph.extend(bytes(11, value("x", &[1, 16, 16, 3])));
    graph.extend(bytes(12, value("y", &[1, 3])));
    [number(1, 8), bytes(8, number(2, 13)), bytes(7, graph)].concat()
}

/// Looks up the entries of a table of three with indices that are 1000 or more.
fn out_of_bounds() -> Vec<u8> {
    network(
        &[
            node("Add", &["x", "k"], "sum", ("unused", 0)),
            node("Cast", &["sum"], "index", ("to", INT64)),
            node("Gather", &["table", "index"], "y", ("axis", 0)),
        ],
        &[
            constant("k", FLOAT, &[1000]),
            constant("table", FLOAT, &[1, 2, 3]),
        ],
    )
}

/// Pads each side of a picture by this number of pixels, and sums up the result.
fn padded(pixels: u64) -> Vec<u8> {
    network(
        &[
            node("Pad", &["x", "pads"], "wide", ("unused", 0)),
            node("ReduceSum", &["wide", "axes"], "y", ("keepdims", 0)),
        ],
        &[
            constant("pads", INT64, &[0, pixels, pixels, 0, 0, pixels, pixels, 0]),
            constant("axes", INT64, &[1, 2]),
        ],
    )
}

/// A manifest of these bytes, with one golden vector that has `outputs` outputs, or with none.
fn manifest(folder: &Path, network: &[u8], outputs: Option<usize>) -> Manifest {
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/models");
    let mut manifest = Registry::open(&models).unwrap().find(TINY).unwrap();
    let written = |name: &str, bytes: &[u8]| {
        let path = folder.join(name);
        fs::write(&path, bytes).unwrap();
        let digest = Sha256::of_file(&path, 1 << 20).unwrap();
        (path, digest)
    };
    (manifest.file, manifest.sha256) = written("made.onnx", network);
    manifest.golden = outputs.map(|outputs| {
        let mut vector = 1_u32.to_le_bytes().to_vec();
        vector.extend([0_u8; 4].repeat(INPUTS + outputs));
        let (path, sha256) = written("made.golden", &vector);
        GoldenFile {
            path,
            sha256,
            count: 1,
            tolerance: 0.02,
        }
    });
    manifest
}

/// The message of a load that must fail with the exit code for a bad file.
fn refusal(network: &[u8], outputs: Option<usize>) -> String {
    let folder = TempDir::new().unwrap();
    let error = manifest(folder.path(), network, outputs).load().unwrap_err();
    assert_eq!(error.exit(), Exit::Input, "{error}");
    let message = chain(&error);
    assert!(
        message.contains("made.onnx") && !message.contains('\n'),
        "{message}"
    );
    message
}

#[test]
fn a_written_network_is_usable() {
    let folder = TempDir::new().unwrap();
    for outputs in [None, Some(3)] {
        let verified = manifest(folder.path(), &padded(1), outputs).load().unwrap();
        assert_eq!(verified.difference, outputs.map(|_| 0.0));
    }
}

#[test]
fn a_network_that_panics_when_it_runs_is_refused() {
    for outputs in [None, Some(INPUTS)] {
        let message = refusal(&out_of_bounds(), outputs);
        assert!(
            message.contains("the network panicked: index out of bounds"),
            "{message}"
        );
    }
}

#[test]
fn a_network_that_needs_absurd_memory_is_refused_before_it_runs() {
    // 512 MiB are exceeded by 3 x 4 bytes for each of 6704 x 6704 pixels, and the process may not end.
    for pixels in [3344, 100_000] {
        let message = refusal(&padded(pixels), Some(3));
        assert!(message.contains("and 512 MiB are allowed"), "{message}");
    }
}

//! The tiny networks of tests/data/models, whose golden vectors ONNX Runtime computed.
#![allow(clippy::unwrap_used)]

use std::{fs, path::PathBuf};

use super::*;
use crate::model::{GoldenFile, Kind, Registry, Sha256};

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/models")
}

/// A copy of a manifest whose golden file is `bytes`.
fn with_golden(name: &str, bytes: &[u8], tolerance: f32) -> (tempfile::NamedTempFile, Manifest) {
    let mut manifest = Registry::open(&folder()).unwrap().find(name).unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), bytes).unwrap();
    manifest.golden = Some(GoldenFile {
        path: file.path().to_owned(),
        sha256: Sha256::of_file(file.path(), 1 << 20).unwrap(),
        count: 2,
        tolerance,
    });
    (file, manifest)
}

#[test]
fn numbers_are_those_of_onnx_runtime() {
    // tiny-combined stores 8-bit weights (per channel and per tensor, signed and unsigned) behind
    // DequantizeLinear, so its activations may be quantized to 8 bits too; the others' numbers are the same
    // up to the order of summation.
    for (name, bound) in [("tiny-combined", 0.01), ("tiny-seven", 2e-5), ("tiny-va", 2e-5)] {
        let verified = Registry::open(&folder())
            .unwrap()
            .find(name)
            .unwrap()
            .load()
            .unwrap();
        let difference = verified.difference.unwrap();
        assert!(difference < bound, "{name}: {difference}");
    }
}

#[test]
fn a_network_that_computes_something_else_is_refused() {
    let mut bytes = fs::read(folder().join("tiny-va.golden")).unwrap();
    let last = bytes.len() - 4;
    let score = f32::from_le_bytes(bytes[last..].try_into().unwrap());
    bytes[last..].copy_from_slice(&(score + 0.1).to_le_bytes());
    let unit = bytes[last - 4..]
        .as_chunks::<4>()
        .0
        .iter()
        .fold(1.0, |unit: f32, score| unit.max(f32::from_le_bytes(*score).abs()));
    let (_file, manifest) = with_golden("tiny-va", &bytes, 0.05 / unit);
    match manifest.load() {
        Err(ModelError::Mismatch {
            vector: 1,
            difference,
            ..
        }) => assert!((difference - 0.1 / unit).abs() < 1e-3),
        other => panic!("{other:?}"),
    }
    let (_file, manifest) = with_golden("tiny-va", &bytes, 0.15 / unit);
    assert!((manifest.load().unwrap().difference.unwrap() - 0.1 / unit).abs() < 1e-3);
}

#[test]
fn golden_vectors_of_another_length_are_refused() {
    let bytes = fs::read(folder().join("tiny-va.golden")).unwrap();
    let (_file, manifest) = with_golden("tiny-seven", &bytes, 0.05);
    assert!(matches!(manifest.load(), Err(ModelError::Golden { .. })));
}

#[test]
fn changed_bytes_are_found_before_the_network_is_loaded() {
    let copy = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(folder()).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
    }
    let load = || {
        Registry::open(copy.path())
            .unwrap()
            .find("tiny-va")
            .unwrap()
            .load()
    };
    load().unwrap();
    for file in ["tiny-va.onnx", "tiny-va.golden"] {
        let path = copy.path().join(file);
        let whole = fs::read(&path).unwrap();
        for changed in [&whole[..whole.len() / 2], &[&whole[..], b"x"].concat()] {
            fs::write(&path, changed).unwrap();
            match load() {
                Err(ModelError::Hash { path: named, .. }) => assert_eq!(named, path),
                other => panic!("{other:?}"),
            }
        }
        fs::remove_file(&path).unwrap();
        assert!(matches!(load(), Err(ModelError::Read { .. })));
        fs::write(&path, &whole).unwrap();
    }
    load().unwrap();
}

#[test]
fn an_output_that_the_network_has_not_got_is_refused() {
    let mut manifest = Registry::open(&folder()).unwrap().find("tiny-va").unwrap();
    let Kind::Expression(expression) = &mut manifest.kind else {
        panic!()
    };
    expression.valence_arousal.as_mut().unwrap().arousal = 2;
    match manifest.load() {
        Err(ModelError::Outputs {
            index: 2,
            available: 2,
            ..
        }) => (),
        other => panic!("{other:?}"),
    }
}

#[test]
fn pipes_and_devices_are_not_read() {
    let mut manifest = Registry::open(&folder()).unwrap().find("tiny-va").unwrap();
    manifest.file = "/dev/zero".into();
    let error = crate::error::chain(&manifest.load().unwrap_err());
    assert_eq!(error, "cannot read /dev/zero: it is a device, not a regular file");
}

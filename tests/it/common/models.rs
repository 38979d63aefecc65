//! A folder of models for tests: the shipped detectors, and a tiny expression network, which is fast but not
//! trained.

use std::{fs, path::Path};

use tempfile::TempDir;

/// Manifest name of the tiny network.
pub const TINY: &str = "tiny-combined";

/// A new folder with copies of the detectors and the tiny network.
pub fn folder() -> TempDir {
    let folder = TempDir::new().unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for file in [
        "centerface.toml",
        "centerface.onnx",
        "blazeface.toml",
        "blazeface.onnx",
    ] {
        fs::copy(root.join("models").join(file), folder.path().join(file)).unwrap();
    }
    for end in ["toml", "onnx", "golden"] {
        let file = format!("{TINY}.{end}");
        fs::copy(
            root.join("tests/data/models").join(&file),
            folder.path().join(file),
        )
        .unwrap();
    }
    folder
}

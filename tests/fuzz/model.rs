//! The files of a model.

use std::path::Path;

use affectd::{
    config::Origin,
    model::{Golden, Manifest},
    text,
};
use affectd_infer::{Arithmetic, Network};

use crate::{memory_file::MemoryFile, target::fuzz};

/// The input shapes of the networks in the corpus.
const SHAPES: [[usize; 4]; 3] = [[1, 3, 16, 16], [1, 1, 16, 16], [1, 16, 16, 3]];

/// An ONNX network, with or without int8 weights. A network that loads can also be run.
#[test]
fn onnx() {
    fuzz("model__onnx", |bytes| {
        let file = MemoryFile::new(bytes);
        let load = |shape: &[usize; 4], arithmetic| Network::load(file.path(), shape, arithmetic).ok();
        let Some((shape, floats)) = SHAPES
            .iter()
            .find_map(|shape| Some((shape, load(shape, Arithmetic::Floats)?)))
        else {
            return;
        };
        for mut network in [floats]
            .into_iter()
            .chain(load(shape, Arithmetic::IntegersIfFastForFewChannels))
        {
            let _ = network.run(
                |input| input.fill(0.5),
                |outputs| {
                    for output in outputs {
                        assert_eq!(output.data.len(), output.shape.iter().product::<usize>());
                    }
                },
            );
        }
    });
}

#[test]
fn manifest() {
    fuzz("model__manifest", |bytes| {
        let text = String::from_utf8_lossy(bytes);
        match Manifest::parse(Path::new("tiny-combined.toml"), &text) {
            Ok(manifest) => {
                assert!(manifest.file.is_relative() && !manifest.file.to_string_lossy().contains(".."));
                assert!(manifest.input.std.iter().all(|std| *std > 0.0));
            }
            Err(diagnostic) => {
                let Origin::File(_, line) = diagnostic.origin else {
                    panic!("{diagnostic}")
                };
                assert!(line >= 1 && line <= text.split('\n').count());
                assert!(!diagnostic.to_string().contains(text::is_unsafe));
            }
        }
    });
}

/// Golden vectors; the first three bytes replace the sizes in the manifest.
#[test]
fn golden_vectors() {
    fuzz("model__golden_vectors", |bytes| {
        let Some((sizes, file)) = bytes.split_first_chunk::<3>() else {
            return;
        };
        let [count, inputs, outputs] = sizes.map(|size| usize::from(size % 8));
        if let Ok(golden) = Golden::parse(file, count, inputs, outputs) {
            assert_eq!(file.len(), 4 + 4 * count * (inputs + outputs));
            assert_eq!(golden.vectors.len(), count);
            assert!(golden.vectors.iter().all(|vector| vector.input.len() == inputs));
        }
    });
}

//! Loading never panics, whatever a manifest or a file of golden vectors contains.

use std::path::Path;

use affectd::{
    config::Origin,
    model::{Golden, Manifest},
};

const WHOLE: &str = include_str!("../data/models/tiny-combined.toml");

#[test]
fn manifest() {
    let path = Path::new("tiny-combined.toml");
    bolero::check!()
        .with_type::<(u16, u16, Vec<u8>)>()
        .for_each(|(from, length, bytes)| {
            // Random bytes alone rarely get past the first line, so they replace part of a valid manifest.
            let from = usize::from(*from) % WHOLE.len();
            let to = (from + usize::from(*length) % 64).min(WHOLE.len());
            let text = [&WHOLE.as_bytes()[..from], bytes, &WHOLE.as_bytes()[to..]].concat();
            let text = String::from_utf8_lossy(&text);
            match Manifest::parse(path, &text) {
                Ok(manifest) => {
                    assert!(manifest.file.is_relative() && !manifest.file.to_string_lossy().contains(".."));
                    assert!(manifest.input.std.iter().all(|std| *std > 0.0));
                }
                Err(diagnostic) => {
                    let Origin::File(_, line) = diagnostic.origin else {
                        panic!("{diagnostic}")
                    };
                    assert!(line >= 1 && line <= text.split('\n').count());
                    assert!(!diagnostic.to_string().contains(affectd::text::is_unsafe));
                }
            }
        });
}

#[test]
fn manifest_from_anything() {
    bolero::check!().for_each(|bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        assert!(Manifest::parse(Path::new("m.toml"), &text).is_err());
    });
}

#[test]
fn golden_vectors() {
    bolero::check!()
        .with_type::<(u8, u8, u8, Vec<u8>)>()
        .for_each(|(count, inputs, outputs, bytes)| {
            let (count, inputs, outputs) = (
                usize::from(*count % 4),
                usize::from(*inputs % 4),
                usize::from(*outputs % 4),
            );
            // With the right count, the length decides.
            let file = [&(count as u32).to_le_bytes()[..], bytes].concat();
            let _ = Golden::parse(bytes, count, inputs, outputs);
            if let Ok(golden) = Golden::parse(&file, count, inputs, outputs) {
                assert_eq!(bytes.len(), 4 * count * (inputs + outputs));
                assert_eq!(golden.vectors.len(), count);
                assert!(golden.vectors.iter().all(|vector| vector.input.len() == inputs));
            }
        });
}

//! Shared by all targets.

use std::panic::RefUnwindSafe;
#[cfg(not(fuzzing_libfuzzer))]
use std::{fs, path::Path};

/// The longest input, bytes; bolero's default would cut off the networks of the corpus. The same as in
/// run.py.
const MAX_LENGTH: usize = 16_384;

/// Runs `check` on the corpus of `target` (`__fuzz__/TARGET/corpus`; fixed findings are in
/// `__fuzz__/TARGET/crashes`), on damaged copies of it and on random bytes. When guided by coverage,
/// libFuzzer decides what to run, and this function does not return.
pub fn fuzz(target: &str, check: impl Fn(&[u8]) + RefUnwindSafe) {
    #[cfg(not(fuzzing_libfuzzer))]
    damaged(target, &check);
    bolero::check!(name = target)
        .with_iterations(2000)
        .with_max_len(MAX_LENGTH)
        .for_each(|bytes: &[u8]| check(bytes));
}

/// Random bytes rarely get past the first check of a format, but corpus files with some changed bytes do.
#[cfg(not(fuzzing_libfuzzer))]
fn damaged(target: &str, check: &(impl Fn(&[u8]) + RefUnwindSafe)) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("__fuzz__/{target}/corpus"));
    let files = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let corpus: Vec<_> = files
        .map(|file| fs::read(file.unwrap().path()).unwrap())
        .collect();
    bolero::check!()
        .with_type::<(u8, Vec<(u16, u8)>, Option<u16>)>()
        .with_iterations(1000)
        .for_each(|(index, changes, end)| {
            let mut bytes = corpus[usize::from(*index) % corpus.len()].clone();
            let length = bytes.len().max(1);
            for (at, value) in changes {
                if let Some(byte) = bytes.get_mut(usize::from(*at) % length) {
                    *byte = *value;
                }
            }
            if let Some(end) = end {
                bytes.truncate(usize::from(*end) % length);
            }
            check(&bytes);
        });
}

//! Verification of models: checksum, golden vectors, run time.

use std::{
    io::Write,
    path::Path,
    time::{Duration, Instant},
};

use affectd_infer::{IntegerLayers, SimdLevel};

use crate::{
    config::ModelName,
    error::{Failure, Unwritable, chain},
    model::{Kind, Manifest, ModelError, Registry, Verified},
    text::sanitized,
};

/// Maximum number of timed runs. The fastest is reported, because the machine may be busy with other work.
const MAX_RUNS: u32 = 20;

/// No further run is started after this time, which limits the wait on slow and emulated boards.
const TIME_LIMIT: Duration = Duration::from_secs(2);

/// Verifies the named models of a folder, or all of them. Writes one line about the kernels in use on this
/// processor, then a few lines for each model.
///
/// All models are checked, even if one fails; the first failure determines the exit code.
///
/// # Errors
/// [`crate::error::Exit::Input`] if a model cannot be used.
pub fn verify(models: &Path, names: &[String], out: &mut dyn Write) -> Result<(), Failure> {
    let registry = Registry::open(models)?;
    let all: Vec<&str> = if names.is_empty() {
        registry.names().iter().map(ModelName::as_str).collect()
    } else {
        names.iter().map(String::as_str).collect()
    };
    writeln!(out, "{}", SimdLevel::detect().describe()).map_err(Unwritable)?;
    let mut failure = None;
    for name in all {
        let line = match registry.find(name).and_then(|manifest| describe(&manifest)) {
            Ok(line) => line,
            Err(error) => {
                let line = format!("{}: FAILED: {}", sanitized(name, 64), chain(&error));
                failure.get_or_insert(error);
                line
            }
        };
        writeln!(out, "{line}").map_err(Unwritable)?;
    }
    failure.map_or(Ok(()), |error| Err(error.into()))
}

/// Loads a model, times it, and describes it: a line of findings, its accuracy and its provenance.
fn describe(manifest: &Manifest) -> Result<String, ModelError> {
    let started = Instant::now();
    let Verified {
        mut network,
        difference,
    } = manifest.load()?;
    let loading = started.elapsed();
    let mut fastest = Duration::MAX;
    let start = Instant::now();
    for _ in 0..MAX_RUNS {
        let started = Instant::now();
        network.run(|_| (), |_| ())?;
        fastest = fastest.min(started.elapsed());
        if start.elapsed() > TIME_LIMIT {
            break;
        }
    }
    let golden = match (&manifest.golden, difference) {
        (Some(golden), Some(difference)) => format!(
            "{} golden vectors differ by at most {difference:.6} ({} allowed)",
            golden.count, golden.tolerance
        ),
        _ => "no golden vectors".to_owned(),
    };
    let mut text = format!(
        "{} {}: SHA-256 {} as expected; {golden}; {}; loaded in {:.2} s; {:.2} ms a run; {}",
        manifest.name,
        manifest.version,
        manifest.sha256,
        arithmetic(network.integer_layers()),
        loading.as_secs_f64(),
        fastest.as_secs_f64() * 1e3,
        manifest.licence,
    );
    if let Kind::Expression(expression) = &manifest.kind {
        let measured = expression.measured.as_ref().map(ToString::to_string);
        let measured = measured.unwrap_or_else(|| "not measured".to_owned());
        let va = expression.va_origin().name();
        text.push_str(&format!("\n  accuracy: {measured}\n  valence and arousal: {va}"));
    }
    text.push_str(&format!("\n  provenance: {}", manifest.provenance));
    Ok(text)
}

/// The arithmetic of the network's layers.
fn arithmetic(layers: IntegerLayers) -> String {
    match layers {
        IntegerLayers { int8: 0, int16: 0 } => "floating point".to_owned(),
        IntegerLayers { int8, int16: 0 } => format!("{int8} layers in 8-bit integers"),
        IntegerLayers { int8: 0, int16 } => format!("{int16} layers in 16-bit integers"),
        IntegerLayers { int8, int16 } => format!("{int8} layers in 8-bit and {int16} in 16-bit integers"),
    }
}

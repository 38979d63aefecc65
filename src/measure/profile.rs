//! `affectd bench --profile`: where the networks' time goes, by kind of operator.

use std::io::{self, Write};

use affectd_infer::{OperatorTime, Peak, SimdLevel};
use serde_json::json;

use super::table;
use crate::{
    config::Settings,
    error::{Exit, Failure},
    model::Catalogue,
};

/// Runs of each network, of which each operator's fastest counts.
const RUNS: u32 = 20;

/// A network's operators by kind.
struct Profile {
    name: String,
    kinds: Vec<OperatorTime>,
}

/// Profiles the networks that the settings name, and writes a table for each or one JSON object.
///
/// # Errors
/// [`Failure`] when a model is unusable or fails, or `out` cannot be written.
pub fn profile(settings: &Settings, json: bool, out: &mut dyn Write) -> Result<(), Failure> {
    let catalogue =
        Catalogue::open(&settings.models_dir()?).map_err(|error| Failure::new(Exit::Input, error))?;
    let names = [
        &settings.expression.model,
        &settings.detect.model,
        &settings.detect.follow_model,
    ];
    let mut profiles = Vec::new();
    for name in names {
        let manifest = catalogue
            .find(name)
            .map_err(|error| Failure::new(Exit::Input, error))?;
        let verified = manifest
            .load()
            .map_err(|error| Failure::new(Exit::Input, error))?;
        let mut network = verified.network;
        let kinds = network
            .profile(RUNS)
            .map_err(|error| Failure::new(Exit::Software, error))?;
        profiles.push(Profile {
            name: name.clone(),
            kinds,
        });
    }
    let peak = SimdLevel::detect().peak();
    let written = if json {
        write_json(out, &profiles, peak)
    } else {
        write_text(out, &profiles, peak)
    };
    written.map_err(|error| Failure::new(Exit::Software, error))
}

/// Thousand millions of products a second that the kind reaches, and their share of the peak.
fn reached(kind: &OperatorTime, peak: Peak) -> Option<(f64, f64)> {
    let seconds = kind.time.as_secs_f64();
    let (floats, integers) = (kind.float_macs as f64, kind.integer_macs as f64);
    let least = floats / peak.floats + integers / peak.integers;
    (floats + integers > 0.0 && seconds > 0.0).then(|| ((floats + integers) / seconds / 1e9, least / seconds))
}

fn write_text(out: &mut dyn Write, profiles: &[Profile], peak: Peak) -> io::Result<()> {
    writeln!(out, "{}", SimdLevel::detect().describe())?;
    writeln!(
        out,
        "at most {:.0} thousand million products of floats and {:.0} of integers a second in one thread",
        peak.floats / 1e9,
        peak.integers / 1e9
    )?;
    for Profile { name, kinds } in profiles {
        let total: f64 = kinds.iter().map(|kind| table::milliseconds(kind.time)).sum();
        writeln!(
            out,
            "\n{name}: {total:.2} ms in operators, each at its fastest of {RUNS} runs"
        )?;
        writeln!(
            out,
            "{:<24}{:>6}{:>10}{:>8}{:>10}{:>10}",
            "operator", "count", "ms", "share", "GOPS", "of peak"
        )?;
        for kind in kinds {
            let milliseconds = table::milliseconds(kind.time);
            write!(
                out,
                "{:<24}{:>6}{milliseconds:>10.3}{:>7.1}%",
                kind.name,
                kind.count,
                milliseconds / total * 100.0
            )?;
            match reached(kind, peak) {
                Some((gops, share)) => writeln!(out, "{:>10.1}{:>9.0}%", gops * 2.0, share * 100.0)?,
                None => writeln!(out)?,
            }
        }
    }
    Ok(())
}

fn write_json(out: &mut dyn Write, profiles: &[Profile], peak: Peak) -> io::Result<()> {
    let networks: Vec<_> = profiles
        .iter()
        .map(|profile| {
            let operators: Vec<_> = profile
                .kinds
                .iter()
                .map(|kind| {
                    json!({
                        "operator": kind.name,
                        "count": kind.count,
                        "ms": table::milliseconds(kind.time),
                        "float_products": kind.float_macs,
                        "integer_products": kind.integer_macs,
                        "gops": reached(kind, peak).map(|(gops, _)| gops * 2.0),
                        "of_peak": reached(kind, peak).map(|(_, share)| share),
                    })
                })
                .collect();
            json!({ "name": profile.name, "operators": operators })
        })
        .collect();
    let object = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "kernels": SimdLevel::detect().describe(),
        "peak_float_products": peak.floats,
        "peak_integer_products": peak.integers,
        "networks": networks,
    });
    writeln!(out, "{object}")
}

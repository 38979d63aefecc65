//! The time spent in the networks, by kind of operator.

use std::io::{self, Write};

use affectd_infer::{OperatorTime, Peak, SimdLevel};
use serde_json::json;

use super::table;
use crate::{
    config::Settings,
    error::{Failure, Unwritable},
    model::Registry,
};

/// Number of runs of each network; the fastest run counts for each operator.
const RUNS: u32 = 20;

/// The time of a network's operators, summed by kind.
struct Profile {
    name: String,
    kinds: Vec<OperatorTime>,
}

/// Profiles the networks that the settings name, and writes a table for each, or one JSON object.
///
/// # Errors
/// [`Failure`] if a model cannot be used or fails, or if `out` cannot be written.
pub fn profile(settings: &Settings, json: bool, out: &mut dyn Write) -> Result<(), Failure> {
    let registry = Registry::open(&settings.models_dir()?)?;
    let names = [
        &settings.expression.model,
        &settings.detect.model,
        &settings.detect.follow_model,
    ];
    let mut profiles = Vec::new();
    for name in names {
        let mut network = registry.find(name)?.load()?.network;
        let kinds = network.profile(RUNS)?;
        profiles.push(Profile {
            name: name.to_string(),
            kinds,
        });
    }
    let peak = SimdLevel::detect().peak();
    if json {
        write_json(out, &profiles, peak)
    } else {
        write_text(out, &profiles, peak)
    }
    .map_err(Unwritable)?;
    Ok(())
}

/// Throughput of a kind of operator in 10^9 multiply-accumulates per second, and its share of the peak.
fn throughput(kind: &OperatorTime, peak: Peak) -> Option<(f64, f64)> {
    let seconds = kind.time.as_secs_f64();
    let (floats, integers) = (kind.float_macs as f64, kind.integer_macs as f64);
    let least = floats / peak.floats + integers / peak.integers;
    (floats + integers > 0.0 && seconds > 0.0).then(|| ((floats + integers) / seconds / 1e9, least / seconds))
}

fn write_text(out: &mut dyn Write, profiles: &[Profile], peak: Peak) -> io::Result<()> {
    writeln!(out, "{}", SimdLevel::detect().describe())?;
    writeln!(
        out,
        "peak throughput of one thread: {:.0} GMAC/s in floats, {:.0} GMAC/s in integers",
        peak.floats / 1e9,
        peak.integers / 1e9
    )?;
    for Profile { name, kinds } in profiles {
        let total: f64 = kinds.iter().map(|kind| table::milliseconds(kind.time)).sum();
        writeln!(
            out,
            "\n{name}: {total:.2} ms in operators, the fastest of {RUNS} runs for each"
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
            match throughput(kind, peak) {
                Some((gmacs, share)) => writeln!(out, "{:>10.1}{:>9.0}%", gmacs * 2.0, share * 100.0)?,
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
                        "float_macs": kind.float_macs,
                        "integer_macs": kind.integer_macs,
                        "gops": throughput(kind, peak).map(|(gmacs, _)| gmacs * 2.0),
                        "of_peak": throughput(kind, peak).map(|(_, share)| share),
                    })
                })
                .collect();
            json!({ "name": profile.name, "operators": operators })
        })
        .collect();
    let object = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "kernels": SimdLevel::detect().describe(),
        "peak_float_macs": peak.floats,
        "peak_integer_macs": peak.integers,
        "networks": networks,
    });
    writeln!(out, "{object}")
}

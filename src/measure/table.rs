//! Stage timings as a table and as JSON.

use std::{
    fmt::Write as _,
    io::{self, Write},
    time::Duration,
};

use serde_json::{Map, Value, json};

use crate::health::{Stage, Summary};

/// Writes one line for each stage: how often it ran, and its latency in milliseconds.
///
/// # Errors
/// If `out` cannot be written.
pub fn stages(out: &mut dyn Write, rows: &[(Stage, Summary)]) -> io::Result<()> {
    writeln!(
        out,
        "{:<10}{:>8}{:>10}{:>10}{:>10}{:>10}",
        "stage", "count", "p50 ms", "p95 ms", "p99 ms", "max ms"
    )?;
    for (stage, summary) in rows {
        let mut line = format!("{:<10}{:>8}", stage.name(), summary.count);
        for time in [summary.p50, summary.p95, summary.p99, summary.max] {
            // Writing to a String cannot fail.
            let _ = write!(line, "{:>10.3}", milliseconds(time));
        }
        writeln!(out, "{line}")?;
    }
    Ok(())
}

/// The same values as a JSON object, keyed by stage name.
#[must_use]
pub fn json(rows: &[(Stage, Summary)]) -> Value {
    rows.iter()
        .map(|(stage, summary)| {
            let values = json!({
                "count": summary.count,
                "p50_ms": milliseconds(summary.p50),
                "p95_ms": milliseconds(summary.p95),
                "p99_ms": milliseconds(summary.p99),
                "max_ms": milliseconds(summary.max),
                "total_ms": milliseconds(summary.total),
            });
            (stage.name().to_owned(), values)
        })
        .collect::<Map<_, _>>()
        .into()
}

/// A time in milliseconds.
#[must_use]
pub fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

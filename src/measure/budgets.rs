//! Performance budgets of boards (models/budgets.toml), and the comparison of a measurement with them.

use std::{
    io::{self, Write},
    path::Path,
};

use serde::Serialize;

use crate::{
    config::{Diagnostic, Document, ModelName, Settings, Table, Value},
    health::Machine,
};

const BUDGETS: &str = include_str!("../../models/budgets.toml");

/// The path shown in diagnostics.
const PATH: &str = "models/budgets.toml";

/// Maximum length of a board's name in characters.
const MAX_NAME: usize = 64;

/// Contents of the file.
#[derive(Debug)]
pub struct Budgets {
    models: Models,
    boards: Vec<Budget>,
}

/// The models to which the budgets apply.
#[derive(Debug, PartialEq)]
struct Models {
    detect: ModelName,
    follow: ModelName,
    expression: ModelName,
}

/// Where the values of a budget come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Provenance {
    /// Calculated; no such board has been measured yet.
    Estimate,
    /// Measured on such a board.
    Measured,
}

/// One board's budget.
#[derive(Debug, Clone)]
pub struct Budget {
    name: String,
    /// Prefixes of the board's model name in the device tree.
    models: Vec<String>,
    source: Provenance,
    /// Median milliseconds in one thread.
    detect_ms: f64,
    follow_ms: f64,
    classify_ms: f64,
    /// Median milliseconds from a frame's bytes to its report.
    frame_ms: f64,
    /// 95th percentile of the milliseconds from the capture of a frame to a subscriber.
    latency_ms: f64,
    /// Megabytes.
    rss_mb: f64,
    /// Minimum share of its initial speed that the board must keep when warm.
    sustained: f64,
    /// Highest temperature in degrees Celsius.
    temperature_c: f64,
}

/// A measured quantity that has a budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Median milliseconds of a search of the whole frame.
    Detect,
    /// Median milliseconds of following two faces.
    Follow,
    /// Median milliseconds of one classification.
    Classify,
    /// Median milliseconds from a frame to its report.
    Frame,
    /// 95th percentile of the milliseconds from capture to a subscriber.
    Latency,
    /// Megabytes of resident memory.
    Rss,
    /// Share of the initial speed that is kept when warm.
    Sustained,
    /// Highest temperature in degrees Celsius.
    Temperature,
}

impl Metric {
    /// Human-readable name with unit.
    fn label(self) -> &'static str {
        match self {
            Self::Detect => "detect, p50 ms",
            Self::Follow => "follow, p50 ms",
            Self::Classify => "classify, p50 ms",
            Self::Frame => "frame, p50 ms",
            Self::Latency => "camera to subscriber, p95 ms",
            Self::Rss => "RSS, MB",
            Self::Sustained => "speed kept when warm, min",
            Self::Temperature => "temperature, max °C",
        }
    }

    /// Whether the budget is a lower bound.
    fn is_lower_bound(self) -> bool {
        self == Self::Sustained
    }
}

/// One measured value and its budget.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Assessment {
    metric: Metric,
    measured: f64,
    allowed: f64,
    met: bool,
}

/// Why there is nothing to compare with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoBudget {
    /// The budgets apply to the default models only.
    #[error("no budget: the budgets hold for the default models only")]
    OtherModels,
    /// No budget matches the machine's model name.
    #[error("no budget for {0}")]
    UnknownBoard(String),
}

/// A measurement compared with a board's budget.
#[derive(Debug, Serialize)]
pub struct Comparison {
    /// Name of the board that the budget is for.
    board: String,
    /// Where the budget's values come from.
    source: Provenance,
    assessments: Vec<Assessment>,
}

impl Comparison {
    /// Compares `measured` with the budget of `machine`.
    ///
    /// # Errors
    /// If the built-in budgets cannot be parsed.
    pub fn new(
        machine: &Machine,
        settings: &Settings,
        measured: &[(Metric, f64)],
    ) -> Result<Result<Self, NoBudget>, Diagnostic> {
        let budgets = read(BUDGETS)?;
        let models = Models {
            detect: settings.detect.model.clone(),
            follow: settings.detect.follow_model.clone(),
            expression: settings.expression.model.clone(),
        };
        if models != budgets.models {
            return Ok(Err(NoBudget::OtherModels));
        }
        let name = machine.model.as_deref().unwrap_or("unknown machine");
        Ok(match budgets.budget_of(name) {
            Some(budget) => Ok(budget.compare(measured)),
            None => Err(NoBudget::UnknownBoard(name.to_owned())),
        })
    }

    /// Writes one line for each metric.
    ///
    /// # Errors
    /// If `out` cannot be written.
    pub fn write_text(&self, out: &mut dyn Write) -> io::Result<()> {
        let source = match self.source {
            Provenance::Estimate => "an estimate; no such board has been measured yet",
            Provenance::Measured => "measured on such a board",
        };
        writeln!(out, "budget of {} ({source})", self.board)?;
        for assessment in &self.assessments {
            let word = if assessment.met { "met" } else { "MISSED" };
            writeln!(
                out,
                "{:<32}{:>10.2}  of {:>8.2}  {word}",
                assessment.metric.label(),
                assessment.measured,
                assessment.allowed
            )?;
        }
        Ok(())
    }
}

/// Reads the file's text.
///
/// # Errors
/// The first error in the file.
pub fn read(text: &str) -> Result<Budgets, Diagnostic> {
    let document = Document::parse(Path::new(PATH), text)?;
    let mut top = Table::root(&document);
    top.integer("format", 1..=1)?;
    let mut table = top.table("models")?;
    let models = Models {
        detect: model(&mut table, "detect")?,
        follow: model(&mut table, "follow")?,
        expression: model(&mut table, "expression")?,
    };
    table.finish()?;
    let boards = top
        .tables("board")?
        .into_iter()
        .map(budget)
        .collect::<Result<_, _>>()?;
    top.finish()?;
    Ok(Budgets { models, boards })
}

fn model(table: &mut Table<'_>, key: &'static str) -> Result<ModelName, Diagnostic> {
    table.parsed(key, ModelName::ALLOWED, |text| text.parse().ok())
}

fn budget(mut table: Table<'_>) -> Result<Budget, Diagnostic> {
    const MAX_MS: f64 = 1e6;
    const MAX_MB: f64 = 1e6;
    let sources = [
        ("estimate", Provenance::Estimate),
        ("measured", Provenance::Measured),
    ];
    let budget = Budget {
        name: table.text("name", MAX_NAME)?,
        models: table.list(
            "models",
            1..=16,
            "1 to 16 names that are not empty",
            |value| match value {
                Value::String(name) if !name.is_empty() => Some(name.clone()),
                _ => None,
            },
        )?,
        source: table.choice("source", &sources)?,
        detect_ms: table.float("detect_ms", 0.0..=MAX_MS)?,
        follow_ms: table.float("follow_ms", 0.0..=MAX_MS)?,
        classify_ms: table.float("classify_ms", 0.0..=MAX_MS)?,
        frame_ms: table.float("frame_ms", 0.0..=MAX_MS)?,
        latency_ms: table.float("latency_ms", 0.0..=MAX_MS)?,
        rss_mb: table.float("rss_mb", 0.0..=MAX_MB)?,
        sustained: table.float("sustained", 0.0..=1.0)?,
        temperature_c: table.float("temperature_c", 0.0..=150.0)?,
    };
    table.finish()?;
    Ok(budget)
}

impl Budgets {
    /// The budget of the board whose model name in the device tree is `model`.
    fn budget_of(&self, model: &str) -> Option<&Budget> {
        self.boards
            .iter()
            .find(|budget| budget.models.iter().any(|start| model.starts_with(start)))
    }
}

impl Budget {
    fn allowed(&self, metric: Metric) -> f64 {
        match metric {
            Metric::Detect => self.detect_ms,
            Metric::Follow => self.follow_ms,
            Metric::Classify => self.classify_ms,
            Metric::Frame => self.frame_ms,
            Metric::Latency => self.latency_ms,
            Metric::Rss => self.rss_mb,
            Metric::Sustained => self.sustained,
            Metric::Temperature => self.temperature_c,
        }
    }

    fn compare(&self, measured: &[(Metric, f64)]) -> Comparison {
        let assess = |&(metric, measured): &(Metric, f64)| {
            let allowed = self.allowed(metric);
            let met = if metric.is_lower_bound() {
                measured >= allowed
            } else {
                measured <= allowed
            };
            Assessment {
                metric,
                measured,
                allowed,
                met,
            }
        };
        Comparison {
            board: self.name.clone(),
            source: self.source,
            assessments: measured.iter().map(assess).collect(),
        }
    }
}

#[cfg(test)]
#[path = "budgets_tests.rs"]
mod tests;

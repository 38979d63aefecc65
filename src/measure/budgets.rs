//! What a measurement may take on a board: models/budgets.toml, and the comparison with it.

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

/// The path that diagnostics name.
const PATH: &str = "models/budgets.toml";

/// The longest name of a board, in characters.
const MAX_NAME: usize = 64;

/// The file.
#[derive(Debug)]
struct Budgets {
    models: Models,
    boards: Vec<Budget>,
}

/// The models that the budgets hold for.
#[derive(Debug, PartialEq)]
struct Models {
    detect: ModelName,
    follow: ModelName,
    expression: ModelName,
}

/// Where the figures of a budget come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// Calculated; no such board has reported.
    Estimate,
    /// A report from such a board.
    Measured,
}

/// One board's budget.
#[derive(Debug, Clone)]
pub struct Budget {
    name: String,
    /// Prefixes of the board's name in the device tree.
    models: Vec<String>,
    source: Source,
    /// Milliseconds in one thread, median.
    detect_ms: f64,
    follow_ms: f64,
    classify_ms: f64,
    /// Milliseconds from a frame's bytes to its report, median.
    frame_ms: f64,
    /// Milliseconds from the capture of a frame to a subscriber, 95th percentile.
    latency_ms: f64,
    /// Megabytes.
    rss_mb: f64,
    /// Least fraction of its initial speed that the board keeps when it is warm.
    sustained: f64,
    /// Degrees Celsius.
    temperature_c: f64,
}

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Figure {
    Detect,
    Follow,
    Classify,
    Frame,
    Latency,
    Rss,
    Sustained,
    Temperature,
}

impl Figure {
    /// For a person, with its unit.
    fn label(self) -> &'static str {
        match self {
            Self::Detect => "detect, p50 ms",
            Self::Follow => "follow, p50 ms",
            Self::Classify => "classify, p50 ms",
            Self::Frame => "frame, p50 ms",
            Self::Latency => "camera to subscriber, p95 ms",
            Self::Rss => "RSS, MB",
            Self::Sustained => "speed kept when warm, least",
            Self::Temperature => "hottest, °C",
        }
    }

    /// Whether more is better.
    fn is_least(self) -> bool {
        self == Self::Sustained
    }
}

/// One figure beside its budget.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Verdict {
    figure: Figure,
    found: f64,
    allowed: f64,
    met: bool,
}

/// What came of the comparison.
#[derive(Debug, Serialize)]
pub struct Comparison {
    /// The board that the budget is for.
    board: String,
    /// Where the budget comes from.
    source: Source,
    verdicts: Vec<Verdict>,
}

impl Comparison {
    /// Compares what was found with the budget of `machine`. `Err` says why there is none: an unknown board, or models other than
    /// those that the budgets hold for.
    ///
    /// # Errors
    /// If the budgets, which are built in, cannot be read.
    pub fn new(
        machine: &Machine,
        settings: &Settings,
        found: &[(Figure, f64)],
    ) -> Result<Result<Self, String>, Diagnostic> {
        let budgets = read(BUDGETS)?;
        let models = Models {
            detect: settings.detect.model.clone(),
            follow: settings.detect.follow_model.clone(),
            expression: settings.expression.model.clone(),
        };
        if models != budgets.models {
            return Ok(Err("no budget: they hold for the default models only".into()));
        }
        let name = machine.model.as_deref().unwrap_or("this machine");
        Ok(match budgets.of(name) {
            Some(budget) => Ok(budget.compare(found)),
            None => Err(format!("no budget for {name}")),
        })
    }

    /// Writes a line for each figure.
    ///
    /// # Errors
    /// When `out` cannot be written.
    pub fn text(&self, out: &mut dyn Write) -> io::Result<()> {
        let source = match self.source {
            Source::Estimate => "an estimate: no such board has reported yet",
            Source::Measured => "measured on such a board",
        };
        writeln!(out, "budget of {} ({source})", self.board)?;
        for verdict in &self.verdicts {
            let word = if verdict.met { "met" } else { "MISSED" };
            writeln!(
                out,
                "{:<32}{:>10.2}  of {:>8.2}  {word}",
                verdict.figure.label(),
                verdict.found,
                verdict.allowed
            )?;
        }
        Ok(())
    }
}

fn read(text: &str) -> Result<Budgets, Diagnostic> {
    let document = Document::parse(Path::new(PATH), text)?;
    let mut top = document.root();
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
    let budget = Budget {
        name: table.text("name", MAX_NAME)?,
        models: table.list(
            "models",
            1..=16,
            "names that are not empty",
            |value| match value {
                Value::String(name) if !name.is_empty() => Some(name.clone()),
                _ => None,
            },
        )?,
        source: table.choice(
            "source",
            &[("estimate", Source::Estimate), ("measured", Source::Measured)],
        )?,
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
    /// The budget of the board whose name in the device tree is `model`.
    fn of(&self, model: &str) -> Option<&Budget> {
        self.boards
            .iter()
            .find(|budget| budget.models.iter().any(|start| model.starts_with(start)))
    }
}

impl Budget {
    fn allowed(&self, figure: Figure) -> f64 {
        match figure {
            Figure::Detect => self.detect_ms,
            Figure::Follow => self.follow_ms,
            Figure::Classify => self.classify_ms,
            Figure::Frame => self.frame_ms,
            Figure::Latency => self.latency_ms,
            Figure::Rss => self.rss_mb,
            Figure::Sustained => self.sustained,
            Figure::Temperature => self.temperature_c,
        }
    }

    fn compare(&self, found: &[(Figure, f64)]) -> Comparison {
        let verdict = |&(figure, found): &(Figure, f64)| {
            let allowed = self.allowed(figure);
            let met = if figure.is_least() {
                found >= allowed
            } else {
                found <= allowed
            };
            Verdict {
                figure,
                found,
                allowed,
                met,
            }
        };
        Comparison {
            board: self.name.clone(),
            source: self.source,
            verdicts: found.iter().map(verdict).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::config::{self, Origin, Sources};

    fn machine(model: &str) -> Machine {
        Machine {
            model: Some(model.to_owned()),
            arch: "aarch64",
            cores: 4,
            kernel: None,
            governor: None,
        }
    }

    fn defaults() -> Settings {
        let sources = Sources {
            file: Some("/dev/null".into()),
            environment: Vec::new(),
            options: Vec::new(),
        };
        config::load(&sources).unwrap().settings
    }

    #[test]
    fn the_budgets_hold_for_the_default_models() {
        // Where this fails the defaults were changed: count and measure anew, then name the new models.
        let compared = Comparison::new(&machine("Raspberry Pi 5 Model B Rev 1.0"), &defaults(), &[]).unwrap();
        assert_eq!(compared.unwrap().board, "Raspberry Pi 5");
        let mut other = defaults();
        other.expression.model = "other".parse().unwrap();
        let compared = Comparison::new(&machine("Raspberry Pi 5 Model B Rev 1.0"), &other, &[]).unwrap();
        assert!(compared.unwrap_err().contains("default models"));
    }

    #[test]
    fn boards_are_known_by_what_their_device_tree_says() {
        let budgets = read(BUDGETS).unwrap();
        for (model, board) in [
            ("Raspberry Pi 3 Model B Plus Rev 1.3", "Raspberry Pi 3"),
            ("Raspberry Pi 4 Model B Rev 1.4", "Raspberry Pi 4"),
            ("Raspberry Pi Compute Module 4 Rev 1.0", "Raspberry Pi 4"),
            ("Raspberry Pi 5 Model B Rev 1.0", "Raspberry Pi 5"),
            (
                "NVIDIA Jetson Orin Nano Engineering Reference Developer Kit Super",
                "Jetson Orin Nano",
            ),
        ] {
            assert_eq!(budgets.of(model).unwrap().name, board, "{model}");
        }
        assert!(budgets.of("linux,dummy-virt").is_none());
    }

    #[test]
    fn a_slower_board_is_no_cheaper_in_any_figure_of_time() {
        let budgets = read(BUDGETS).unwrap();
        let time = |name: &str| {
            let budget = budgets.boards.iter().find(|budget| budget.name == name).unwrap();
            [Figure::Detect, Figure::Follow, Figure::Classify, Figure::Frame]
                .map(|figure| budget.allowed(figure))
        };
        for pair in ["Raspberry Pi 3", "Raspberry Pi 4", "Raspberry Pi 5"].windows(2) {
            let (slow, fast) = (time(pair[0]), time(pair[1]));
            assert!(slow.iter().zip(&fast).all(|(slow, fast)| slow > fast), "{pair:?}");
        }
    }

    #[test]
    fn more_is_a_miss_except_of_speed_kept() {
        let budgets = read(BUDGETS).unwrap();
        let budget = budgets.of("Raspberry Pi 4 Model B").unwrap();
        let verdicts = |change: f64| {
            let figures = [Figure::Detect, Figure::Temperature, Figure::Sustained];
            let found = figures.map(|figure| (figure, budget.allowed(figure) + change));
            budget
                .compare(&found)
                .verdicts
                .iter()
                .map(|verdict| verdict.met)
                .collect::<Vec<_>>()
        };
        assert_eq!(verdicts(0.0), [true; 3]);
        assert_eq!(verdicts(0.01), [false, false, true]);
        assert_eq!(verdicts(-0.01), [true, true, false]);
    }

    #[test]
    fn a_wrong_budget_is_refused_with_its_line() {
        for (from, to, line, key) in [
            ("format = 1", "format = 2", "format = 2", "format"),
            (
                "detect_ms = 490.0",
                "detect_ms = -1",
                "detect_ms = -1",
                "detect_ms",
            ),
            (
                "source = \"estimate\"\ndetect_ms = 55",
                "source = 1\ndetect_ms = 55",
                "source = 1",
                "source",
            ),
            ("rss_mb = 125.0", "rss = 1", "name = ", "rss_mb"),
        ] {
            assert!(BUDGETS.contains(from), "{from}");
            let text = BUDGETS.replacen(from, to, 1);
            let diagnostic = read(&text).unwrap_err();
            assert_eq!(diagnostic.key.rsplit('.').next(), Some(key), "{diagnostic}");
            let Origin::File(_, number) = diagnostic.origin else {
                panic!("{diagnostic}")
            };
            let found = text.lines().nth(number - 1).unwrap();
            assert!(
                found.starts_with(line) || key == "rss_mb" && found == "[[board]]",
                "{number}: {found}"
            );
        }
    }
}

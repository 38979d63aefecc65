//! What a measurement may take on a board: models/budgets.toml, and the comparison with it.

use std::io::{self, Write};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use crate::{config::Settings, health::Machine};

const BUDGETS: &str = include_str!("../../models/budgets.toml");

/// The file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    format: u32,
    models: Models,
    board: Vec<Budget>,
}

/// The models that the budgets hold for.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Models {
    detect: String,
    follow: String,
    expression: String,
}

/// Where the figures of a budget come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// Calculated; no such board has reported.
    Estimate,
    /// A report from such a board.
    Measured,
}

/// One board's budget.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    name: String,
    /// What the board's name in the device tree begins with.
    models: Vec<String>,
    source: Origin,
    /// Milliseconds of one thread, half of the runs at most.
    detect_ms: f64,
    follow_ms: f64,
    classify_ms: f64,
    /// Milliseconds from a frame's bytes to its report, half of the frames at most.
    frame_ms: f64,
    /// Milliseconds from the capture of a frame to a subscriber, 95 of 100 messages at most.
    latency_ms: f64,
    /// Megabytes.
    rss_mb: f64,
    /// Least share of its first speed that the board keeps when it is warm.
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
    source: Origin,
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
    ) -> anyhow::Result<Result<Self, String>> {
        let file = read()?;
        let models = Models {
            detect: settings.detect.model.clone(),
            follow: settings.detect.follow_model.clone(),
            expression: settings.expression.model.clone(),
        };
        if models != file.models {
            return Ok(Err("no budget: they hold for the default models only".into()));
        }
        let name = machine.model.as_deref().unwrap_or("this machine");
        Ok(match file.of(name) {
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
            Origin::Estimate => "an estimate: no such board has reported yet",
            Origin::Measured => "measured on such a board",
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

fn read() -> anyhow::Result<File> {
    let file: File = toml::from_str(BUDGETS).context("models/budgets.toml")?;
    anyhow::ensure!(
        file.format == 1,
        "models/budgets.toml is of format {}",
        file.format
    );
    Ok(file)
}

impl File {
    /// The budget of the board whose name in the device tree is `model`.
    fn of(&self, model: &str) -> Option<&Budget> {
        self.board
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
    use crate::config::{self, Sources};

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
        other.expression.model = "other".into();
        let compared = Comparison::new(&machine("Raspberry Pi 5 Model B Rev 1.0"), &other, &[]).unwrap();
        assert!(compared.unwrap_err().contains("default models"));
    }

    #[test]
    fn boards_are_known_by_what_their_device_tree_says() {
        let file = read().unwrap();
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
            assert_eq!(file.of(model).unwrap().name, board, "{model}");
        }
        assert!(file.of("linux,dummy-virt").is_none());
    }

    #[test]
    fn a_slower_board_is_no_cheaper_in_any_figure_of_time() {
        let file = read().unwrap();
        let time = |name: &str| {
            let budget = file.board.iter().find(|budget| budget.name == name).unwrap();
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
        let file = read().unwrap();
        let budget = file.of("Raspberry Pi 4 Model B").unwrap();
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
}

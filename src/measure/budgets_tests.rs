//! Tests of the budgets.
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
    // If this fails, the default models have changed: count and measure them again, then update the file.
    let compared = Comparison::new(&machine("Raspberry Pi 5 Model B Rev 1.0"), &defaults(), &[]).unwrap();
    assert_eq!(compared.unwrap().board, "Raspberry Pi 5");
    let mut other = defaults();
    other.expression.model = "other".parse().unwrap();
    let compared = Comparison::new(&machine("Raspberry Pi 5 Model B Rev 1.0"), &other, &[]).unwrap();
    assert!(matches!(compared, Err(NoBudget::OtherModels)));
}

#[test]
fn boards_are_recognized_by_their_device_tree_model() {
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
        assert_eq!(budgets.budget_of(model).unwrap().name, board, "{model}");
    }
    assert!(budgets.budget_of("linux,dummy-virt").is_none());
}

#[test]
fn a_slower_board_has_larger_time_budgets() {
    let budgets = read(BUDGETS).unwrap();
    let time = |name: &str| {
        let budget = budgets.boards.iter().find(|budget| budget.name == name).unwrap();
        [Metric::Detect, Metric::Follow, Metric::Classify, Metric::Frame].map(|metric| budget.allowed(metric))
    };
    for pair in ["Raspberry Pi 3", "Raspberry Pi 4", "Raspberry Pi 5"].windows(2) {
        let (slow, fast) = (time(pair[0]), time(pair[1]));
        assert!(slow.iter().zip(&fast).all(|(slow, fast)| slow > fast), "{pair:?}");
    }
}

#[test]
fn only_sustained_speed_has_a_lower_bound() {
    let budgets = read(BUDGETS).unwrap();
    let budget = budgets.budget_of("Raspberry Pi 4 Model B").unwrap();
    let met = |change: f64| {
        let metrics = [Metric::Detect, Metric::Temperature, Metric::Sustained];
        let measured = metrics.map(|metric| (metric, budget.allowed(metric) + change));
        budget
            .compare(&measured)
            .assessments
            .iter()
            .map(|assessment| assessment.met)
            .collect::<Vec<_>>()
    };
    assert_eq!(met(0.0), [true; 3]);
    assert_eq!(met(0.01), [false, false, true]);
    assert_eq!(met(-0.01), [true, true, false]);
}

#[test]
fn a_wrong_budget_is_refused_with_its_line() {
    for (from, to, line, key) in [
        ("format = 1", "format = 2", "format = 2", "format"),
        ("detect_ms = ", "detect_ms = -", "detect_ms = -", "detect_ms"),
        ("\nsource = \"estimate\"", "\nsource = 1", "source = 1", "source"),
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

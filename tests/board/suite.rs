//! Runs suites of scenarios: suites in parallel, the scenarios of each one in order.

use std::{
    env, fs,
    panic::{self, AssertUnwindSafe},
    path::Path,
    process::ExitCode,
    thread,
    time::Instant,
};

use serde_json::{Value, json};

use crate::{board::Board, machine::Parts};

/// Title and function of a scenario.
pub type Scenario = (&'static str, fn(&mut Board));

/// The scenarios of one board.
pub struct Suite {
    /// Name of the board in the output.
    pub name: &'static str,
    pub parts: Parts,
    /// In the order in which they run.
    pub scenarios: &'static [Scenario],
}

/// Returns the positional arguments of the test program, and whether `--json` is given.
pub fn arguments() -> (Vec<String>, bool) {
    let (options, arguments): (Vec<String>, Vec<String>) = env::args()
        .skip(1)
        .partition(|argument| argument.starts_with("--"));
    let json = options.iter().any(|option| option == "--json");
    (arguments, json)
}

/// Runs suites in parallel. If one fails, the others still run to completion. With `json`, the passed
/// scenarios are printed at the end.
///
/// The first scenario of each suite installs `package`.
pub fn run_suites(suites: Vec<Suite>, package: &Path, json: bool) -> ExitCode {
    let results: Vec<Option<Vec<Value>>> = thread::scope(|scope| {
        let start = |suite: Suite| {
            // A panic message contains the thread's name.
            thread::Builder::new()
                .name(suite.name.into())
                .spawn_scoped(scope, || run_suite(suite, package))
                .unwrap()
        };
        let boards: Vec<_> = suites.into_iter().map(start).collect();
        boards
            .into_iter()
            .map(|board| board.join().unwrap_or(None))
            .collect()
    });
    if json {
        let passed: Vec<Value> = results.iter().flatten().flatten().cloned().collect();
        println!("{}", json!({ "scenarios": passed }));
    }
    if results.iter().all(Option::is_some) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Runs scenarios until one fails, since later ones depend on the state it should leave. Returns them if all
/// passed.
fn run_suite(suite: Suite, package: &Path) -> Option<Vec<Value>> {
    let started = Instant::now();
    let Suite {
        name,
        parts,
        scenarios,
    } = suite;
    let console = parts.console();
    let console = || {
        let text = fs::read_to_string(&console).unwrap_or_default();
        format!("--- console of {name}\n{text}")
    };
    let booted = panic::catch_unwind(AssertUnwindSafe(|| Board::new(name, parts, package)));
    let Ok(mut board) = booted else {
        println!("FAILED {name}: the board did not boot\n{}", console());
        return None;
    };
    board.report(&format!(
        "the board booted, {:.1} s",
        started.elapsed().as_secs_f32()
    ));
    let mut passed = Vec::new();
    for (number, (what, scenario)) in (1..).zip(scenarios) {
        let begin = Instant::now();
        let result = panic::catch_unwind(AssertUnwindSafe(|| scenario(&mut board)));
        let seconds = begin.elapsed().as_secs_f32();
        if result.is_err() {
            println!("FAILED {name} {number:2}  {what}, {seconds:.1} s\n{}", console());
            println!("{}", board.describe());
            return None;
        }
        passed.push(
            json!({ "board": name, "number": number, "scenario": what, "seconds": f64::from(seconds) }),
        );
        println!("ok {name} {number:2}  {what}, {seconds:.1} s");
    }
    board.report(&format!(
        "{} scenarios, {:.0} s",
        scenarios.len(),
        started.elapsed().as_secs_f32()
    ));
    Some(passed)
}

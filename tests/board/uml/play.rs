//! Plays scenarios, one after another.

use std::{
    fs,
    panic::{self, AssertUnwindSafe},
    path::Path,
    process::ExitCode,
    time::Instant,
};

use crate::board::Board;

/// A name, and what happens.
pub type Scenario = (&'static str, fn(&mut Board));

/// Plays them in their order, until one fails; those that follow would begin where that one broke off.
pub fn play(board: &mut Board, scenarios: &[Scenario], console: &Path) -> ExitCode {
    let started = Instant::now();
    for (number, (name, scenario)) in (1..).zip(scenarios) {
        let begin = Instant::now();
        let result = panic::catch_unwind(AssertUnwindSafe(|| scenario(board)));
        let seconds = begin.elapsed().as_secs_f32();
        if result.is_err() {
            println!("FAILED {number:2}  {name}, {seconds:.1} s");
            let console = fs::read_to_string(console).unwrap_or_default();
            println!("--- console\n{console}\n{}", board.describe());
            return ExitCode::FAILURE;
        }
        println!("ok {number:2}  {name}, {seconds:.1} s");
    }
    println!(
        "{} scenarios, {:.0} s",
        scenarios.len(),
        started.elapsed().as_secs_f32()
    );
    ExitCode::SUCCESS
}

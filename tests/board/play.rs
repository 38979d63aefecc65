//! Plays scenarios, one after another.

use std::{
    fs,
    panic::{self, AssertUnwindSafe},
    path::Path,
    process::ExitCode,
    time::Instant,
};

use crate::{board::Board, machine::Parts};

/// A name, and what happens.
pub type Scenario = (&'static str, fn(&mut Board));

/// Plays them in their order on one board, until one fails; those that follow would begin where that one broke off.
///
/// `package` is installed by the first.
pub fn play(parts: Parts, package: &Path, scenarios: &[Scenario]) -> ExitCode {
    let started = Instant::now();
    let console = parts.console();
    let board = &mut Board::new(parts, package);
    println!("      the board is up, {:.1} s", started.elapsed().as_secs_f32());
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

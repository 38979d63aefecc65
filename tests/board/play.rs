//! Plays scenarios, one after another on each board.

use std::{
    fs,
    panic::{self, AssertUnwindSafe},
    path::Path,
    process::ExitCode,
    thread,
    time::Instant,
};

use crate::{board::Board, machine::Parts};

/// A name, and what happens.
pub type Scenario = (&'static str, fn(&mut Board));

/// What happens to one board.
pub struct Life {
    /// The board's, in what is told of it.
    pub name: &'static str,
    pub parts: Parts,
    /// In the order in which they happen.
    pub scenarios: &'static [Scenario],
}

/// Plays lives side by side. Where one fails, the others go on to their ends: they tell more, and no later than if all went well.
///
/// `package` is installed by each one's first scenario.
pub fn play(lives: Vec<Life>, package: &Path) -> ExitCode {
    let failed = thread::scope(|scope| {
        let start = |life: Life| {
            // A panic's message tells the thread's name.
            thread::Builder::new()
                .name(life.name.into())
                .spawn_scoped(scope, || live(life, package))
                .unwrap()
        };
        let boards: Vec<_> = lives.into_iter().map(start).collect();
        let ends = boards.into_iter().map(|board| board.join().unwrap_or(false));
        ends.filter(|passed| !passed).count()
    });
    if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Plays scenarios until one fails; those that follow would begin where that one broke off. Whether all passed.
fn live(life: Life, package: &Path) -> bool {
    let started = Instant::now();
    let Life {
        name,
        parts,
        scenarios,
    } = life;
    let console = parts.console();
    let console = || {
        let text = fs::read_to_string(&console).unwrap_or_default();
        format!("--- console of {name}\n{text}")
    };
    let up = panic::catch_unwind(AssertUnwindSafe(|| Board::new(name, parts, package)));
    let Ok(mut board) = up else {
        println!("FAILED {name}: the board does not come up\n{}", console());
        return false;
    };
    board.say(&format!(
        "the board is up, {:.1} s",
        started.elapsed().as_secs_f32()
    ));
    for (number, (what, scenario)) in (1..).zip(scenarios) {
        let begin = Instant::now();
        let result = panic::catch_unwind(AssertUnwindSafe(|| scenario(&mut board)));
        let seconds = begin.elapsed().as_secs_f32();
        if result.is_err() {
            println!("FAILED {name} {number:2}  {what}, {seconds:.1} s\n{}", console());
            println!("{}", board.describe());
            return false;
        }
        println!("ok {name} {number:2}  {what}, {seconds:.1} s");
    }
    board.say(&format!(
        "{} scenarios, {:.0} s",
        scenarios.len(),
        started.elapsed().as_secs_f32()
    ));
    true
}

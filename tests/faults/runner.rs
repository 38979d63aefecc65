//! Runs scenarios, several at a time, and collects their results.

use std::{
    any::Any,
    collections::VecDeque,
    panic::{self, AssertUnwindSafe},
    process::ExitCode,
    sync::{Mutex, PoisonError},
    thread,
    time::Instant,
};

use crate::{
    lab::Lab,
    report::{Report, Verdict},
};

/// What was measured, or why the fault cannot be caused on this machine.
pub type Outcome = Result<String, Impossible>;

/// Why a fault cannot be caused here.
#[derive(Debug)]
pub struct Impossible(pub &'static str);

/// One fault.
pub struct Scenario {
    /// Selects it on the command line.
    pub name: &'static str,
    /// What happens.
    pub fault: &'static str,
    /// What must hold.
    pub promise: &'static str,
    pub run: fn(&Lab) -> Outcome,
}

/// A name, and the scenarios with the same cause.
pub type Group = (&'static str, &'static [Scenario]);

struct Numbered {
    number: usize,
    group: &'static str,
    scenario: &'static Scenario,
}

/// Runs the wanted scenarios, or all, and reports to standard error; with `json` their results go to standard
/// output. Succeeds if no promise was broken.
pub fn run(groups: &'static [Group], wanted: &[String], json: bool) -> ExitCode {
    let all = groups
        .iter()
        .flat_map(|(group, scenarios)| scenarios.iter().map(move |scenario| (*group, scenario)));
    let numbered = (1..).zip(all).map(|(number, (group, scenario))| Numbered {
        number,
        group,
        scenario,
    });
    let queue: VecDeque<Numbered> = numbered
        .filter(|one| {
            let is_wanted = |name: &String| {
                [one.group, one.scenario.name].contains(&name.as_str()) || *name == one.number.to_string()
            };
            wanted.is_empty() || wanted.iter().any(is_wanted)
        })
        .collect();
    if queue.is_empty() {
        eprintln!("no scenario is called {wanted:?}");
        return ExitCode::from(64);
    }
    let started = Instant::now();
    let queue = Mutex::new(queue);
    let reports = Mutex::new(Vec::new());
    let lanes = thread::available_parallelism().map_or(1, usize::from).min(4);
    thread::scope(|scope| {
        for lane in 0..lanes {
            let (queue, reports) = (&queue, &reports);
            let work = move || {
                loop {
                    let next = lock(queue).pop_front();
                    let Some(one) = next else { return };
                    let report = try_scenario(&one);
                    eprintln!("{report}");
                    lock(reports).push(report);
                }
            };
            thread::Builder::new()
                .name(format!("lane {lane}"))
                .spawn_scoped(scope, work)
                .unwrap();
        }
    });
    let mut reports = reports.into_inner().unwrap_or_else(PoisonError::into_inner);
    reports.sort_by_key(|report: &Report| report.number);
    let count = |verdict: Verdict| reports.iter().filter(|report| report.verdict == verdict).count();
    eprintln!(
        "{} promises kept, {} broken, {} faults that cannot be caused here, {:.0} s",
        count(Verdict::Kept),
        count(Verdict::Broken),
        count(Verdict::Impossible),
        started.elapsed().as_secs_f32()
    );
    if json {
        println!("{}", serde_json::json!({ "scenarios": reports }));
    }
    if count(Verdict::Broken) == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn try_scenario(one: &Numbered) -> Report {
    let begin = Instant::now();
    let lab = Lab::new(one.scenario.name);
    let outcome = panic::catch_unwind(AssertUnwindSafe(|| (one.scenario.run)(&lab)));
    let (verdict, measured) = match outcome {
        Ok(Ok(measured)) => (Verdict::Kept, measured),
        Ok(Err(Impossible(why))) => (Verdict::Impossible, why.to_owned()),
        Err(panic) => {
            eprintln!("{}", lab.describe());
            (Verdict::Broken, message(&*panic))
        }
    };
    Report {
        number: one.number,
        group: one.group,
        name: one.scenario.name,
        fault: one.scenario.fault,
        promise: one.scenario.promise,
        verdict,
        measured,
        seconds: begin.elapsed().as_secs_f32(),
    }
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
        .to_owned()
}

/// Ignores poisoning, because a lane that panics outside a scenario leaves consistent values.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

//! Faults of everything that the daemon depends on, caused with real parts: brokers, links, certificates,
//! clocks, signals, limits, disks, logs, camera programs and models. Each scenario has a number and a
//! promise, and ends with what was measured.
//!
//! `make test-faults` runs it as root in its own network and mount namespaces. With names or numbers as
//! arguments, only those scenarios run. `--json` prints the results at the end, which docs/faults.md shows.
#![allow(clippy::unwrap_used)]

mod broker;
mod certificates;
mod daemon;
mod fake_broker;
mod lab;
mod link;
mod machine;
#[path = "../board/messages.rs"]
mod messages;
mod report;
mod runner;
mod scenarios {
    pub mod broker;
    pub mod camera;
    pub mod certificates;
    pub mod clock;
    pub mod limits;
    pub mod log;
    pub mod model;
    pub mod network;
    pub mod signals;
}

use std::{env, process::ExitCode};

use runner::Group;

/// All scenarios. This order determines their numbers.
const GROUPS: &[Group] = &[
    ("broker", scenarios::broker::ALL),
    ("network", scenarios::network::ALL),
    ("certificates", scenarios::certificates::ALL),
    ("clock", scenarios::clock::ALL),
    ("signals", scenarios::signals::ALL),
    ("limits", scenarios::limits::ALL),
    ("log", scenarios::log::ALL),
    ("camera", scenarios::camera::ALL),
    ("model", scenarios::model::ALL),
];

fn main() -> ExitCode {
    let (options, wanted): (Vec<String>, Vec<String>) = env::args()
        .skip(1)
        .partition(|argument| argument.starts_with("--"));
    runner::run(GROUPS, &wanted, options.iter().any(|option| option == "--json"))
}

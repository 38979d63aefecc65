//! The arm64 package on an emulated board: Debian's kernel and systemd on a Cortex-A72, with a broker and a
//! simulated camera. It runs the scenarios of ../scenarios that depend on the machine or the package,
//! asserted on what an MQTT subscriber receives.
//!
//! `make test-board-arm64` builds the image and the package, and runs the test.
#![allow(clippy::unwrap_used)]

#[path = "../board.rs"]
#[allow(dead_code)]
mod board;
mod machine;
// tests/faults also reads when a message was received.
#[path = "../messages.rs"]
#[allow(dead_code)]
mod messages;
#[path = "../picture.rs"]
mod picture;
mod purged;
mod report;
#[path = "../suite.rs"]
mod suite;
#[path = "../scenarios"]
#[allow(dead_code)]
mod scenarios {
    pub mod camera;
    pub mod package;
    pub mod service;
}
#[path = "../process.rs"]
mod process;
#[path = "../shell.rs"]
mod shell;

use std::{path::Path, process::ExitCode};

use machine::Parts;
use scenarios::{camera, package, service};
use suite::{Scenario, Suite, run_suites};
use tempfile::TempDir;

/// In the order in which they run.
const SCENARIOS: &[Scenario] = &[
    (
        "the package is installed and its unit is hardened",
        service::is_installed_and_hardened,
    ),
    ("a face in view is published", camera::face_is_published),
    ("the broker's password is a credential", package::credential),
    ("the package is upgraded while the daemon runs", package::upgraded),
    ("the owner of a board creates a report", report::reported),
    ("the package is purged", purged::purged),
];

fn main() -> ExitCode {
    let (arguments, json) = suite::arguments();
    let [image, package] = &arguments[..] else {
        eprintln!("usage: arm64 IMAGE PACKAGE; `make test-board-arm64` builds both");
        return ExitCode::from(64);
    };
    let folder = TempDir::new().unwrap();
    let parts = Parts::prepare(Path::new(image), folder.path());
    let suite = Suite {
        name: "arm64",
        parts,
        scenarios: SCENARIOS,
    };
    run_suites(vec![suite], Path::new(package), json)
}

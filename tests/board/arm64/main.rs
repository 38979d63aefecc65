//! The arm64 package on an emulated board: Debian's kernel and systemd on a Cortex-A72, with a broker and a camera that shows what it is
//! given. The scenarios are those of ../scenarios that are about this machine and its package; what counts is what a subscriber on the board saw.
//!
//! `make test-board-arm64` makes what it needs and runs it.
#![allow(clippy::unwrap_used)]

#[path = "../board.rs"]
#[allow(dead_code)]
mod board;
mod machine;
#[path = "../messages.rs"]
mod messages;
#[path = "../picture.rs"]
mod picture;
#[path = "../play.rs"]
mod play;
mod purged;
mod report;
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

use std::{env, path::Path, process::ExitCode};

use machine::Parts;
use play::{Life, Scenario, play};
use scenarios::{camera, package, service};
use tempfile::TempDir;

/// In the order in which they happen.
const SCENARIOS: &[Scenario] = &[
    (
        "installed from its package, it is hardened as told",
        service::is_installed_and_hardened,
    ),
    (
        "a face before the camera is found again in the state",
        camera::a_face_is_told,
    ),
    ("the broker's password is a credential", package::credential),
    ("the next version is installed while it runs", package::upgraded),
    ("its owner makes a report", report::reported),
    ("the package is purged", purged::purged),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [image, package] = &arguments[..] else {
        eprintln!("usage: arm64 IMAGE PACKAGE; `make test-board-arm64` makes both");
        return ExitCode::from(64);
    };
    let folder = TempDir::new().unwrap();
    let parts = Parts::prepare(Path::new(image), folder.path());
    let life = Life {
        name: "arm64",
        parts,
        scenarios: SCENARIOS,
    };
    play(vec![life], Path::new(package))
}

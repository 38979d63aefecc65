//! The arm64 package on an emulated board: Debian's kernel and systemd on a Cortex-A72, with a broker and a camera that shows what it is
//! given. The scenarios are those of ../uml that are about this machine and its package; what counts is what a subscriber on the board saw.
//!
//! `make test-board-arm64` makes what it needs and runs it.
#![allow(clippy::unwrap_used)]

#[path = "../uml/board.rs"]
#[allow(dead_code)]
mod board;
mod machine;
#[path = "../uml/messages.rs"]
mod messages;
#[path = "../uml/picture.rs"]
mod picture;
#[path = "../uml/play.rs"]
mod play;
mod purged;
#[path = "../uml/scenarios"]
#[allow(dead_code)]
mod scenarios {
    pub mod camera;
    pub mod package;
    pub mod service;
}
#[path = "../uml/shell.rs"]
mod shell;

use std::{env, path::Path, process::ExitCode, time::Instant};

use board::Board;
use machine::Parts;
use play::{Scenario, play};
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
    ("the package is purged", purged::purged),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [image, package] = &arguments[..] else {
        eprintln!("usage: arm64 IMAGE PACKAGE; `make test-board-arm64` makes both");
        return ExitCode::from(64);
    };
    let started = Instant::now();
    let folder = TempDir::new().unwrap();
    let parts = Parts::prepare(Path::new(image), folder.path());
    let console = parts.console();
    let mut board = Board::new(parts, Path::new(package));
    println!("      the board is up, {:.1} s", started.elapsed().as_secs_f32());
    play(&mut board, SCENARIOS, &console)
}

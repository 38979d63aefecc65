//! A whole board in User-Mode Linux: the daemon from its package as the hardened unit that it is, with systemd, a broker, a camera that
//! shows what it is given, and pins. Every fault is a numbered scenario, and what counts is what a subscriber on the board saw.
//!
//! `make test-uml` makes what it needs and runs it. The scenarios share one installation and follow one another, as in a board's life;
//! each leaves the board with a face before a running camera.
#![allow(clippy::unwrap_used)]

#[path = "../board.rs"]
mod board;
mod machine;
#[path = "../messages.rs"]
mod messages;
#[path = "../picture.rs"]
mod picture;
#[path = "../play.rs"]
mod play;
#[path = "../scenarios"]
mod scenarios {
    pub mod broker;
    pub mod camera;
    pub mod package;
    pub mod power;
    pub mod privacy;
    pub mod service;
}
#[path = "../process.rs"]
mod process;
#[path = "../shell.rs"]
mod shell;

use std::{env, path::Path, process::ExitCode};

use machine::Parts;
use play::{Scenario, play};
use scenarios::{broker, camera, package, power, privacy, service};
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
    (
        "a camera is unplugged and plugged in again",
        camera::unplugged_and_plugged_in,
    ),
    ("a camera that delivers nothing is stalled", camera::stalled),
    ("a camera that is frozen starves no watchdog", camera::frozen),
    ("the broker is away for a while", broker::away),
    ("another program takes the camera", camera::taken),
    (
        "a camera that does not offer the format ends it with 74",
        camera::format_refused,
    ),
    ("the privacy switch is pressed and released", privacy::switched),
    ("the privacy switch cannot be read", privacy::unreadable),
    (
        "a wrong configuration ends it with 78, for good",
        service::wrong_configuration,
    ),
    ("a wedged pipeline is restarted by the watchdog", service::wedged),
    ("it is killed, and comes back", service::killed),
    ("it is stopped", service::stopped),
    ("the broker's password is a credential", package::credential),
    ("the next version is installed while it runs", package::upgraded),
    (
        "the power is cut; back on a root that cannot be written",
        power::cut,
    ),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [kernel, root, package] = &arguments[..] else {
        eprintln!("usage: uml KERNEL ROOT PACKAGE; `make test-uml` makes all three");
        return ExitCode::from(64);
    };
    let folder = TempDir::new().unwrap();
    let parts = Parts::prepare(Path::new(kernel), Path::new(root), folder.path());
    play(parts, Path::new(package), SCENARIOS)
}

//! Whole boards in User-Mode Linux: the daemon from its package as the hardened unit that it is, with systemd, a broker, a camera that
//! shows what it is given, and pins. Every fault is a numbered scenario, and what counts is what a subscriber on the board saw.
//!
//! `make test-uml` makes what it needs and runs it. There are two boards side by side, each on a core of its own where there are two. The
//! scenarios of one share its installation and follow one another, as in a board's life; each leaves the board with a face before a running
//! camera. The two lives are about equally long: starting the daemon takes 5 s here, and after a minute without a broker it may be away
//! from it for half a minute more.
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
use play::{Life, Scenario, play};
use scenarios::{broker, camera, package, power, privacy, service};
use tempfile::TempDir;

/// What happens to the daemon's surroundings: camera, broker and switch.
const OUTSIDE: &[Scenario] = &[
    ("it is installed from its package", service::is_installed),
    (
        "a face before the camera is found again in the state",
        camera::a_face_is_told,
    ),
    (
        "a camera is unplugged and plugged in again",
        camera::unplugged_and_plugged_in,
    ),
    ("a camera that delivers nothing is stalled", camera::stalled),
    ("the broker is away for a minute", broker::away),
    ("another program takes the camera", camera::taken),
    ("the privacy switch is pressed and released", privacy::switched),
    ("the privacy switch cannot be read", privacy::unreadable),
];

/// What happens to the daemon itself, to its package and to the whole board.
const SERVICE: &[Scenario] = &[
    (
        "installed from its package, it is hardened as told",
        service::is_installed_and_hardened,
    ),
    ("it is started with a face before the camera", camera::starts),
    ("a camera that is frozen starves no watchdog", camera::frozen),
    (
        "a wrong configuration ends it with 78, for good",
        service::wrong_configuration,
    ),
    (
        "a camera that does not offer the format ends it with 74",
        camera::format_refused,
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
    let lives = [("outside", OUTSIDE), ("service", SERVICE)];
    let lives = (0..).zip(lives).map(|(machine, (name, scenarios))| Life {
        name,
        parts: Parts::prepare(
            machine,
            Path::new(kernel),
            Path::new(root),
            &folder.path().join(name),
        ),
        scenarios,
    });
    play(lives.collect(), Path::new(package))
}

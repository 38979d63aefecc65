//! Complete boards in User-Mode Linux: the packaged daemon as a hardened unit, with systemd, a broker, a
//! simulated camera and simulated GPIO lines. Each failure is a numbered scenario, asserted on what an MQTT
//! subscriber receives.
//!
//! `make test-uml` builds the kernel, the disk and the package, and runs the test. Two boards run in
//! parallel, each on its own core if there are two. The scenarios of a board share its installation and run
//! in order; each one leaves the board with a running camera and a face in view. The two suites take about
//! equally long: starting the daemon takes 5 s here, and after a minute without a broker it may take another
//! half minute to reconnect.
#![allow(clippy::unwrap_used)]

#[path = "../board.rs"]
mod board;
mod machine;
// tests/faults also reads when a message was received.
#[path = "../messages.rs"]
#[allow(dead_code)]
mod messages;
#[path = "../picture.rs"]
mod picture;
#[path = "../suite.rs"]
mod suite;
#[path = "../scenarios"]
mod scenarios {
    pub mod aim;
    pub mod broker;
    pub mod camera;
    pub mod driver;
    pub mod http;
    pub mod package;
    pub mod power;
    pub mod privacy;
    pub mod service;
}
#[path = "../process.rs"]
mod process;
#[path = "../shell.rs"]
mod shell;

use std::{path::Path, process::ExitCode};

use machine::Parts;
use scenarios::{aim, broker, camera, driver, http, package, power, privacy, service};
use suite::{Scenario, Suite, run_suites};
use tempfile::TempDir;

/// Failures of camera, broker and privacy switch.
const ENVIRONMENT: &[Scenario] = &[
    ("the package is installed", service::is_installed),
    ("a face in view is published", camera::face_is_published),
    (
        "a camera is unplugged and plugged in again",
        camera::unplugged_and_plugged_in,
    ),
    ("a camera without frames is reported as stalled", camera::stalled),
    (
        "damaged frames among good ones are dropped",
        driver::damaged_frames,
    ),
    ("an error that ends the stream", driver::stream_error),
    ("a driver that refuses to start streaming", driver::start_refused),
    ("a camera that returns with another size", driver::other_size),
    ("the broker is away for a minute", broker::away),
    ("another program uses the camera", camera::taken),
    (
        "the camera is aimed from the console; privacy ends the picture",
        aim::aimed,
    ),
    ("the privacy switch is turned on and off", privacy::switched),
    ("the privacy switch cannot be read", privacy::unreadable),
];

/// Failures of the daemon, its package and the whole board.
const SERVICE: &[Scenario] = &[
    (
        "the package is installed and its unit is hardened",
        service::is_installed_and_hardened,
    ),
    ("the daemon is started with a face in view", camera::starts),
    (
        "the installation is checked while the daemon runs",
        service::checked,
    ),
    ("a frozen picture does not trigger the watchdog", camera::frozen),
    (
        "an invalid configuration exits with 78 and is not restarted",
        service::wrong_configuration,
    ),
    (
        "a format that the camera does not offer exits with 74",
        camera::format_refused,
    ),
    ("the watchdog restarts a hung pipeline", service::hung),
    ("the daemon is killed and restarted", service::killed),
    ("the daemon is stopped and started", service::stopped),
    ("the broker's password is a credential", package::credential),
    (
        "the live page is served on a Unix socket",
        http::served_on_a_socket,
    ),
    (
        "the live page is served to other machines, with credentials",
        http::served_to_other_machines,
    ),
    ("the package is upgraded while the daemon runs", package::upgraded),
    ("the power is cut; the next boot has a read-only root", power::cut),
];

fn main() -> ExitCode {
    let (arguments, json) = suite::arguments();
    let [kernel, root, package] = &arguments[..] else {
        eprintln!("usage: uml KERNEL ROOT PACKAGE; `make test-uml` builds all three");
        return ExitCode::from(64);
    };
    let folder = TempDir::new().unwrap();
    let suites = [("environment", ENVIRONMENT), ("service", SERVICE)];
    let suites = (0..).zip(suites).map(|(machine, (name, scenarios))| Suite {
        name,
        parts: Parts::prepare(
            machine,
            Path::new(kernel),
            Path::new(root),
            &folder.path().join(name),
        ),
        scenarios,
    });
    run_suites(suites.collect(), Path::new(package), json)
}

//! The program under test as a child process.

use std::{
    fs,
    io::Read,
    path::Path,
    process::{Child, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

/// Generous, because a shared machine may be slow; a passing test never waits this long.
const PATIENCE: Duration = Duration::from_secs(60);

/// The program with the given arguments, without settings from the environment.
pub fn affectd(arguments: &[&str]) -> Command {
    // An ignored SIGHUP (a test runner under nohup) is inherited, and the daemon would keep ignoring it.
    let mut command = Command::new("env");
    command.args(["--default-signal=HUP", env!("CARGO_BIN_EXE_affectd")]);
    command.args(arguments).stdin(Stdio::null());
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("AFFECTD_")) {
        command.env_remove(name);
    }
    command
}

/// Runs the program to completion.
pub fn output(arguments: &[&str]) -> Output {
    affectd(arguments).output().unwrap()
}

/// Path of a file in tests/data.
pub fn data(path: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data")
        .join(path)
        .display()
        .to_string()
}

/// Path of the bundled clip.
pub fn clip() -> String {
    concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/src/measure/clip/two-portraits.mjpeg"
    )
    .to_owned()
}

/// A running daemon; killed when the test ends.
pub struct Daemon {
    process: Child,
}

impl Daemon {
    pub fn start(arguments: &[&str]) -> Self {
        Self::spawn(&mut affectd(arguments))
    }

    /// Starts it with a runtime directory, as systemd creates it.
    pub fn start_in(runtime: &Path, arguments: &[&str]) -> Self {
        Self::spawn(affectd(arguments).env("RUNTIME_DIRECTORY", runtime))
    }

    fn spawn(command: &mut Command) -> Self {
        let process = command
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Self { process }
    }

    /// Sends a signal by its name.
    pub fn signal(&self, name: &str) {
        let id = self.process.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-s", name, &id])
                .status()
                .unwrap()
                .success()
        );
    }

    /// Waits for it to exit, and returns the exit code and the log.
    pub fn wait(mut self) -> (Option<i32>, String) {
        let start = Instant::now();
        let status = loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                break status;
            }
            assert!(start.elapsed() < PATIENCE, "the daemon does not end");
            thread::sleep(Duration::from_millis(20));
        };
        let mut log = String::new();
        self.process
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut log)
            .unwrap();
        (status.code(), log)
    }

    /// Resident memory in bytes.
    pub fn resident(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

//! The program under test.

use std::{
    fs::{self, File},
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use crate::lab::{Lab, PATIENCE, until};

/// A program to be started.
pub struct Setup<'a> {
    lab: &'a Lab,
    name: &'static str,
    subcommand: &'static str,
    wrapper: Vec<String>,
    settings: Vec<String>,
    environment: Vec<(String, String)>,
    stdout: Option<Stdio>,
    stderr: Option<Stdio>,
}

impl<'a> Setup<'a> {
    /// `name` is the file name of its log and of its standard output.
    pub fn new(lab: &'a Lab, name: &'static str) -> Self {
        let setup = Self {
            lab,
            name,
            subcommand: "run",
            wrapper: Vec::new(),
            settings: Vec::new(),
            environment: Vec::new(),
            stdout: None,
            stderr: None,
        };
        setup
            .set("device=lab")
            .set("expression.threads=1")
            .set("camera.rate=5")
            .set("mqtt.refresh_s=2")
            .set("mqtt.health_s=2")
            .camera(&lab.camera())
    }

    /// Overrides a setting.
    pub fn set(mut self, setting: impl Into<String>) -> Self {
        self.settings.push(setting.into());
        self
    }

    /// Uses a shell script as the camera program.
    pub fn camera(self, script: &str) -> Self {
        let command = serde_json::json!(["sh", "-c", script]);
        self.set("camera.source=pipe")
            .set("camera.format=auto")
            .set(format!("camera.command={command}"))
    }

    /// Uses the broker at this port.
    pub fn broker(self, port: u16) -> Self {
        self.set("mqtt.host=127.0.0.1").set(format!("mqtt.port={port}"))
    }

    /// Uses a subcommand other than `run`.
    pub fn subcommand(mut self, name: &'static str) -> Self {
        self.subcommand = name;
        self
    }

    /// Uses a name other than the first daemon's.
    pub fn called(mut self, name: &'static str) -> Self {
        self.name = name;
        self
    }

    /// Starts the daemon through a program that execs it, given with its arguments.
    pub fn within(mut self, wrapper: &[&str]) -> Self {
        self.wrapper.extend(wrapper.iter().map(ToString::to_string));
        self
    }

    pub fn env(mut self, name: &str, value: impl Into<String>) -> Self {
        self.environment.push((name.to_owned(), value.into()));
        self
    }

    /// Redirects standard output, by default to a file.
    pub fn stdout(mut self, to: impl Into<Stdio>) -> Self {
        self.stdout = Some(to.into());
        self
    }

    /// Redirects standard error, by default to a file.
    pub fn stderr(mut self, to: impl Into<Stdio>) -> Self {
        self.stderr = Some(to.into());
        self
    }

    pub fn start(self) -> Daemon {
        let (log, output) = (
            self.lab.path(&format!("{}.log", self.name)),
            self.lab.path(&format!("{}.jsonl", self.name)),
        );
        // The daemon must not outlive this program, even if this is killed. An ignored SIGHUP would be
        // inherited.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--", "env", "--default-signal=HUP"]);
        for (name, value) in &self.environment {
            command.arg(format!("{name}={value}"));
        }
        command.args(&self.wrapper);
        command.args([env!("CARGO_BIN_EXE_affectd"), self.subcommand]);
        for setting in &self.settings {
            command.args(["--set", setting]);
        }
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("AFFECTD_")) {
            command.env_remove(name);
        }
        let file = |path: &PathBuf| Stdio::from(File::create(path).unwrap());
        let process = command
            .stdin(Stdio::null())
            .stdout(self.stdout.unwrap_or_else(|| file(&output)))
            .stderr(self.stderr.unwrap_or_else(|| file(&log)))
            .spawn()
            .unwrap();
        Daemon { process, log, output }
    }
}

/// A running program; killed when the scenario ends.
pub struct Daemon {
    process: Child,
    log: PathBuf,
    output: PathBuf,
}

/// Memory and descriptors of a process.
#[derive(Debug, Clone, Copy)]
pub struct Usage {
    /// MiB.
    pub resident: u64,
    pub descriptors: usize,
    pub threads: u64,
}

impl Usage {
    /// Whether this does not exceed `before`, with a margin for memory that is touched late.
    pub fn is_like(&self, before: &Self) -> bool {
        self.resident <= before.resident + 12
            && self.descriptors <= before.descriptors + 4
            && self.threads <= before.threads + 1
    }
}

impl Daemon {
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Returns its log so far.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// Returns its standard output so far.
    pub fn output(&self) -> String {
        fs::read_to_string(&self.output).unwrap_or_default()
    }

    /// Waits until its log contains a text.
    pub fn wait_for_log(&self, text: &str) -> f32 {
        until(&format!("{text:?} in the log"), || self.log().contains(text))
    }

    /// Sends a signal by its name.
    pub fn signal(&self, name: &str) {
        let id = self.process.id().to_string();
        let status = Command::new("kill").args(["-s", name, &id]).status().unwrap();
        assert!(status.success(), "kill -s {name}");
    }

    pub fn is_running(&mut self) -> bool {
        self.process.try_wait().unwrap().is_none()
    }

    /// Waits for it to exit.
    pub fn wait(&mut self) -> ExitStatus {
        let start = Instant::now();
        loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                return status;
            }
            assert!(start.elapsed() < PATIENCE, "the daemon does not end");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Stops it, which must succeed within the unit's TimeoutStopSec, and returns how long that took.
    pub fn stop(&mut self, signal: &str) -> f32 {
        let start = Instant::now();
        self.signal(signal);
        let status = self.wait();
        let seconds = start.elapsed().as_secs_f32();
        assert_eq!(
            status.code(),
            Some(0),
            "after SIG{signal}: {status}\n{}",
            self.log()
        );
        assert!(seconds < 5.0, "SIG{signal} took {seconds:.1} s");
        seconds
    }

    pub fn usage(&self) -> Usage {
        let entries = fs::read_dir(format!("/proc/{}/fd", self.id())).unwrap();
        Usage {
            resident: self.status("VmRSS:") >> 10,
            descriptors: entries.count(),
            threads: self.status("Threads:"),
        }
    }

    /// Its peak memory, MiB.
    pub fn peak(&self) -> u64 {
        self.status("VmHWM:") >> 10
    }

    fn status(&self, key: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with(key)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

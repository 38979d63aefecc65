//! A machine that is a program: a Linux kernel as a process of this one, with disks that are files.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

pub use crate::process::Machine;

/// How much longer than here everything may take; other machines have other figures.
pub const SLOWNESS: u32 = 1;

/// The unit's own pauses are 20 s before a restart and 30 s for the watchdog. Its other settings stay as they are.
pub const PAUSES: &str = "[Service]\nRestartSec=1s\nWatchdogSec=10s\n";

/// Whether there are lines for switch and light: its kernel has gpio-sim.
pub const HAS_PINS: bool = true;

/// What the configuration says besides: where switch and light are.
pub const CONFIG: &str = r#"
[gpio]
chip = "pins"
switch = "privacy"
switch_pull = "none"
led = "light"
"#;

/// From power on to a shell; some ten times what it takes.
const BOOT: Duration = Duration::from_secs(120);

/// What machines are made of.
pub struct Parts {
    /// The kernel, from kernel.sh.
    pub kernel: PathBuf,
    /// One of the cores that this process may run on.
    core: usize,
    /// Everything of this run: the disks, and the folder that the machine sees as /host.
    pub run: PathBuf,
}

impl Parts {
    /// Makes the folders, a copy of `root`, the disk from root.sh, and an empty disk for the broker. `machine` is the machine's place among those
    /// that run side by side.
    pub fn prepare(machine: usize, kernel: &Path, root: &Path, run: &Path) -> Self {
        let parts = Self {
            kernel: kernel.into(),
            core: core_for(machine),
            run: run.into(),
        };
        fs::create_dir_all(parts.host()).unwrap();
        // User-Mode Linux could write the changes alone into a file, but loses some when it is killed.
        let copied = Command::new("cp")
            .args(["--reflink=auto", "--sparse=always"])
            .args([root, parts.disk().as_path()])
            .status();
        assert!(copied.unwrap().success(), "cp");
        let made = Command::new("mke2fs")
            .args(["-q", "-t", "ext4"])
            .arg(parts.run.join("data.img"))
            .arg("16M")
            .status();
        assert!(made.unwrap().success(), "mke2fs");
        parts
    }

    /// The disk with the root.
    fn disk(&self) -> PathBuf {
        self.run.join("root.img")
    }

    /// The folder that the machine sees as /host.
    pub fn host(&self) -> PathBuf {
        self.run.join("host")
    }

    pub fn console(&self) -> PathBuf {
        self.run.join("console.log")
    }
}

impl Machine {
    /// Switches it on and waits for its shell. `mode` is that of the root: `rw` or `ro`.
    pub fn boot(parts: &Parts, mode: &str) -> Self {
        let disk = format!("ubd0={}", parts.disk().display());
        let console = File::options()
            .create(true)
            .append(true)
            .open(parts.console())
            .unwrap();
        let arguments = |command: &mut Command| {
            command
                .args(["--cpu-list", &parts.core.to_string()])
                .arg(&parts.kernel)
                .args(["mem=768M", "root=/dev/ubda", mode])
                .args(["systemd.show_status=no", "quiet"])
                .arg(disk)
                .arg(format!("ubd1={}", parts.run.join("data.img").display()))
                .arg(format!("hostfs={}", parts.host().display()))
                .args(["con=null", "con0=null,fd:2", "ssl=null", "ssl0=fd:0,fd:1"])
                // One camera, and one output that is its subject.
                .args(["vivid.node_types=0x101", "vivid.num_inputs=1"])
                .args(["vivid.input_types=3", "vivid.num_outputs=1"])
                .arg("vivid.output_types=1")
                .stderr(console);
        };
        // Its kernel and its programs are processes that wait for one another: spread over cores, they take half as long again.
        Self::start("taskset", arguments, BOOT)
    }
}

/// A core that this process may run on: each machine's own, where there are enough.
fn core_for(machine: usize) -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let allowed = status
        .lines()
        .find_map(|line| line.strip_prefix("Cpus_allowed_list:"))
        .unwrap();
    // Such as `0-3,8`.
    let ranges = allowed.trim().split(',').map(|range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        first.parse::<usize>().unwrap()..=last.parse().unwrap()
    });
    let cores: Vec<usize> = ranges.flatten().collect();
    // The first ones are the busiest on many machines.
    cores[cores.len() - 1 - machine % cores.len()]
}

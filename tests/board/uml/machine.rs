//! A User-Mode Linux machine: a kernel run as a child process, with files as disks.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

pub use crate::process::Machine;

/// Factor on all time limits.
pub const TIMEOUT_FACTOR: u32 = 1;

/// Drop-in with a shorter restart delay and watchdog timeout; the unit has 20 s and 30 s.
pub const UNIT_DROP_IN: &str = "[Service]\nRestartSec=1s\nWatchdogSec=10s\n";

/// Whether the machine has GPIO lines; this kernel has gpio-sim.
pub const HAS_GPIO: bool = true;

/// Additional configuration: the lines of the switch and the LED.
pub const CONFIG: &str = r#"
[gpio]
chip = "pins"
switch = "privacy"
switch_pull = "none"
led = "light"
"#;

/// Longest time from power-on to a shell; about ten times the usual time.
const BOOT: Duration = Duration::from_secs(120);

/// Files and resources of a machine.
pub struct Parts {
    /// The kernel, from kernel.sh.
    pub kernel: PathBuf,
    /// CPU core that the machine is pinned to.
    core: usize,
    /// Files of this run: the disks, and the folder mounted as /host.
    pub run: PathBuf,
}

impl Parts {
    /// Creates the folders, a copy of `root` (the disk from root.sh) and an empty disk for the broker.
    /// `machine` is the index among the machines that run in parallel.
    pub fn prepare(machine: usize, kernel: &Path, root: &Path, run: &Path) -> Self {
        let parts = Self {
            kernel: kernel.into(),
            core: core_for(machine),
            run: run.into(),
        };
        fs::create_dir_all(parts.host()).unwrap();
        // User-Mode Linux has copy-on-write files, but loses some writes when it is killed.
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

    /// Disk with the root file system.
    fn disk(&self) -> PathBuf {
        self.run.join("root.img")
    }

    /// The folder mounted as /host.
    pub fn host(&self) -> PathBuf {
        self.run.join("host")
    }

    pub fn console(&self) -> PathBuf {
        self.run.join("console.log")
    }
}

impl Machine {
    /// Boots the machine and waits for its shell. The root is mounted as `mode`: `rw` or `ro`.
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
                // One camera, and one output that plays its input.
                .args(["vivid.node_types=0x101", "vivid.num_inputs=1"])
                .args(["vivid.input_types=3", "vivid.num_outputs=1"])
                .arg("vivid.output_types=1")
                .stderr(console);
        };
        // The kernel and its programs are processes that wait for each other. Spread over several cores, they
        // take 50 % longer.
        Self::start("taskset", arguments, BOOT)
    }
}

/// Returns a core that this process may run on; each machine gets its own if there are enough.
fn core_for(machine: usize) -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let allowed = status
        .lines()
        .find_map(|line| line.strip_prefix("Cpus_allowed_list:"))
        .unwrap();
    // For example `0-3,8`.
    let ranges = allowed.trim().split(',').map(|range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        first.parse::<usize>().unwrap()..=last.parse().unwrap()
    });
    let cores: Vec<usize> = ranges.flatten().collect();
    // On many machines the first cores are the busiest.
    cores[cores.len() - 1 - machine % cores.len()]
}

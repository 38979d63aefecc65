//! An emulated machine: a Cortex-A72, as in a Raspberry Pi 4, with a file as its disk.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

pub use crate::process::Machine;

/// Factor on all time limits, relative to User-Mode Linux.
pub const TIMEOUT_FACTOR: u32 = 8;

/// Drop-in with a shorter restart delay and a longer watchdog timeout, because a frame may take seconds here.
pub const UNIT_DROP_IN: &str = "[Service]\nRestartSec=2s\nWatchdogSec=3min\n";

/// Debian's kernel has no gpio-sim.
pub const HAS_GPIO: bool = false;

/// Additional configuration: the small detector also runs on full frames, which is enough for large
/// portraits, and time limits of seconds become minutes, because a frame may take seconds here.
pub const CONFIG: &str = r#"
[detect]
model = "blazeface"
interval_s = 20
lost_s = 60
[smoothing]
gap_s = 120
"#;

/// Longest time from power-on to a shell; about ten times the usual time.
const BOOT: Duration = Duration::from_secs(600);

/// Files of a machine.
pub struct Parts {
    /// The folder from image.sh; it is never modified.
    pub image: PathBuf,
    /// Files of this run, with the folder mounted as /host.
    pub run: PathBuf,
}

impl Parts {
    /// Creates the folders.
    pub fn prepare(image: &Path, run: &Path) -> Self {
        let parts = Self {
            image: image.into(),
            run: run.into(),
        };
        fs::create_dir_all(parts.host()).unwrap();
        parts
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
    /// Boots the machine and waits for its shell. The root is mounted as `mode`: `rw` or `ro`. Writes to the
    /// disk are discarded.
    pub fn boot(parts: &Parts, mode: &str) -> Self {
        let image = |name: &str| parts.image.join(name);
        let arguments = |emulator: &mut Command| {
            emulator
                .args(["-machine", "virt", "-cpu", "cortex-a72"])
                .args(["-smp", "2", "-m", "1024"])
                .args(["-display", "none", "-monitor", "none"])
                .args(["-nic", "none", "-no-reboot"])
                .arg("-kernel")
                .arg(image("kernel"))
                .arg("-initrd")
                .arg(image("initrd"))
                .arg("-append")
                .arg(format!("console=ttyAMA0 {mode} systemd.show_status=no quiet"))
                .arg("-serial")
                .arg(format!("file:{}", parts.console().display()))
                .args(["-chardev", "stdio,id=shell"])
                .args(["-device", "pci-serial,chardev=shell"])
                .arg("-drive")
                .arg(format!(
                    "file={},format=raw,if=none,id=root,snapshot=on",
                    image("root.img").display()
                ))
                .args(["-device", "virtio-blk-pci,drive=root"])
                .arg("-virtfs")
                .arg(format!(
                    "local,path={},mount_tag=host,security_model=none",
                    parts.host().display()
                ));
        };
        Self::start("qemu-system-aarch64", arguments, BOOT)
    }
}

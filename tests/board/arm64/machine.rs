//! A machine that is emulated: a Cortex-A72, as in a Raspberry Pi 4, with a disk that is a file.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

pub use crate::process::Machine;

/// How much longer than in User-Mode Linux everything takes, at worst.
pub const SLOWNESS: u32 = 8;

/// A shorter pause before a restart, and a longer one for the watchdog: a frame may take seconds here.
pub const PAUSES: &str = "[Service]\nRestartSec=2s\nWatchdogSec=3min\n";

/// Debian's kernel has no gpio-sim.
pub const HAS_PINS: bool = false;

/// What the configuration says besides: the small detector searches too, since the portraits are large; and what is remembered for seconds
/// elsewhere is remembered for a minute, since here a frame may take seconds.
pub const CONFIG: &str = r#"
[detect]
model = "blazeface"
interval_s = 20
lost_s = 60
[smoothing]
gap_s = 120
"#;

/// From power on to a shell; some ten times what it takes.
const BOOT: Duration = Duration::from_secs(600);

/// What machines are made of.
pub struct Parts {
    /// The folder from image.sh; it is never written.
    pub image: PathBuf,
    /// Everything of this run, with the folder that the machine sees as /host.
    pub run: PathBuf,
}

impl Parts {
    /// Makes the folders.
    pub fn prepare(image: &Path, run: &Path) -> Self {
        let parts = Self {
            image: image.into(),
            run: run.into(),
        };
        fs::create_dir_all(parts.host()).unwrap();
        parts
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
    /// Switches it on and waits for its shell. `mode` is that of the root: `rw` or `ro`. What it writes to its disk is forgotten.
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

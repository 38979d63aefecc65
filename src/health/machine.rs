//! Identifies the machine: the heading of a measurement report, and the key by which a budget is looked up.

use std::{env::consts::ARCH, fs, path::Path, thread};

use serde::Serialize;

use super::sysfs::{board_model, string};

/// A machine's description. Values that the system does not provide are `None`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Machine {
    /// The board's name from the device tree, or the processor's.
    pub model: Option<String>,
    /// The instruction set that this program is compiled for.
    pub arch: &'static str,
    /// Processor cores that this process may use.
    pub cores: usize,
    /// The kernel's release.
    pub kernel: Option<String>,
    /// The frequency governor of the first core, e.g. `ondemand`.
    pub governor: Option<String>,
}

impl Machine {
    /// Reads the description from /proc and /sys.
    #[must_use]
    pub fn read() -> Self {
        Self::read_below(Path::new("/"))
    }

    /// Like [`Machine::read`], but below `root` instead of `/`.
    #[must_use]
    pub fn read_below(root: &Path) -> Self {
        Self {
            model: board_model(root).or_else(|| processor(&root.join("proc/cpuinfo"))),
            arch: ARCH,
            cores: thread::available_parallelism().map_or(1, Into::into),
            kernel: string(&root.join("proc/sys/kernel/osrelease")),
            governor: string(&root.join("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")),
        }
    }
}

/// `model name : …` in /proc/cpuinfo.
fn processor(cpuinfo: &Path) -> Option<String> {
    let cpuinfo = fs::read_to_string(cpuinfo).ok()?;
    let line = cpuinfo.lines().find(|line| line.starts_with("model name"))?;
    let (_, name) = line.split_once(':')?;
    Some(name.trim().to_owned())
}

/// The first core's current clock in MHz; `None` if the kernel does not scale it.
#[must_use]
pub fn clock_mhz() -> Option<u32> {
    let text = fs::read_to_string("/sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq").ok()?;
    Some(text.trim().parse::<u32>().ok()? / 1000)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn reads_a_board_and_a_machine_without_a_device_tree() {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        let bare = Machine::read_below(root.path());
        assert_eq!((bare.model, bare.kernel, bare.governor), (None, None, None));
        assert!(bare.cores >= 1);

        write("proc/cpuinfo", "processor\t: 0\nmodel name\t: Some CPU @ 2 GHz\n");
        let model = |root| Machine::read_below(root).model;
        assert_eq!(model(root.path()).as_deref(), Some("Some CPU @ 2 GHz"));

        write("proc/device-tree/model", "Raspberry Pi 4 Model B Rev 1.4\0");
        write("proc/sys/kernel/osrelease", "6.6.31+rpt-rpi-v8\n");
        write(
            "sys/devices/system/cpu/cpu0/cpufreq/scaling_governor",
            "ondemand\n",
        );
        let board = Machine::read_below(root.path());
        assert_eq!(board.model.as_deref(), Some("Raspberry Pi 4 Model B Rev 1.4"));
        assert_eq!(board.kernel.as_deref(), Some("6.6.31+rpt-rpi-v8"));
        assert_eq!(board.governor.as_deref(), Some("ondemand"));
    }
}

//! What the board's kernel and firmware print in /proc and /sys.

use std::{fs, path::Path};

use affectd::health::{Board, Machine};

use crate::target::fuzz;

/// The files that are read.
const FILES: [&str; 9] = [
    "proc/self/status",
    "proc/cpuinfo",
    "proc/device-tree/model",
    "sys/class/thermal/thermal_zone0/temp",
    "sys/class/thermal/thermal_zone0/type",
    "sys/class/thermal/thermal_zone1/temp",
    "sys/bus/platform/drivers/raspberrypi-firmware/soc:firmware/get_throttled",
    "sys/class/hwmon/hwmon0/name",
    "sys/class/hwmon/hwmon0/in0_lcrit_alarm",
];

/// The contents of all files, divided by the byte FF.
#[test]
fn readings() {
    // In memory: a disk would be the slowest part.
    let root = tempfile::tempdir_in("/dev/shm").unwrap();
    for file in FILES {
        fs::create_dir_all(root.path().join(file).parent().unwrap()).unwrap();
    }
    let root = root.path().to_owned();
    fuzz("board__readings", move |bytes| read(&root, bytes));
}

fn read(root: &Path, bytes: &[u8]) {
    let mut contents = bytes.split(|&byte| byte == 0xFF);
    for file in FILES {
        fs::write(root.join(file), contents.next().unwrap_or_default()).unwrap();
    }
    let board = Board::read_below(root);
    assert!(board.temperature_c.is_none_or(f32::is_finite));
    let _ = (board.is_throttled(), Machine::read_below(root));
}

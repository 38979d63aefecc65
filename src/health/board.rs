//! The board's own readings: memory, temperature, throttling. Every reading is optional, because no two
//! boards offer the same.

use std::{fs, path::Path};

/// The board's readings at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Board {
    /// Resident memory of this process in bytes.
    pub rss_bytes: Option<u64>,
    /// Peak resident memory of this process in bytes.
    pub peak_rss_bytes: Option<u64>,
    /// The hottest thermal zone in degrees Celsius.
    pub temperature_c: Option<f32>,
    /// Raspberry Pi firmware's throttle bits (bit 0 undervoltage now, 1 frequency capped now, 2 throttled
    /// now, 3 soft temperature limit now; 16 to 19 the same since boot).
    pub throttled: Option<u32>,
    /// Whether the supply voltage is too low now, according to those bits or the kernel's own sensor.
    pub undervoltage: Option<bool>,
}

/// The throttle bit for undervoltage now.
const UNDERVOLTAGE: u32 = 1 << 0;

/// The throttle bits for a slowed processor. The soft temperature limit is not among them: a Pi 3B+ sets it
/// from 60 degrees on and gives up only its last 200 MHz.
const SLOWED_DOWN: u32 = 1 << 1 | 1 << 2;

impl Board {
    /// Reads them from /proc and /sys.
    #[must_use]
    pub fn read() -> Self {
        Self::read_below(Path::new("/"))
    }

    /// Whether the firmware has slowed the processor down.
    #[must_use]
    pub fn is_throttled(&self) -> bool {
        self.throttled.is_some_and(|bits| bits & SLOWED_DOWN != 0)
    }

    /// Like [`Board::read`], but below `root` instead of `/`.
    #[must_use]
    pub fn read_below(root: &Path) -> Self {
        let throttled = throttled(&root.join("sys/bus/platform/drivers/raspberrypi-firmware"));
        Self {
            rss_bytes: memory(&root.join("proc/self/status"), "VmRSS:"),
            peak_rss_bytes: memory(&root.join("proc/self/status"), "VmHWM:"),
            temperature_c: hottest(&root.join("sys/class/thermal")),
            throttled,
            undervoltage: throttled
                .map(|bits| bits & UNDERVOLTAGE != 0)
                .or_else(|| undervoltage(&root.join("sys/class/hwmon"))),
        }
    }
}

/// A field such as `VmRSS:   1234 kB` of /proc/self/status, in bytes (proc(5)).
fn memory(status: &Path, field: &str) -> Option<u64> {
    let text = fs::read_to_string(status).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(field))?;
    line.trim()
        .strip_suffix("kB")?
        .trim()
        .parse::<u64>()
        .ok()?
        .checked_mul(1024)
}

/// The thermal zone of a Jetson's power chip, which always reads 100 degrees.
const NO_THERMOMETER: &str = "PMIC-Die";

/// Zones report thousandths of a degree; a zone that cannot be read is skipped.
fn hottest(zones: &Path) -> Option<f32> {
    let degrees = fs::read_dir(zones).ok()?.flatten().filter_map(|zone| {
        if read(&zone.path().join("type")).is_some_and(|kind| kind == NO_THERMOMETER) {
            return None;
        }
        read(&zone.path().join("temp"))?.parse::<i32>().ok()
    });
    degrees.max().map(|milli| milli as f32 / 1000.0)
}

/// The Raspberry Pi's own kernel prints the bits in hexadecimal without a prefix, in the directory of the
/// firmware's device below its driver.
fn throttled(driver: &Path) -> Option<u32> {
    let devices = fs::read_dir(driver).ok()?.flatten();
    let text = devices
        .map(|device| device.path().join("get_throttled"))
        .find_map(|file| read(&file))?;
    u32::from_str_radix(text.trim_start_matches("0x"), 16).ok()
}

/// Every kernel exposes a Raspberry Pi's undervoltage as a hardware monitor.
fn undervoltage(monitors: &Path) -> Option<bool> {
    let mut monitors = fs::read_dir(monitors).ok()?.flatten();
    let monitor =
        monitors.find(|monitor| read(&monitor.path().join("name")).is_some_and(|name| name == "rpi_volt"))?;
    Some(read(&monitor.path().join("in0_lcrit_alarm"))? != "0")
}

fn read(file: &Path) -> Option<String> {
    Some(fs::read_to_string(file).ok()?.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_raspberry_pi_and_a_bare_machine() {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        assert_eq!(Board::read_below(root.path()), Board::default());

        write(
            "proc/self/status",
            "Name:\taffectd\nVmHWM:\t   4096 kB\nVmRSS:\t   2048 kB\n",
        );
        write("sys/class/thermal/thermal_zone0/temp", "48312\n");
        write("sys/class/thermal/thermal_zone1/temp", "51000\n");
        write("sys/class/thermal/thermal_zone2/temp", "broken\n");
        write("sys/class/thermal/thermal_zone3/type", "PMIC-Die\n");
        write("sys/class/thermal/thermal_zone3/temp", "100000\n");
        write("sys/class/hwmon/hwmon0/name", "cpu_thermal\n");
        write("sys/class/hwmon/hwmon1/name", "rpi_volt\n");
        write("sys/class/hwmon/hwmon1/in0_lcrit_alarm", "1\n");
        let expected = Board {
            rss_bytes: Some(2048 * 1024),
            peak_rss_bytes: Some(4096 * 1024),
            temperature_c: Some(51.0),
            throttled: None,
            undervoltage: Some(true),
        };
        assert_eq!(Board::read_below(root.path()), expected);
        assert!(!expected.is_throttled());

        // With the Raspberry Pi's own kernel.
        let driver = "sys/bus/platform/drivers/raspberrypi-firmware";
        write(&format!("{driver}/uevent"), "");
        write(&format!("{driver}/soc:firmware/get_throttled"), "50004\n");
        let board = Board::read_below(root.path());
        assert_eq!(
            (board.throttled, board.undervoltage),
            (Some(0x50004), Some(false))
        );
        assert!(board.is_throttled());
    }

    #[test]
    fn this_process_uses_memory() {
        assert!(Board::read().rss_bytes.unwrap() > 1024 * 1024);
    }
}

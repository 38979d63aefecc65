//! What the board says of itself: memory, temperature, throttling. Every reading is optional, since
//! no two boards offer the same.

use std::{fs, path::Path};

/// The board's own figures at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Board {
    /// Resident memory of this process in bytes.
    pub rss_bytes: Option<u64>,
    /// The most resident memory that this process ever had, in bytes.
    pub peak_rss_bytes: Option<u64>,
    /// The hottest thermal zone in degrees Celsius.
    pub temperature_c: Option<f32>,
    /// Raspberry Pi firmware's throttle bits (bit 0 undervoltage now, 1 frequency capped now, 2 throttled
    /// now, 3 soft temperature limit now; 16 to 19 the same since boot).
    pub throttled: Option<u32>,
}

impl Board {
    /// Reads the figures from /proc and /sys.
    #[must_use]
    pub fn read() -> Self {
        Self::read_below(Path::new("/"))
    }

    fn read_below(root: &Path) -> Self {
        Self {
            rss_bytes: memory(&root.join("proc/self/status"), "VmRSS:"),
            peak_rss_bytes: memory(&root.join("proc/self/status"), "VmHWM:"),
            temperature_c: hottest(&root.join("sys/class/thermal")),
            throttled: throttled(&root.join("sys/devices/platform/soc/soc:firmware/get_throttled")),
        }
    }
}

/// `VmRSS:   1234 kB`, `VmHWM` likewise, in /proc/self/status, proc(5).
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

/// Zones report thousandths of a degree; a zone that cannot be read is passed over.
fn hottest(zones: &Path) -> Option<f32> {
    let degrees = fs::read_dir(zones).ok()?.flatten().filter_map(|zone| {
        let text = fs::read_to_string(zone.path().join("temp")).ok()?;
        text.trim().parse::<i32>().ok()
    });
    degrees.max().map(|milli| milli as f32 / 1000.0)
}

/// The kernel prints the bits in hexadecimal without a prefix.
fn throttled(file: &Path) -> Option<u32> {
    let text = fs::read_to_string(file).ok()?;
    u32::from_str_radix(text.trim().trim_start_matches("0x"), 16).ok()
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
        write("sys/devices/platform/soc/soc:firmware/get_throttled", "50005\n");
        let expected = Board {
            rss_bytes: Some(2048 * 1024),
            peak_rss_bytes: Some(4096 * 1024),
            temperature_c: Some(51.0),
            throttled: Some(0x50005),
        };
        assert_eq!(Board::read_below(root.path()), expected);
    }

    #[test]
    fn this_process_uses_memory() {
        assert!(Board::read().rss_bytes.unwrap() > 1024 * 1024);
    }
}

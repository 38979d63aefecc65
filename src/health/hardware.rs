//! The board's identity and sensors, read once at the start.

use std::{fs, path::Path};

use super::{
    Board,
    sysfs::{board_model, string},
};

/// The board's own names, and the sensors it has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hardware {
    /// E.g. `Raspberry Pi 5 Model B Rev 1.0`; `None` if the board does not say.
    pub model: Option<String>,
    /// The board's serial number; `None` if it has none or only root may read it.
    pub serial: Option<String>,
    /// The permanent address of its first network adapter, wired before wireless, e.g. `d8:3a:dd:01:02:03`.
    pub mac: Option<String>,
    /// Whether it has a temperature sensor.
    pub has_thermometer: bool,
    /// Whether it reports that the supply voltage is too low.
    pub detects_undervoltage: bool,
}

/// An Ethernet adapter, including wireless ones (`ARPHRD_ETHER` in linux/if_arp.h).
const ETHERNET: &str = "1";

/// The address was neither generated at random nor set by software (`NET_ADDR_PERM` in linux/netdevice.h).
const PERMANENT: &str = "0";

impl Hardware {
    /// Reads it from /proc and /sys.
    #[must_use]
    pub fn read() -> Self {
        Self::read_below(Path::new("/"))
    }

    fn read_below(root: &Path) -> Self {
        let tree = root.join("proc/device-tree");
        let machine = root.join("sys/class/dmi/id");
        let board = Board::read_below(root);
        Self {
            model: board_model(root).or_else(|| string(&machine.join("product_name"))),
            serial: string(&tree.join("serial-number")).or_else(|| string(&machine.join("product_serial"))),
            mac: mac(&root.join("sys/class/net")),
            has_thermometer: board.temperature_c.is_some(),
            detects_undervoltage: board.undervoltage.is_some(),
        }
    }
}

/// Virtual adapters (bridges, containers) have no device.
fn mac(adapters: &Path) -> Option<String> {
    let adapters = fs::read_dir(adapters).ok()?.flatten();
    let found = adapters.filter_map(|adapter| {
        let adapter = adapter.path();
        let is =
            |file: &str, expected: &str| string(&adapter.join(file)).is_some_and(|found| found == expected);
        let is_usable =
            adapter.join("device").exists() && is("type", ETHERNET) && is("addr_assign_type", PERMANENT);
        let is_wireless = adapter.join("phy80211").exists();
        let address = string(&adapter.join("address"))?;
        is_usable.then_some((is_wireless, adapter, address))
    });
    found.min().map(|(_, _, address)| address)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn write(root: &Path, path: &str, text: &str) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn adapter(root: &Path, name: &str, address: &str, assigned: &str) {
        for (file, text) in [
            ("type", "1"),
            ("address", address),
            ("addr_assign_type", assigned),
        ] {
            write(
                root,
                &format!("sys/class/net/{name}/{file}"),
                &format!("{text}\n"),
            );
        }
        fs::create_dir_all(root.join(format!("sys/class/net/{name}/device"))).unwrap();
    }

    #[test]
    fn reads_a_raspberry_pi() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        assert_eq!(Hardware::read_below(root), Hardware::default());
        write(root, "proc/device-tree/model", "Raspberry Pi 5 Model B Rev 1.0\0");
        write(root, "proc/device-tree/serial-number", "10000000abcdef01\0");
        write(root, "sys/class/thermal/thermal_zone0/temp", "48312\n");
        write(root, "sys/class/hwmon/hwmon0/name", "rpi_volt\n");
        write(root, "sys/class/hwmon/hwmon0/in0_lcrit_alarm", "0\n");
        assert_eq!(
            Hardware::read_below(root),
            Hardware {
                model: Some("Raspberry Pi 5 Model B Rev 1.0".into()),
                serial: Some("10000000abcdef01".into()),
                mac: None,
                has_thermometer: true,
                detects_undervoltage: true,
            }
        );
    }

    #[test]
    fn reads_a_machine_with_firmware_tables() {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), "sys/class/dmi/id/product_name", "NUC11PAHi5\n");
        write(root.path(), "sys/class/dmi/id/product_serial", " \n");
        let hardware = Hardware::read_below(root.path());
        assert_eq!(hardware.model.as_deref(), Some("NUC11PAHi5"));
        assert_eq!(hardware.serial, None);
    }

    #[test]
    fn the_mac_is_permanent_and_not_virtual() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        let mac = || Hardware::read_below(root).mac;
        write(root, "sys/class/net/lo/type", "772\n");
        write(root, "sys/class/net/docker0/type", "1\n");
        write(root, "sys/class/net/docker0/address", "02:42:00:00:00:01\n");
        adapter(root, "usb0", "3a:00:00:00:00:01", "1");
        assert_eq!(mac(), None);
        adapter(root, "wlan0", "d8:3a:dd:00:00:02", "0");
        fs::create_dir_all(root.join("sys/class/net/wlan0/phy80211")).unwrap();
        assert_eq!(mac().as_deref(), Some("d8:3a:dd:00:00:02"));
        adapter(root, "eth1", "d8:3a:dd:00:00:04", "0");
        adapter(root, "eth0", "d8:3a:dd:00:00:03", "0");
        assert_eq!(mac().as_deref(), Some("d8:3a:dd:00:00:03"));
    }
}

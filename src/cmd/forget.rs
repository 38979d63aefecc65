//! `affectd forget`: removes what the broker keeps of a device.

use std::io::Write;

use anyhow::anyhow;
use clap::Args;

use super::Global;
use crate::{
    config::DeviceId,
    error::{Exit, Failure, Unwritable},
    publish,
};

/// Removes what the broker keeps of a device
///
/// For a board that was renamed or is gone: clears every retained message of the device at the broker in
/// mqtt.host, its discovery in Home Assistant among them, and prints their topics. Refuses while the device is
/// online.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Name of the device [default: this one's]
    device: Option<DeviceId>,

    /// Also if the broker says that the device is online
    #[arg(long)]
    force: bool,
}

impl Arguments {
    pub(super) fn run(&self, global: &Global, out: &mut dyn Write) -> Result<(), Failure> {
        let settings = global.settings()?;
        if settings.mqtt.host.is_empty() {
            let error = anyhow!("mqtt.host is empty, so there is no broker that keeps anything");
            return Err(Failure::new(Exit::Config, error));
        }
        let device = self.device.clone().unwrap_or_else(|| settings.device_id());
        let topics = publish::forget(&settings.mqtt, &device, self.force)?;
        if topics.is_empty() {
            writeln!(out, "the broker keeps nothing of {device}").map_err(Unwritable)?;
        }
        for topic in topics {
            writeln!(out, "removed {topic}").map_err(Unwritable)?;
        }
        Ok(())
    }
}

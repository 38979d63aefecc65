//! `affectd forget`: removes a device's retained messages from the broker.

use std::io::Write;

use anyhow::anyhow;
use clap::Args;

use super::Global;
use crate::{
    config::DeviceId,
    error::{Exit, Failure, Unwritable},
    publish,
};

/// Removes the retained messages of a device from the broker
///
/// For a board that was renamed or is gone: clears every retained message of the device at the broker in
/// mqtt.host, including its discovery in Home Assistant, and prints their topics. Refuses while the device is
/// online or its availability cannot be read.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Name of the device [default: this one's]
    device: Option<DeviceId>,

    /// Removes them even if the broker reports the device as online
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
            writeln!(out, "the broker shows this user no retained message of {device}")
                .map_err(Unwritable)?;
        }
        for topic in topics {
            writeln!(out, "removed {topic}").map_err(Unwritable)?;
        }
        Ok(())
    }
}

//! `affectd latency`: the age of results, from capture to a subscriber.

use std::{io::Write, time::Duration};

use clap::Args;

use super::{Global, open_sensor, stop_on_signals};
use crate::{error::Failure, measure::latency};

/// Measures the age of results, from the camera to a subscriber
///
/// Runs like the daemon, with the configured camera and broker, while a second client subscribes to the
/// state. The stages cover the time from the capture of a frame to its report; the subscriber's figures add
/// the publishing interval and the path through the broker. Without mqtt.host only the stages are measured.
/// Stop the daemon first: both need the camera and publish as the same device.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Measures for this many seconds, 1 to 120
    #[arg(long, default_value_t = 30.0, value_parser = seconds)]
    seconds: f32,

    /// Prints one JSON object
    #[arg(long)]
    json: bool,
}

impl Arguments {
    pub(super) fn run(&self, global: &Global, out: &mut dyn Write) -> Result<(), Failure> {
        let settings = global.settings()?;
        let (sensor, manifest) = open_sensor(&settings)?;
        let stop = stop_on_signals()?;
        let plan = latency::Plan {
            time: Duration::from_secs_f32(self.seconds),
            json: self.json,
        };
        latency::latency(&settings, sensor, &manifest, stop, plan, out)
    }
}

/// At most the window of the pipeline's stage times, so they cover the whole measurement.
fn seconds(text: &str) -> Result<f32, String> {
    match text.parse::<f32>() {
        Ok(seconds) if (1.0..=120.0).contains(&seconds) => Ok(seconds),
        _ => Err("allowed: a number from 1 to 120, in seconds".to_owned()),
    }
}

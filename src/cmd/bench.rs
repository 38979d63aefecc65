//! `affectd bench`: the cost of each processing stage on this machine.

use std::io::Write;

use clap::Args;

use super::{Global, open_sensor};
use crate::{
    error::Failure,
    measure::{bench, profile},
};

/// Measures the cost of each processing stage on this machine
///
/// Decodes and senses the bundled clip in one thread as fast as possible, first as YUYV, then as MJPEG, the
/// formats that cameras deliver most often. If there is a budget for this board, the results are compared
/// with it. Runs of several minutes also show whether the board slows down as it heats up.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Measures each format for this many seconds
    #[arg(long, default_value_t = 10.0, value_parser = seconds)]
    seconds: f32,

    /// Number of inference threads, as in expression.threads
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=8))]
    threads: Option<u8>,

    /// Profiles the networks instead: time, operations and share of peak throughput by kind of operator
    #[arg(long, conflicts_with_all = ["seconds", "threads"])]
    profile: bool,

    /// Prints one JSON object
    #[arg(long)]
    json: bool,
}

impl Arguments {
    pub(super) fn run(&self, global: &Global, out: &mut dyn Write) -> Result<(), Failure> {
        let mut settings = global.settings()?;
        if self.profile {
            return profile::profile(&settings, self.json, out);
        }
        if let Some(threads) = self.threads {
            settings.expression.threads = threads.into();
        }
        let (sensor, _) = open_sensor(&settings)?;
        bench::bench(&settings, sensor, self.seconds, self.json, out)
    }
}

fn seconds(text: &str) -> Result<f32, String> {
    match text.parse::<f32>() {
        Ok(seconds) if (0.0..=3600.0).contains(&seconds) => Ok(seconds),
        _ => Err("allowed: a number from 0 to 3600, in seconds".to_owned()),
    }
}

//! `affectd bench`: the cost of each processing stage on this machine.

use std::{io::Write, path::PathBuf, time::Duration};

use clap::Args;

use super::{Global, open_sensor};
use crate::{
    capture::PixelFormat,
    error::{Exit, Failure},
    measure::{bench, player::Recording, profile},
};

/// Measures the cost of each processing stage on this machine
///
/// Decodes and senses a recording in one thread as fast as possible, first as YUYV, then as MJPEG, the
/// formats that cameras deliver most often. If there is a budget for this board, the results are compared
/// with it. Runs of several minutes also show whether the board slows down as it heats up.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Measures each format for this many seconds
    #[arg(long, default_value_t = 10.0, value_parser = seconds)]
    seconds: f32,

    /// Measures exactly this many frames of each format instead, without a first pass that fills the caches
    #[arg(long, value_name = "N", conflicts_with = "seconds", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    frames: Option<u64>,

    /// Plays this file of concatenated JPEG pictures instead of the bundled clip
    #[arg(long, value_name = "FILE")]
    recording: Option<PathBuf>,

    /// Measures only this pixel format, YUYV or MJPG
    #[arg(long, value_parser = format)]
    format: Option<PixelFormat>,

    /// Number of inference threads, as in expression.threads
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=8))]
    threads: Option<u8>,

    /// Profiles the networks instead: time, operations and share of peak throughput by kind of operator
    #[arg(long, conflicts_with_all = ["seconds", "frames", "recording", "format", "threads"])]
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
        // Read before the networks are loaded, which takes longer: the file may be missing.
        let recording = match &self.recording {
            None => Recording::bundled(),
            Some(path) => Recording::read(path).map_err(|error| Failure::new(Exit::Input, error))?,
        };
        let (sensor, _) = open_sensor(&settings)?;
        let plan = bench::Plan {
            recording,
            formats: self
                .format
                .map_or_else(|| bench::FORMATS.to_vec(), |format| vec![format]),
            time: Duration::from_secs_f32(self.seconds),
            frames: self.frames,
        };
        bench::bench(&settings, sensor, &plan, self.json, out)
    }
}

fn seconds(text: &str) -> Result<f32, String> {
    match text.parse::<f32>() {
        Ok(seconds) if (0.0..=3600.0).contains(&seconds) => Ok(seconds),
        _ => Err("allowed: a number from 0 to 3600, in seconds".to_owned()),
    }
}

fn format(text: &str) -> Result<PixelFormat, String> {
    bench::FORMATS
        .into_iter()
        .find(|format| format.to_string() == text)
        .ok_or_else(|| "allowed: YUYV or MJPG".to_owned())
}

//! The daemon's condition at one moment.

use std::time::Duration;

use super::{Board, Stage, Summary, WorkRate};

/// What the daemon reports about itself at regular intervals.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Health {
    /// Frames sensed per second over the last interval.
    pub fps: f32,
    /// Frames dropped since the start because sensing was busy, the driver lost them, or they had waited too
    /// long.
    pub drops: u64,
    /// Latency of each stage over the last minutes, in the order of [`Stage::ALL`]; stages that did not run
    /// are missing.
    pub latency: heapless::Vec<StageLatency, { Stage::ALL.len() }>,
    /// The board's own readings.
    pub board: Board,
    /// The work rate, and the reason if it is reduced.
    pub work_rate: WorkRate,
    /// Time since the daemon's start.
    pub uptime: Duration,
}

/// How long one stage took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StageLatency {
    /// The stage.
    pub stage: Stage,
    /// Its percentiles.
    pub summary: Summary,
}

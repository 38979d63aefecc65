//! What the threads count together, for the health topic, the watchdog and the closing table.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use crate::{
    health::{Board, Pace, Stage, StageTimes, Strain},
    publish::payload::{HealthPayload, Rounded, StageLatency},
};

/// How far back the latency figures reach, at least.
const WINDOW: Duration = Duration::from_secs(120);

/// Counters since the start, and the latency histogram of every stage.
#[derive(Debug)]
pub struct Figures {
    captured: AtomicU64,
    corrupt: AtomicU64,
    undecodable: AtomicU64,
    sensed: AtomicU64,
    faces: AtomicU64,
    sensing: AtomicBool,
    /// Nanoseconds that the sensing thread has worked for.
    worked: AtomicU64,
    /// The part of the full rate at which to sense, as the bits of an `f32`.
    kept: AtomicU32,
    /// When the privacy switch was heard of last, in nanoseconds.
    heard: AtomicU64,
    stages: Mutex<StageTimes>,
}

impl Default for Figures {
    fn default() -> Self {
        Self {
            captured: AtomicU64::new(0),
            corrupt: AtomicU64::new(0),
            undecodable: AtomicU64::new(0),
            sensed: AtomicU64::new(0),
            faces: AtomicU64::new(0),
            sensing: AtomicBool::new(false),
            worked: AtomicU64::new(0),
            kept: AtomicU32::new(Pace::FULL.kept.to_bits()),
            heard: AtomicU64::new(0),
            stages: Mutex::new(StageTimes::new(WINDOW)),
        }
    }
}

impl Figures {
    /// Nothing counted yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Frames that the source delivered.
    #[must_use]
    pub fn captured_frames(&self) -> u64 {
        self.captured.load(Relaxed)
    }

    /// Frames whose bytes were unusable.
    #[must_use]
    pub fn corrupt_frames(&self) -> u64 {
        self.corrupt.load(Relaxed) + self.undecodable.load(Relaxed)
    }

    /// Frames that went through the whole line.
    #[must_use]
    pub fn sensed_frames(&self) -> u64 {
        self.sensed.load(Relaxed)
    }

    /// Frames that the sensing thread is done with, also those that could not be decoded: a camera that sends nothing else
    /// is no reason to start again.
    #[must_use]
    pub fn finished_frames(&self) -> u64 {
        self.sensed_frames() + self.undecodable.load(Relaxed)
    }

    /// Faces in all those frames together.
    #[must_use]
    pub fn faces(&self) -> u64 {
        self.faces.load(Relaxed)
    }

    /// Whether a camera is delivering; otherwise the daemon is idle knowingly.
    #[must_use]
    pub fn is_sensing(&self) -> bool {
        self.sensing.load(Relaxed)
    }

    /// The latency histograms.
    pub fn stages(&self) -> MutexGuard<'_, StageTimes> {
        self.stages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The health message: `fps` over the last interval, `drops` since the start.
    pub(super) fn health(
        &self,
        fps: f32,
        drops: u64,
        board: &Board,
        pace: Pace,
        now: Duration,
    ) -> HealthPayload {
        let mut times = self.stages();
        let latency = Stage::ALL.into_iter().filter_map(|stage| {
            let summary = times.summary(now, stage)?;
            let milliseconds = |time: Duration| Rounded(time.as_secs_f32() * 1e3);
            let [p50, p95, p99] = [summary.p50, summary.p95, summary.p99].map(milliseconds);
            Some(StageLatency {
                stage: stage.name(),
                p50,
                p95,
                p99,
            })
        });
        HealthPayload {
            fps: Rounded(fps),
            drops,
            latency: latency.collect(),
            temperature: board.temperature_c.map(Rounded),
            throttled: board.throttled,
            undervoltage: board.undervoltage,
            shed: Rounded(1.0 - pace.kept),
            strain: pace.strain.map(Strain::name),
            rss: board.rss_bytes.unwrap_or(0),
            uptime: now.as_secs(),
        }
    }

    pub(super) fn count_captured(&self) {
        self.captured.fetch_add(1, Relaxed);
    }

    pub(super) fn count_corrupt(&self) {
        self.corrupt.fetch_add(1, Relaxed);
    }

    pub(super) fn count_undecodable(&self) {
        self.undecodable.fetch_add(1, Relaxed);
    }

    pub(super) fn count_sensed(&self, faces: usize) {
        self.sensed.fetch_add(1, Relaxed);
        self.faces.fetch_add(faces as u64, Relaxed);
    }

    pub(super) fn count_work(&self, time: Duration) {
        self.worked.fetch_add(nanoseconds(time), Relaxed);
    }

    /// How long the sensing thread has worked so far.
    pub(super) fn worked(&self) -> Duration {
        Duration::from_nanos(self.worked.load(Relaxed))
    }

    pub(super) fn set_kept(&self, kept: f32) {
        self.kept.store(kept.to_bits(), Relaxed);
    }

    /// The part of the full rate at which to sense.
    pub(super) fn kept(&self) -> f32 {
        f32::from_bits(self.kept.load(Relaxed))
    }

    /// The privacy switch answered, be it with an error.
    pub(super) fn hear_switch(&self, now: Duration) {
        self.heard.store(nanoseconds(now), Relaxed);
    }

    /// When the privacy switch answered last.
    pub(super) fn heard_switch(&self) -> Duration {
        Duration::from_nanos(self.heard.load(Relaxed))
    }

    pub(super) fn set_sensing(&self, sensing: bool) {
        self.sensing.store(sensing, Relaxed);
    }

    pub(super) fn stage(&self, now: Duration, stage: Stage, elapsed: Duration) {
        self.stages().record(now, stage, elapsed);
    }
}

/// Enough for 584 years.
fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

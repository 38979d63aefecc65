//! Counters shared by the threads, for the health topic, the HTTP server, the watchdog and the closing table.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use super::{Board, Health, Stage, StageLatency, StageTimes, StageTotals, WorkRate, progress::Progress};

/// How far back the latency percentiles reach, at least.
const WINDOW: Duration = Duration::from_secs(120);

/// Counters since the start, and the latency histogram of every stage.
#[derive(Debug)]
pub struct Metrics {
    captured: AtomicU64,
    corrupt: AtomicU64,
    undecodable: AtomicU64,
    stale: AtomicU64,
    lost: AtomicU64,
    sensed: AtomicU64,
    faces: AtomicU64,
    camera_open: AtomicBool,
    delivering: AtomicBool,
    loading: AtomicBool,
    /// Nanoseconds for which the sensing thread was busy.
    busy: AtomicU64,
    /// The fraction of the full rate at which to sense, as the bits of an `f32`.
    rate_fraction: AtomicU32,
    /// When the privacy switch last answered, in nanoseconds of the monotonic clock.
    switch_answered: AtomicU64,
    stages: Mutex<StageTimes>,
    totals: Mutex<StageTotals>,
    reading: Mutex<Reading>,
    progress: Mutex<Progress>,
}

/// What the supervising thread reads once a second.
#[derive(Debug, Clone, Copy, Default)]
pub struct Reading {
    /// The board's own readings.
    pub board: Board,
    /// The work rate, and the reason if it is reduced.
    pub work_rate: WorkRate,
    /// Frames that the camera delivered per second.
    pub captured_fps: f32,
    /// Frames sensed per second.
    pub sensed_fps: f32,
    /// How busy the sensing thread was, 0 to 1.
    pub load: f32,
    /// Frames dropped since the start because sensing was busy, the driver lost them, or they had waited too
    /// long.
    pub drops: u64,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            captured: AtomicU64::new(0),
            corrupt: AtomicU64::new(0),
            undecodable: AtomicU64::new(0),
            stale: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            sensed: AtomicU64::new(0),
            faces: AtomicU64::new(0),
            camera_open: AtomicBool::new(false),
            delivering: AtomicBool::new(false),
            loading: AtomicBool::new(false),
            busy: AtomicU64::new(0),
            rate_fraction: AtomicU32::new(WorkRate::FULL.fraction.to_bits()),
            switch_answered: AtomicU64::new(0),
            stages: Mutex::new(StageTimes::new(WINDOW)),
            totals: Mutex::default(),
            reading: Mutex::default(),
            progress: Mutex::default(),
        }
    }
}

impl Metrics {
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

    /// Frames that were sensed, or needed no work.
    #[must_use]
    pub fn sensed_frames(&self) -> u64 {
        self.sensed.load(Relaxed)
    }

    /// Frames that were skipped because they had waited too long.
    #[must_use]
    pub fn stale_frames(&self) -> u64 {
        self.stale.load(Relaxed)
    }

    /// Frames that the driver counted and the source did not deliver.
    #[must_use]
    pub fn lost_frames(&self) -> u64 {
        self.lost.load(Relaxed)
    }

    /// Frames that the sensing thread has finished, including those that were too old or could not be
    /// decoded: restarting the daemon does not help against a camera that sends nothing else.
    #[must_use]
    pub fn finished_frames(&self) -> u64 {
        self.sensed_frames() + self.undecodable.load(Relaxed) + self.stale_frames()
    }

    /// Total number of faces in all sensed frames.
    #[must_use]
    pub fn faces(&self) -> u64 {
        self.faces.load(Relaxed)
    }

    /// Whether the open camera has delivered a frame; otherwise the sensing thread has nothing to do. A
    /// camera may take longer for its first frame than the watchdog allows.
    #[must_use]
    pub fn is_delivering(&self) -> bool {
        self.delivering.load(Relaxed)
    }

    /// Whether the sensing thread is not expected to finish a frame: the camera delivers none, or the
    /// networks are being loaded, which takes seconds on a small board.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        !self.is_delivering() || self.loading.load(Relaxed)
    }

    /// Whether the camera is open and may be capturing.
    #[must_use]
    pub fn is_camera_open(&self) -> bool {
        self.camera_open.load(Relaxed)
    }

    /// The latency histograms of the last minutes.
    pub fn stages(&self) -> MutexGuard<'_, StageTimes> {
        lock(&self.stages)
    }

    /// The latency histograms since the start.
    #[must_use]
    pub fn totals(&self) -> StageTotals {
        *lock(&self.totals)
    }

    /// What the supervising thread last read.
    #[must_use]
    pub fn reading(&self) -> Reading {
        *lock(&self.reading)
    }

    /// How long there has been work without a frame being finished.
    #[must_use]
    pub fn stuck_for(&self, now: Duration) -> Duration {
        lock(&self.progress).stuck_for(now)
    }

    /// Records whether frames are being finished. Called by the supervising thread for as long as that runs
    /// itself.
    pub(crate) fn note_progress(&self, now: Duration) {
        lock(&self.progress).note(now, self.finished_frames(), self.is_idle());
    }

    pub(crate) fn set_reading(&self, reading: Reading) {
        *lock(&self.reading) = reading;
    }

    /// The daemon's health at `now`: `fps` over the last interval, `drops` since the start.
    pub(crate) fn health(
        &self,
        fps: f32,
        drops: u64,
        board: &Board,
        work_rate: WorkRate,
        now: Duration,
    ) -> Health {
        let mut times = self.stages();
        let latency = Stage::ALL.into_iter().filter_map(|stage| {
            let summary = times.summary(now, stage)?;
            Some(StageLatency { stage, summary })
        });
        Health {
            fps,
            drops,
            latency: latency.collect(),
            board: *board,
            work_rate,
            uptime: now,
        }
    }

    pub(crate) fn set_loading(&self, is_loading: bool) {
        self.loading.store(is_loading, Relaxed);
    }

    pub(crate) fn count_captured(&self) {
        self.captured.fetch_add(1, Relaxed);
        self.delivering.store(true, Relaxed);
    }

    pub(crate) fn count_corrupt(&self) {
        self.corrupt.fetch_add(1, Relaxed);
    }

    pub(crate) fn count_undecodable(&self) {
        self.undecodable.fetch_add(1, Relaxed);
    }

    pub(crate) fn count_stale(&self) {
        self.stale.fetch_add(1, Relaxed);
    }

    pub(crate) fn count_lost(&self, frames: u64) {
        self.lost.fetch_add(frames, Relaxed);
    }

    pub(crate) fn count_sensed(&self, faces: usize) {
        self.sensed.fetch_add(1, Relaxed);
        self.faces.fetch_add(faces as u64, Relaxed);
    }

    pub(crate) fn add_busy_time(&self, time: Duration) {
        self.busy.fetch_add(nanoseconds(time), Relaxed);
    }

    /// How long the sensing thread has been busy since the start.
    pub(crate) fn busy_time(&self) -> Duration {
        Duration::from_nanos(self.busy.load(Relaxed))
    }

    pub(crate) fn set_rate_fraction(&self, fraction: f32) {
        self.rate_fraction.store(fraction.to_bits(), Relaxed);
    }

    /// The fraction of the full rate at which to sense, 0.25 to 1.
    pub(crate) fn rate_fraction(&self) -> f32 {
        f32::from_bits(self.rate_fraction.load(Relaxed))
    }

    /// Records that the driver of the privacy switch answered, even if with an error.
    pub(crate) fn record_switch_answer(&self, now: Duration) {
        self.switch_answered.store(nanoseconds(now), Relaxed);
    }

    /// When the driver of the privacy switch last answered.
    pub(crate) fn switch_answered(&self) -> Duration {
        Duration::from_nanos(self.switch_answered.load(Relaxed))
    }

    pub(crate) fn set_camera_open(&self, open: bool) {
        self.camera_open.store(open, Relaxed);
        // A camera that was just opened has not delivered a frame.
        self.delivering.store(false, Relaxed);
    }

    pub(crate) fn record_stage(&self, now: Duration, stage: Stage, elapsed: Duration) {
        self.stages().record(now, stage, elapsed);
        lock(&self.totals).record(stage, elapsed);
    }
}

/// Counters and readings: a panic elsewhere leaves them consistent.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Saturates after 584 years.
fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

//! The camera's status. The capture thread knows whether the camera delivers frames, the sensing thread
//! whether they are usable; both report here.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::{Metrics, Sink};
use crate::{
    capture::{CameraStatus, CaptureError},
    privacy::Permit,
};

/// Unusable frames are logged again only after this long without one.
const QUIET: Duration = Duration::from_secs(60);

/// How much longer the camera stays `ok` than faces are kept: the report of their loss comes first, because
/// reports are ignored while the camera is not `ok`.
const GRACE: Duration = Duration::from_millis(500);

/// Minimum number of consecutive unusable frames that counts as a fault: a slow camera may lose a single one.
const MIN_UNUSABLE: u32 = 3;

/// A camera that takes longer than this to open after privacy has been turned off is no longer reported as
/// disabled.
const SLOW_OPENING: Duration = Duration::from_secs(1);

/// A camera that has recovered from two faults within this time is unstable.
const UNSTABLE: Duration = Duration::from_secs(60);

/// An unstable camera is `ok` only after it has delivered nothing but usable frames for this long.
const RECOVERY: Duration = Duration::from_secs(5);

/// Publishes and logs the camera's status only when it changes.
pub(super) struct CameraState {
    sink: Arc<dyn Sink>,
    metrics: Arc<Metrics>,
    /// How long the camera stays `ok` without a usable frame.
    unusable_after: Duration,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    published: Option<(CameraStatus, String)>,
    /// A description of the open camera's stream; `None` while the camera is closed.
    stream: Option<String>,
    /// When the camera was opened, or when its last usable frame was decoded.
    usable: Duration,
    /// When the last unusable frame was reported.
    unusable: Option<Duration>,
    /// Unusable frames since the last usable one.
    in_a_row: u32,
    /// Since when the camera is being opened.
    opening: Option<Duration>,
    /// Whether the published status is a fault, from which the camera has not recovered.
    is_faulty: bool,
    /// When it recovered from the last two faults, the older one first.
    recovered: [Option<Duration>; 2],
    /// Since when there have been only usable frames, while it is not `ok`.
    steady: Option<Duration>,
}

impl CameraState {
    /// A state in which nothing is known about the camera yet. Faces are kept for `lost_after` without a
    /// usable frame.
    pub fn new(sink: Arc<dyn Sink>, metrics: Arc<Metrics>, lost_after: Duration) -> Self {
        Self {
            sink,
            metrics,
            unusable_after: lost_after + GRACE,
            state: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The camera is being opened.
    pub fn opening(&self, now: Duration) {
        self.lock().opening = Some(now);
    }

    /// Reports a camera that takes long to open: why it was closed before is no longer true. Called
    /// regularly.
    pub fn check_opening(&self, now: Duration) {
        let mut state = self.lock();
        let is_slow = state
            .opening
            .is_some_and(|since| now.saturating_sub(since) >= SLOW_OPENING);
        if is_slow && matches!(state.published, Some((CameraStatus::Disabled, _))) {
            tracing::info!("camera is starting");
            self.set(&mut state, CameraStatus::Missing, "starting");
        }
    }

    /// The camera is open. Its status becomes `ok` only with its first usable frame.
    pub fn opened(&self, now: Duration, stream: String) {
        let mut state = self.lock();
        state.stream = Some(stream);
        state.usable = now;
        state.in_a_row = 0;
        (state.opening, state.steady) = (None, None);
        self.metrics.set_camera_open(true);
    }

    /// The camera is closed, with the status that follows from the reason.
    pub fn closed(&self, status: CameraStatus, reason: &str) {
        let mut state = self.lock();
        state.stream = None;
        (state.opening, state.steady) = (None, None);
        state.is_faulty |= status != CameraStatus::Disabled;
        self.metrics.set_camera_open(false);
        self.publish(&mut state, status, reason);
    }

    /// A frame was decoded.
    pub fn usable(&self, now: Duration, permit: Permit<'_>) {
        let mut state = self.lock();
        // Leftover frames of a closed camera do not make it `ok`.
        if state.stream.is_none() || !permit.is_valid() {
            return;
        }
        state.usable = now;
        state.in_a_row = 0;
        if matches!(&state.published, Some((CameraStatus::Ok, _))) {
            return;
        }
        let since = *state.steady.get_or_insert(now);
        if state.is_faulty {
            let [older, newer] = state.recovered;
            let is_unstable = older.is_some_and(|then| now.saturating_sub(then) < UNSTABLE);
            if is_unstable && now.saturating_sub(since) < RECOVERY {
                return;
            }
            state.recovered = [newer, Some(now)];
            state.is_faulty = false;
        }
        if let Some(stream) = state.stream.clone() {
            self.publish(&mut state, CameraStatus::Ok, &stream);
        }
    }

    /// A frame's bytes were unusable. After a while without a usable frame the camera is not `ok`.
    pub fn unusable(&self, now: Duration, error: &CaptureError) {
        let mut state = self.lock();
        let is_new = state
            .unusable
            .replace(now)
            .is_none_or(|last| now.saturating_sub(last) >= QUIET);
        if is_new {
            tracing::warn!(reason = error.message(), "a frame is unusable");
        }
        state.in_a_row = state.in_a_row.saturating_add(1);
        state.steady = None;
        let lasts = now.saturating_sub(state.usable) >= self.unusable_after && state.in_a_row >= MIN_UNUSABLE;
        if state.stream.is_none() || !lasts {
            return;
        }
        // The reasons differ from frame to frame, so the first one is kept.
        let is_known = matches!(&state.published, Some((CameraStatus::Unsupported, _)));
        if !is_known {
            let seconds = self.unusable_after.as_secs_f32();
            let reason = format!("no usable frame for {seconds:.1} s: {}", error.message());
            state.is_faulty = true;
            self.publish(&mut state, CameraStatus::Unsupported, &reason);
        }
    }

    fn publish(&self, state: &mut State, status: CameraStatus, reason: &str) {
        let is_same = state
            .published
            .as_ref()
            .is_some_and(|(last, why)| *last == status && why == reason);
        if is_same {
            return;
        }
        match status {
            CameraStatus::Ok => tracing::info!(stream = reason, "camera is delivering"),
            CameraStatus::Disabled => tracing::info!(reason, "camera is off"),
            _ => tracing::warn!(status = status.name(), reason, "camera is unusable"),
        }
        self.set(state, status, reason);
    }

    fn set(&self, state: &mut State, status: CameraStatus, reason: &str) {
        self.sink.camera(status, reason);
        state.published = Some((status, reason.to_owned()));
    }
}

#[cfg(test)]
#[path = "camera_state_tests.rs"]
mod tests;

//! The newest results, for display over HTTP.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::watch;

use crate::{
    capture::CameraStatus,
    privacy::PrivacyGate,
    sense::{
        face::{MAX_FACES, TrackedFace},
        frame_quality::FrameQuality,
        report::Report,
        scene::Scene,
        visit_counters::VisitTotals,
    },
};

/// Receives the pipeline's results. Copies a few kilobytes per frame and renders nothing.
#[derive(Debug)]
pub struct Live {
    newest: Mutex<Newest>,
    /// Counts the changes, so subscribers can wait for the next one.
    changes: watch::Sender<u64>,
}

/// The newest results.
#[derive(Debug, Clone)]
pub struct Newest {
    /// The camera's status.
    pub status: CameraStatus,
    /// Human-readable reason for the status; may be empty.
    pub reason: String,
    /// Whether privacy is on.
    pub is_private: bool,
    /// The newest frame; `None` while privacy is on, the camera is not ok, or its frames have stopped.
    pub frame: Option<Frame>,
    /// Number of frames reported so far.
    pub frames: u64,
    /// The visits so far; they are kept when the camera is lost.
    pub visits: VisitTotals,
}

/// What was seen in one frame.
#[derive(Debug, Clone)]
pub struct Frame {
    /// The frame's size in pixels.
    pub size: (u32, u32),
    /// When it was captured, on the monotonic clock.
    pub captured: Duration,
    /// The tracked faces, primary face first; empty if they are withheld.
    pub faces: heapless::Vec<TrackedFace, MAX_FACES>,
    /// Whether there are faces that `publish.min_faces` withholds.
    pub withheld: bool,
    /// Light and sharpness of this or a recent frame.
    pub quality: Option<FrameQuality>,
    /// Everybody in view.
    pub scene: Scene,
}

impl Live {
    /// Starts without a frame. Discards the newest frame whenever the gate closes.
    #[must_use]
    pub fn new(gate: &PrivacyGate) -> Arc<Self> {
        let live = Arc::new(Self {
            newest: Mutex::new(Newest {
                status: CameraStatus::Missing,
                reason: "starting".to_owned(),
                is_private: true,
                frame: None,
                frames: 0,
                visits: VisitTotals::default(),
            }),
            changes: watch::Sender::new(0),
        });
        let observer = Arc::clone(&live);
        gate.observe(move |privacy| {
            observer.change(|newest| {
                newest.is_private = privacy.is_on();
                if newest.is_private {
                    newest.frame = None;
                }
            });
        });
        live
    }

    /// Takes the report of one frame. Ignored while privacy is on or the camera is not ok, so a frame that is
    /// still being processed cannot restore what was just discarded.
    pub fn report(&self, report: &Report) {
        self.change(|newest| {
            if newest.is_private || newest.status != CameraStatus::Ok {
                return;
            }
            newest.visits = report.visits;
            newest.frames += u64::from(report.captured.is_some());
            newest.frame = report.captured.map(|captured| Frame {
                size: report.size,
                captured,
                faces: report.faces.clone(),
                withheld: report.withheld,
                quality: report.quality,
                scene: report.scene,
            });
        });
    }

    /// Takes the camera's status with a human-readable reason. Any status other than ok discards the newest
    /// frame.
    pub fn camera(&self, status: CameraStatus, reason: &str) {
        self.change(|newest| {
            newest.status = status;
            reason.clone_into(&mut newest.reason);
            if status != CameraStatus::Ok {
                newest.frame = None;
            }
        });
    }

    /// A copy of the newest results.
    #[must_use]
    pub fn newest(&self) -> Newest {
        self.lock().clone()
    }

    /// A receiver of every change from now on.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    fn change(&self, change: impl FnOnce(&mut Newest)) {
        change(&mut self.lock());
        // Without receivers this is a single increment.
        self.changes.send_modify(|changes| *changes += 1);
    }

    fn lock(&self) -> MutexGuard<'_, Newest> {
        // Plain values: a panic elsewhere leaves them consistent.
        self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::privacy::Input;

    #[test]
    fn privacy_and_camera_failure_clear_the_frame() {
        let gate = PrivacyGate::new().unwrap();
        let live = Live::new(&gate);
        let report = Report {
            captured: Some(Duration::ZERO),
            ..Report::default()
        };
        live.camera(CameraStatus::Ok, "");
        live.report(&report);
        assert!(live.newest().frame.is_none(), "the gate is closed at first");

        gate.set_switch(Input::Off);
        gate.set_command(Input::Off);
        live.report(&report);
        live.report(&report);
        assert!(live.newest().frame.is_some());
        assert_eq!(live.newest().frames, 2);
        live.report(&Report::default());
        assert!(live.newest().frame.is_none(), "frames have stopped");
        assert_eq!(live.newest().frames, 2);

        gate.set_switch(Input::On);
        assert!(live.newest().frame.is_none());
        live.report(&report);
        assert!(live.newest().frame.is_none(), "a frame in work");

        gate.set_switch(Input::Off);
        live.report(&report);
        live.camera(CameraStatus::Stalled, "no frame");
        live.report(&report);
        let newest = live.newest();
        assert!(newest.frame.is_none() && newest.reason == "no frame");
    }

    #[test]
    fn every_change_wakes_subscribers() {
        let gate = PrivacyGate::new().unwrap();
        let live = Live::new(&gate);
        let mut changes = live.subscribe();
        assert!(!changes.has_changed().unwrap());
        live.camera(CameraStatus::Ok, "");
        assert!(changes.has_changed().unwrap());
        changes.mark_unchanged();
        gate.set_command(Input::On);
        assert!(changes.has_changed().unwrap());
    }
}

//! Where results go: the broker or standard output in `run`, the screen in `demo`.

use crate::{capture::CameraStatus, health::Health, publish::Publisher, sense::face::Report};

/// Takes the pipeline's results. No call may block.
pub trait Sink: Send + Sync {
    /// Takes the report of one frame.
    fn report(&self, report: &Report);
    /// Takes the camera's status when it changes, with a reason for a person.
    fn camera(&self, status: CameraStatus, reason: &str);
    /// Takes the daemon's health, at regular intervals.
    fn health(&self, health: &Health);
}

impl Sink for Publisher {
    fn report(&self, report: &Report) {
        Publisher::report(self, report);
    }

    fn camera(&self, status: CameraStatus, reason: &str) {
        Publisher::camera(self, status, reason);
    }

    fn health(&self, health: &Health) {
        Publisher::health(self, health);
    }
}

//! Where results go: the broker or standard output and the HTTP server in `run`, the screen in `demo`.

use std::sync::Arc;

use crate::{capture::CameraStatus, health::Health, http::Live, publish::Publisher, sense::report::Report};

/// Takes the pipeline's results. No call may block.
pub trait Sink: Send + Sync {
    /// Takes the report of one frame.
    fn report(&self, report: &Report);
    /// Takes the camera's status when it changes, with a human-readable reason.
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

impl Sink for Live {
    fn report(&self, report: &Report) {
        Live::report(self, report);
    }

    fn camera(&self, status: CameraStatus, reason: &str) {
        Live::camera(self, status, reason);
    }

    /// The server reads the metrics itself on request.
    fn health(&self, _health: &Health) {}
}

/// Passes every result to several sinks, in order.
pub struct FanOut(pub Vec<Arc<dyn Sink>>);

impl Sink for FanOut {
    fn report(&self, report: &Report) {
        self.0.iter().for_each(|sink| sink.report(report));
    }

    fn camera(&self, status: CameraStatus, reason: &str) {
        self.0.iter().for_each(|sink| sink.camera(status, reason));
    }

    fn health(&self, health: &Health) {
        self.0.iter().for_each(|sink| sink.health(health));
    }
}

//! Where results go: the broker or standard output in `run`, the screen in `demo`.

use crate::{
    error::Failure,
    publish::payload::{CameraStatus, HealthPayload},
    sense::face::Report,
};

/// Takes what the line says. No call may block: the newest state is what counts.
pub trait Sink: Send + Sync {
    /// A frame's report.
    fn report(&self, report: &Report);
    /// The camera's state changed.
    fn camera(&self, status: CameraStatus, reason: &str);
    /// The figures of the last interval.
    fn health(&self, health: &HealthPayload);
    /// Whether somebody asked to stop sensing.
    fn private(&self) -> bool {
        false
    }
    /// Set when the sink has given up for good.
    fn failure(&self) -> Option<Failure> {
        None
    }
}

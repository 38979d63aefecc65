//! Where results go: the broker or standard output in `run`, the screen in `demo`.

use crate::{
    error::Failure,
    privacy::Switch,
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
    /// The privacy switch on the device was read.
    fn switch(&self, _switch: &Switch) {}
    /// Whether sensing must stop, by command or by switch.
    fn is_private(&self) -> bool {
        false
    }
    /// Why it must stop, if it must.
    fn privacy_reason(&self) -> Option<String> {
        None
    }
    /// Set when the sink has given up for good.
    fn failure(&self) -> Option<Failure> {
        None
    }
}

//! How long sources wait.

use std::time::Duration;

use crate::config::Camera;

/// How long a source waits for a frame.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// Timeout for the first frame; at least `frame`.
    pub start: Duration,
    /// Timeout for every later frame.
    pub frame: Duration,
}

impl Timeouts {
    /// From the settings.
    #[must_use]
    pub fn new(settings: &Camera) -> Self {
        Self {
            start: settings.start_timeout.max(settings.timeout),
            frame: settings.timeout,
        }
    }
}

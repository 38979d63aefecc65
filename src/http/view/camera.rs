//! The camera.

use serde::{Deserialize, Serialize};

use super::rounded;
use crate::{
    health::{Metrics, Reading},
    http::live::Newest,
};

/// The camera.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CameraView {
    /// `ok`, `stalled`, `missing`, `unsupported` or `disabled`.
    pub status: String,
    /// Human-readable: the device, format, size and rate while it is ok, otherwise what is wrong.
    pub reason: String,
    /// Frames that it delivered over the last second.
    pub fps: f32,
    /// Frames that it delivered since the start.
    pub frames: u64,
    /// Frames dropped since the start because sensing was busy, the driver lost them, or they had waited too
    /// long.
    pub dropped: u64,
    /// Frames since the start whose bytes were unusable.
    pub unusable: u64,
}

impl CameraView {
    pub(super) fn new(newest: &Newest, metrics: &Metrics, reading: &Reading) -> Self {
        Self {
            status: newest.status.name().to_owned(),
            reason: newest.reason.clone(),
            fps: rounded(reading.captured_fps),
            frames: metrics.captured_frames(),
            dropped: reading.drops,
            unusable: metrics.corrupt_frames(),
        }
    }
}

//! From the settings to a source.

use std::{sync::Arc, time::Duration};

use super::{
    files::FilesOpener,
    pipe::PipeOpener,
    source::{CaptureError, Opener},
    v4l2::CameraOpener,
};
use crate::{
    clock::Clock,
    config::{Camera, SourceKind},
};

/// Shortest and longest wait for a frame.
const TIMEOUT: [Duration; 2] = [Duration::from_millis(50), Duration::from_secs(86_400)];

/// What opens the source that the settings describe.
///
/// # Errors
/// [`super::CaptureKind::Unsupported`] if the settings name a layout that cannot be decoded.
pub fn opener(settings: &Camera, clock: Arc<dyn Clock>) -> Result<Box<dyn Opener>, CaptureError> {
    let [shortest, longest] = TIMEOUT;
    let timeout = Duration::try_from_secs_f32(settings.timeout_s).unwrap_or(longest);
    let timeout = timeout.clamp(shortest, longest);
    Ok(match settings.source {
        SourceKind::V4l2 => Box::new(CameraOpener::new(settings, timeout, clock)?),
        SourceKind::Pipe => Box::new(PipeOpener::new(settings.clone(), timeout, clock)?),
        SourceKind::Files => Box::new(FilesOpener::new(settings, clock)),
    })
}

//! Makes the opener that the settings describe.

use std::{sync::Arc, time::Duration};

use super::{
    files::FilesOpener,
    pipe::PipeOpener,
    source::{CaptureError, Opener},
    v4l2::V4l2Opener,
};
use crate::{
    clock::Clock,
    config::{Camera, SourceKind},
};

/// Shortest and longest wait for a frame.
const TIMEOUT: [Duration; 2] = [Duration::from_millis(50), Duration::from_secs(86_400)];

/// The opener of the source that the settings describe.
///
/// # Errors
/// [`super::CaptureKind::Unsupported`] if the settings name a pixel format that cannot be decoded.
pub fn opener(settings: &Camera, clock: Arc<dyn Clock>) -> Result<Box<dyn Opener>, CaptureError> {
    let [shortest, longest] = TIMEOUT;
    let timeout = Duration::try_from_secs_f32(settings.timeout_s).unwrap_or(longest);
    let timeout = timeout.clamp(shortest, longest);
    Ok(match settings.source {
        SourceKind::V4l2 => Box::new(V4l2Opener::new(settings, timeout, clock)?),
        SourceKind::Pipe => Box::new(PipeOpener::new(settings.clone(), timeout, clock)?),
        SourceKind::Files => Box::new(FilesOpener::new(settings, clock)),
    })
}

//! From the settings to a source.

use std::sync::Arc;

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

/// What opens the source that the settings describe.
///
/// # Errors
/// [`super::CaptureKind::Unsupported`] if the settings name a layout that cannot be decoded.
pub fn opener(settings: &Camera, clock: Arc<dyn Clock>) -> Result<Box<dyn Opener>, CaptureError> {
    let timeout = settings.timeout;
    Ok(match settings.source {
        SourceKind::V4l2 => Box::new(CameraOpener::new(settings, timeout, clock)?),
        SourceKind::Pipe => Box::new(PipeOpener::new(settings.clone(), timeout, clock)?),
        SourceKind::Files => Box::new(FilesOpener::new(settings, clock)),
    })
}

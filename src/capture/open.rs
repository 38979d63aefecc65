//! Creates the opener that the settings describe.

use std::sync::Arc;

use super::{
    files::FilesOpener,
    frame::Frame,
    orientation::Orientation,
    pipe::PipeOpener,
    source::{CaptureError, Opener, Source, Stream},
    timeouts::Timeouts,
    v4l2::V4l2Opener,
};
use crate::{
    clock::Clock,
    config::{Camera, SourceKind},
    interrupt::Interrupt,
};

/// The opener of the source that the settings describe.
///
/// # Errors
/// [`super::CaptureKind::Unsupported`] if no program is configured, or frames of the configured size are not
/// allowed.
pub fn opener(settings: &Camera, clock: Arc<dyn Clock>) -> Result<Box<dyn Opener>, CaptureError> {
    let timeouts = Timeouts::new(settings);
    let opener: Box<dyn Opener> = match settings.source {
        SourceKind::V4l2 => Box::new(V4l2Opener::new(settings, timeouts, clock)),
        SourceKind::Pipe => Box::new(PipeOpener::new(settings.clone(), timeouts, clock)?),
        SourceKind::Files => Box::new(FilesOpener::new(settings, clock)),
    };
    let orientation = Orientation::new(settings.rotate, settings.mirror);
    Ok(Box::new(OrientedOpener { opener, orientation }))
}

/// Opens a source whose pictures must be rotated or mirrored.
struct OrientedOpener {
    opener: Box<dyn Opener>,
    orientation: Orientation,
}

impl Opener for OrientedOpener {
    fn discard(&mut self) {
        self.opener.discard();
    }

    fn open(&mut self, interrupt: &Interrupt) -> Result<Box<dyn Source>, CaptureError> {
        Ok(Box::new(Oriented {
            source: self.opener.open(interrupt)?,
            orientation: self.orientation,
        }))
    }
}

struct Oriented {
    source: Box<dyn Source>,
    orientation: Orientation,
}

impl Source for Oriented {
    fn next(&mut self, frame: &mut Frame, interrupt: &Interrupt) -> Result<(), CaptureError> {
        self.source.next(frame, interrupt)?;
        frame.orientation = self.orientation;
        Ok(())
    }

    fn stream(&self) -> &Stream {
        self.source.stream()
    }
}

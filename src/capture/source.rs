//! The interface of frame sources, and how they fail.

use std::{error::Error, fmt, sync::Arc};

use super::frame::{Frame, PixelFormat};
use crate::{error::chain, interrupt::Interrupt};

/// What a source delivers, after negotiation with the device.
#[derive(Debug, Clone, PartialEq)]
pub struct Stream {
    /// A description of the source, e.g. `/dev/video0 (Logitech C270)`.
    pub name: String,
    /// Pixel format of its frames.
    pub format: PixelFormat,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Frames per second, as negotiated; `None` if the source does not know.
    pub rate: Option<f32>,
}

impl fmt::Display for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} {}x{}", self.name, self.format, self.width, self.height)?;
        self.rate.map_or(Ok(()), |rate| write!(f, " at {rate:.1}/s"))
    }
}

/// A running source of frames. Dropping it stops and closes the camera, or ends the program.
pub trait Source: Send {
    /// Waits for the newest frame, at most until the source's timeout, and writes it into `frame`, reusing
    /// its buffer. Raising `interrupt` ends the wait at once.
    ///
    /// # Errors
    /// [`CaptureError`]. After [`CaptureKind::Corrupt`] and [`CaptureKind::Interrupted`] the next call may
    /// succeed; after every other kind the source must be opened again.
    fn next(&mut self, frame: &mut Frame, interrupt: &Interrupt) -> Result<(), CaptureError>;

    /// The stream that was negotiated.
    fn stream(&self) -> &Stream;
}

/// Opens a source, and opens it again after a failure.
pub trait Opener: Send {
    /// The source stays closed for now. An input that cannot be closed, such as standard input, is read and
    /// discarded until it is opened: nothing that was captured while the camera was closed is used later.
    fn discard(&mut self);

    /// Opens the source and starts it. If that includes waiting for the first frame, raising `interrupt` ends
    /// the wait at once.
    ///
    /// # Errors
    /// [`CaptureError`] with the reason and, if there is one, the remedy.
    fn open(&mut self, interrupt: &Interrupt) -> Result<Box<dyn Source>, CaptureError>;
}

/// The kinds of failure that a subscriber and a technician can tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CaptureKind {
    /// There is no such device, file or program, or it is gone.
    Missing,
    /// Another program holds the device.
    Busy,
    /// The process has no permission to open it.
    Denied,
    /// The device has no format that can be used (e.g. a raw Bayer node).
    Unsupported,
    /// No frame within the timeout.
    Stalled,
    /// This frame's bytes are unusable.
    Corrupt,
    /// A finite source is at its end.
    Ended,
    /// The interrupt was raised. Not a failure of the source.
    Interrupted,
}

/// Why there is no frame. `Display` prints the reason; the underlying error is its [`Error::source`].
#[derive(Debug, Clone, thiserror::Error)]
#[error("{reason}")]
pub struct CaptureError {
    /// The kind of failure.
    pub kind: CaptureKind,
    /// What was found, where, and what would help.
    pub reason: String,
    pub(super) source: Option<Arc<dyn Error + Send + Sync>>,
}

impl CaptureError {
    /// A failure of `kind` without an underlying error.
    pub fn new(kind: CaptureKind, reason: impl Into<String>) -> Self {
        Self {
            kind,
            reason: reason.into(),
            source: None,
        }
    }

    /// A failure of `kind` caused by `source`.
    pub fn caused_by(
        kind: CaptureKind,
        reason: impl Into<String>,
        source: impl Error + Send + Sync + 'static,
    ) -> Self {
        Self {
            kind,
            reason: reason.into(),
            source: Some(Arc::new(source)),
        }
    }

    /// The wait for a frame was interrupted.
    #[must_use]
    pub fn interrupted() -> Self {
        Self::new(CaptureKind::Interrupted, "the wait for a frame was interrupted")
    }

    /// The reason and all its causes on one line, as [`crate::error::Failure`] shows them.
    #[must_use]
    pub fn message(&self) -> String {
        chain(self)
    }
}

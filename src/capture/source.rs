//! What every source of frames can do, and how it can fail.

use super::frame::{Frame, PixelFormat};

/// What a source delivers, after negotiation with the device.
#[derive(Debug, Clone, PartialEq)]
pub struct Stream {
    /// The source in words, e.g. `/dev/video0 (Logitech C270)`.
    pub name: String,
    /// Pixel layout of its frames.
    pub format: PixelFormat,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Frames a second, as negotiated; `None` where the source does not know.
    pub rate: Option<f32>,
}

/// A running source of frames.
pub trait Source: Send {
    /// Waits for the newest frame, at most for the source's timeout, and writes it into `frame`,
    /// reusing its buffer.
    ///
    /// # Errors
    /// [`CaptureError`]; after [`CaptureKind::Corrupt`] the next call may succeed, after
    /// every other kind the source must be opened again.
    fn next(&mut self, frame: &mut Frame) -> Result<(), CaptureError>;

    /// What was negotiated.
    fn stream(&self) -> &Stream;
}

/// Opens a source, again and again when it was lost. Handed to the pipeline.
pub trait Opener: Send {
    /// Opens the source and starts it.
    ///
    /// # Errors
    /// [`CaptureError`] with the reason and, where there is one, the way out.
    fn open(&mut self) -> Result<Box<dyn Source>, CaptureError>;
}

/// The kinds of failure that a subscriber and a technician can tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CaptureKind {
    /// There is no such device, file or program, or it went away.
    Missing,
    /// Another program holds the device.
    Busy,
    /// The process may not open it.
    Denied,
    /// The device has no format that can be used (e.g. a raw Bayer node).
    Unsupported,
    /// No frame within the timeout.
    Stalled,
    /// This frame's bytes are unusable.
    Corrupt,
    /// A finite source is at its end.
    Ended,
}

/// Why no frame came: the kind for the machine, the reason for the person.
#[derive(Debug, thiserror::Error)]
#[error("{reason}")]
pub struct CaptureError {
    /// What sort of failure.
    pub kind: CaptureKind,
    /// What was found, where, and what would help.
    pub reason: String,
}

impl CaptureError {
    /// A failure of `kind` with a reason for the person.
    pub fn new(kind: CaptureKind, reason: impl Into<String>) -> Self {
        Self {
            kind,
            reason: reason.into(),
        }
    }
}

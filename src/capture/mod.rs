//! Frames from cameras, programs and files.

pub mod frame;
pub mod source;

pub use frame::{Frame, PixelFormat};
pub use source::{CaptureError, CaptureKind, Opener, Source, Stream};

//! Frames from cameras, programs and files.

pub mod decode;
pub mod files;
pub mod frame;
pub mod open;
pub mod pipe;
pub mod slot;
pub mod source;
pub mod split;
pub mod status;
pub mod v4l2;

pub use decode::Decoder;
pub use files::read_picture;
pub use frame::{Frame, PixelFormat};
pub use open::opener;
pub use slot::{Slot, Taken};
pub use source::{CaptureError, CaptureKind, Opener, Source, Stream};
pub use status::CameraStatus;

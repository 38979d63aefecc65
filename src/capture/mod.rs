//! Frames from cameras, programs and files.

pub mod color;
pub mod decode;
pub mod files;
pub mod frame;
pub mod jpeg;
pub mod limits;
pub mod open;
pub mod orientation;
mod pause;
pub mod pipe;
pub mod slot;
pub mod source;
pub mod split;
pub mod status;
pub mod timeouts;
pub mod v4l2;

pub use color::ColorEncoding;
pub use decode::Decoder;
pub use files::read_picture;
pub use frame::{Frame, PixelFormat};
pub use open::opener;
pub use orientation::Orientation;
pub use slot::{Recv, Slot};
pub use source::{CaptureError, CaptureKind, Opener, Source, Stream};
pub use status::CameraStatus;

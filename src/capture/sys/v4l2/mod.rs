//! Video4Linux2: one opened node ([`Device`]) and its running stream ([`MmapStream`]), single-planar and
//! memory-mapped.
//!
//! The structures and request codes come from the v4l crate. Its own device and stream types are not used:
//! they panic on names that are not UTF-8, on unknown colour spaces and when a stream cannot be stopped, and
//! they call the kernel without the C library.

mod device;
mod ioctl;
mod stream;

pub use device::{
    CAP_META_CAPTURE, CAP_STREAMING, CAP_VIDEO_CAPTURE, CAP_VIDEO_CAPTURE_MPLANE, CAP_VIDEO_M2M,
    CAP_VIDEO_M2M_MPLANE, Capability, Device, Format, FourCc, Fraction, FrameIntervals, FrameSizes,
};
pub use stream::{Buffer, MmapStream, Wake};

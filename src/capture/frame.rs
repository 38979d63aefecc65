//! A frame as the camera gave it, before decoding.

use std::{fmt, time::Duration};

/// The pixel layouts that can be decoded, by their V4L2 names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PixelFormat {
    /// Packed 4:2:2, `Y0 U Y1 V`.
    Yuyv,
    /// 4:2:0, a Y plane and one of interleaved `U V`.
    Nv12,
    /// 4:2:0, planes Y, U, V (V4L2 `YU12`, also called I420).
    Yu12,
    /// 8 bits of luma.
    Grey,
    /// Packed `R G B`.
    Rgb3,
    /// Packed `B G R`.
    Bgr3,
    /// One JPEG picture a frame, with or without Huffman tables.
    Mjpeg,
}

impl PixelFormat {
    /// The V4L2 four-character code.
    #[must_use]
    pub fn fourcc(self) -> [u8; 4] {
        *match self {
            Self::Yuyv => b"YUYV",
            Self::Nv12 => b"NV12",
            Self::Yu12 => b"YU12",
            Self::Grey => b"GREY",
            Self::Rgb3 => b"RGB3",
            Self::Bgr3 => b"BGR3",
            Self::Mjpeg => b"MJPG",
        }
    }
}

impl fmt::Display for PixelFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.fourcc()).unwrap_or("????"))
    }
}

/// One frame's bytes and what they mean. The buffer is reused from frame to frame.
#[derive(Debug, Clone)]
pub struct Frame {
    /// The bytes in use, cut at what the driver says it wrote.
    pub data: Vec<u8>,
    /// How to read them.
    pub format: PixelFormat,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Bytes from one row of the first plane to the next; 0 for [`PixelFormat::Mjpeg`].
    pub stride: u32,
    /// Counts frames of this source; gaps are frames that the driver dropped.
    pub sequence: u64,
    /// When it was captured, on the daemon's monotonic clock ([`crate::clock::Clock::now`]).
    pub captured: Duration,
}

impl Default for Frame {
    /// An empty frame, for a source to fill.
    fn default() -> Self {
        Self {
            data: Vec::new(),
            format: PixelFormat::Grey,
            width: 0,
            height: 0,
            stride: 0,
            sequence: 0,
            captured: Duration::ZERO,
        }
    }
}

//! A frame as the camera delivered it, before decoding.

use std::{fmt, time::Duration};

use super::{color::ColorEncoding, limits::MAX_REUSED_BYTES, orientation::Orientation};
use crate::config::CameraFormat;

/// The pixel formats that can be decoded, by their V4L2 names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PixelFormat {
    /// Packed 4:2:2, `Y0 U Y1 V`.
    Yuyv,
    /// 4:2:0, a Y plane and a plane of interleaved `U V`.
    Nv12,
    /// 4:2:0, planes Y, U, V (V4L2 `YU12`, also called I420).
    Yu12,
    /// 8 bits of luma.
    Grey,
    /// Packed `R G B`.
    Rgb3,
    /// Packed `B G R`.
    Bgr3,
    /// One JPEG picture per frame, with or without Huffman tables.
    Mjpeg,
}

impl PixelFormat {
    /// Every pixel format that can be decoded.
    pub const ALL: [Self; 7] = [
        Self::Yuyv,
        Self::Nv12,
        Self::Yu12,
        Self::Grey,
        Self::Rgb3,
        Self::Bgr3,
        Self::Mjpeg,
    ];

    /// The pixel format of a V4L2 four-character code, if it can be decoded. Some drivers use `JPEG` for
    /// `MJPG`.
    #[must_use]
    pub fn from_fourcc(code: [u8; 4]) -> Option<Self> {
        if &code == b"JPEG" {
            return Some(Self::Mjpeg);
        }
        Self::ALL.into_iter().find(|format| format.fourcc() == code)
    }

    /// The pixel format that the settings ask for; `None` if they leave it to the camera or the stream.
    #[must_use]
    pub fn requested(format: CameraFormat) -> Option<Self> {
        match format {
            CameraFormat::Auto | CameraFormat::Y4m => None,
            CameraFormat::Mjpeg => Some(Self::Mjpeg),
            CameraFormat::Yuyv => Some(Self::Yuyv),
            CameraFormat::Nv12 => Some(Self::Nv12),
            CameraFormat::Yu12 => Some(Self::Yu12),
            CameraFormat::Grey => Some(Self::Grey),
            CameraFormat::Rgb3 => Some(Self::Rgb3),
            CameraFormat::Bgr3 => Some(Self::Bgr3),
        }
    }

    /// Bytes of one row of the first plane without padding; 0 for [`PixelFormat::Mjpeg`].
    #[must_use]
    pub fn row_bytes(self, width: u32) -> usize {
        let width = width as usize;
        match self {
            Self::Yuyv => width.div_ceil(2) * 4,
            Self::Nv12 | Self::Yu12 | Self::Grey => width,
            Self::Rgb3 | Self::Bgr3 => width * 3,
            Self::Mjpeg => 0,
        }
    }

    /// Bytes from one chroma row to the next if the first plane's rows are `stride` bytes apart; 0 for
    /// formats without chroma planes.
    #[must_use]
    pub fn chroma_stride(self, stride: usize) -> usize {
        match self {
            Self::Nv12 => stride.next_multiple_of(2),
            Self::Yu12 => stride.div_ceil(2),
            _ => 0,
        }
    }

    /// Minimum number of bytes of a frame of this size whose rows are `stride` bytes apart: the padding after
    /// the last row may be missing. 1 for [`PixelFormat::Mjpeg`].
    #[must_use]
    pub fn frame_bytes(self, width: u32, height: u32, stride: usize) -> usize {
        let (w, h) = (width as usize, height as usize);
        if w == 0 || h == 0 {
            return 0;
        }
        let chroma = self.chroma_stride(stride);
        match self {
            Self::Mjpeg => 1,
            Self::Yuyv | Self::Grey | Self::Rgb3 | Self::Bgr3 => stride * (h - 1) + self.row_bytes(width),
            Self::Nv12 => stride * h + chroma * (h.div_ceil(2) - 1) + w.next_multiple_of(2),
            Self::Yu12 => stride * h + chroma * (2 * h.div_ceil(2) - 1) + w.div_ceil(2),
        }
    }

    /// Bytes of a frame in a stream, where every row has its padding. 1 for [`PixelFormat::Mjpeg`].
    #[must_use]
    pub fn padded_bytes(self, height: u32, stride: usize) -> usize {
        let h = height as usize;
        let chroma = self.chroma_stride(stride) * h.div_ceil(2);
        match self {
            Self::Mjpeg => 1,
            Self::Yuyv | Self::Grey | Self::Rgb3 | Self::Bgr3 => stride * h,
            Self::Nv12 => stride * h + chroma,
            Self::Yu12 => stride * h + 2 * chroma,
        }
    }

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

/// One frame's bytes and their description. The buffer is reused from frame to frame.
#[derive(Debug, Clone)]
pub struct Frame {
    /// The bytes that the driver reports as written.
    pub data: Vec<u8>,
    /// Pixel format.
    pub format: PixelFormat,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Bytes from one row of the first plane to the next; 0 for [`PixelFormat::Mjpeg`].
    pub stride: u32,
    /// How YUV and grey samples encode colours.
    pub color: ColorEncoding,
    /// How to rotate and mirror the picture after decoding.
    pub orientation: Orientation,
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
            color: ColorEncoding::default(),
            orientation: Orientation::default(),
            sequence: 0,
            captured: Duration::ZERO,
        }
    }
}

impl Frame {
    /// Frees the buffer if it is too large to be kept.
    pub(super) fn release_large(&mut self) {
        if self.data.capacity() > MAX_REUSED_BYTES {
            self.data = Vec::new();
        }
    }

    /// Overwrites every byte that the buffer ever held with zeros and empties it, but keeps its memory.
    pub fn clear(&mut self) {
        crate::picture::wipe(&mut self.data);
        *self = Self {
            data: std::mem::take(&mut self.data),
            ..Self::default()
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cleared_frame_keeps_its_memory_and_nothing_else() {
        let mut frame = Frame {
            data: vec![7; 1000],
            width: 10,
            sequence: 3,
            ..Frame::default()
        };
        let memory = frame.data.as_ptr();
        frame.data.truncate(10);
        frame.clear();
        assert_eq!((frame.data.len(), frame.width, frame.sequence), (0, 0, 0));
        assert_eq!(frame.data.as_ptr(), memory);
        frame.data.resize(1000, 0);
        assert_eq!(frame.data.as_ptr(), memory);
    }
}

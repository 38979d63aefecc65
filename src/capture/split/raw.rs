//! Frames without headers, back to back.

use super::{ColorEncoding, MAX_FRAME_BYTES, Split, StreamFormat};
use crate::capture::{frame::PixelFormat, limits::MAX_SIDE};

/// Splits after a fixed number of bytes.
#[derive(Debug)]
pub struct Splitter {
    stream: StreamFormat,
    size: usize,
}

impl Splitter {
    pub(super) fn new(format: PixelFormat, width: u32, height: u32, stride: u32) -> Result<Self, String> {
        let sides = 1..=MAX_SIDE;
        if !sides.contains(&width) || !sides.contains(&height) {
            return Err(format!(
                "raw frames of {width}x{height} pixels: camera.width and camera.height must be 1 to {MAX_SIDE}"
            ));
        }
        let row = format.row_bytes(width) as u32;
        let stride = if stride == 0 { row } else { stride };
        if stride < row {
            return Err(format!(
                "camera.stride is {stride} bytes: a row of {width} {format} pixels has {row}, or set 0 for no padding"
            ));
        }
        let size = format.padded_bytes(height, stride as usize);
        if size > MAX_FRAME_BYTES {
            return Err(format!(
                "a {format} frame of {width}x{height} pixels takes {size} bytes: at most {MAX_FRAME_BYTES} are \
                 allowed"
            ));
        }
        let stream = StreamFormat {
            pixels: format,
            width,
            height,
            stride,
            color: ColorEncoding::default(),
            rate: None,
        };
        Ok(Self { stream, size })
    }

    pub(super) fn format(&self) -> StreamFormat {
        self.stream
    }

    pub(super) fn find(&self, bytes: &[u8]) -> Split {
        if bytes.len() < self.size {
            return Split::More;
        }
        Split::Frame {
            body: 0..self.size,
            end: self.size,
        }
    }
}

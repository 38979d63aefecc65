//! Frames without headers, back to back.

use super::{MAX_FRAME_BYTES, Split, StreamFormat};
use crate::capture::frame::{MAX_SIDE, PixelFormat};

/// Splits after a fixed number of bytes.
#[derive(Debug)]
pub struct Splitter {
    stream: StreamFormat,
    size: usize,
}

impl Splitter {
    pub(super) fn new(format: PixelFormat, width: u32, height: u32) -> Result<Self, String> {
        let sides = 1..=MAX_SIDE;
        if !sides.contains(&width) || !sides.contains(&height) {
            return Err(format!(
                "raw frames of {width}x{height} pixels: camera.width and camera.height must be 1 to {MAX_SIDE}"
            ));
        }
        let size = format.frame_bytes(width, height, format.row_bytes(width));
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

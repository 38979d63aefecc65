//! Splits a stream of bytes into frames: concatenated JPEG pictures, Y4M, or raw frames of a known size.

mod buffer;
mod mjpeg;
mod raw;
mod y4m;

use std::ops::Range;

use super::{
    color::ColorEncoding,
    frame::{Frame, PixelFormat},
    jpeg,
};
use crate::config::CameraFormat;

pub use buffer::{Progress, StreamBuffer};

/// Largest frame that a stream may carry, in bytes: a bound on memory.
pub const MAX_FRAME_BYTES: usize = 64 << 20;

/// What the unconsumed bytes begin with.
#[derive(Debug, PartialEq, Eq)]
pub enum Split {
    /// Undecided: call again with the same bytes followed by more.
    More,
    /// This number of bytes holds no frame (a header, or bytes between frames).
    Skip(usize),
    /// This number of bytes is a damaged frame, for this reason.
    Damaged(usize, String),
    /// A frame.
    Frame {
        /// Its bytes.
        body: Range<usize>,
        /// Where the next one begins.
        end: usize,
    },
}

/// The format of a stream's frames.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StreamFormat {
    /// Pixel format.
    pub pixels: PixelFormat,
    /// Width in pixels; 0 if each frame has a header of its own.
    pub width: u32,
    /// Height in pixels; 0 if each frame has a header of its own.
    pub height: u32,
    /// Bytes from one row of the first plane to the next; 0 if each frame has a header of its own.
    pub stride: u32,
    /// How YUV and grey samples encode colours.
    pub color: ColorEncoding,
    /// Frames per second, if the stream states it.
    pub rate: Option<f32>,
}

impl StreamFormat {
    /// Sets the description of `frame`, whose bytes are already in place.
    pub fn describe(&self, frame: &mut Frame) {
        frame.format = self.pixels;
        (frame.width, frame.height) = (self.width, self.height);
        if self.pixels == PixelFormat::Mjpeg {
            (frame.width, frame.height) = jpeg::size(&frame.data).unwrap_or((0, 0));
        }
        (frame.stride, frame.color) = (self.stride, self.color);
    }
}

/// The JPEG pictures in `data`, in order. The last one may lack its EOI.
pub fn jpeg_pictures(mut data: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut splitter = mjpeg::Splitter::default();
    std::iter::from_fn(move || {
        loop {
            match splitter.find(data) {
                Split::Frame { body, end } => {
                    let picture = &data[body];
                    data = &data[end..];
                    return Some(picture);
                }
                Split::Skip(count) | Split::Damaged(count, _) => data = &data[count..],
                Split::More => {
                    let last = splitter.has_data().then_some(data);
                    (data, splitter) = (&[], mjpeg::Splitter::default());
                    return last;
                }
            }
        }
    })
}

/// Finds the frames of one kind of stream.
#[derive(Debug)]
pub enum Splitter {
    /// Detects MJPEG or Y4M from the stream's first bytes.
    Detect,
    /// Concatenated JPEG pictures.
    Mjpeg(mjpeg::Splitter),
    /// YUV4MPEG2.
    Y4m(y4m::Splitter),
    /// Frames without headers.
    Raw(raw::Splitter),
}

impl Splitter {
    /// A splitter for this format. Raw frames have `width` x `height` pixels and rows that are `stride` bytes
    /// apart; 0 for no padding.
    ///
    /// # Errors
    /// A message if a raw frame of that size is not allowed.
    pub fn new(format: CameraFormat, width: u32, height: u32, stride: u32) -> Result<Self, String> {
        Ok(match PixelFormat::requested(format) {
            Some(PixelFormat::Mjpeg) => Self::Mjpeg(mjpeg::Splitter::default()),
            Some(format) => Self::Raw(raw::Splitter::new(format, width, height, stride)?),
            None if format == CameraFormat::Y4m => Self::Y4m(y4m::Splitter::default()),
            None => Self::Detect,
        })
    }

    /// Examines the unconsumed bytes of the stream.
    ///
    /// # Errors
    /// A message if the stream cannot be read; it cannot continue.
    pub fn find(&mut self, bytes: &[u8]) -> Result<Split, String> {
        loop {
            return match self {
                Self::Detect => {
                    if bytes.starts_with(&[0xFF, 0xD8]) {
                        *self = Self::Mjpeg(mjpeg::Splitter::default());
                        continue;
                    }
                    if bytes.starts_with(y4m::MAGIC) {
                        *self = Self::Y4m(y4m::Splitter::default());
                        continue;
                    }
                    if bytes.len() < y4m::MAGIC.len() {
                        return Ok(Split::More);
                    }
                    Err(
                        "the stream begins neither like MJPEG nor like Y4M: set camera.format to the pixel format \
                         of its raw frames, or let the program write MJPEG or Y4M"
                            .into(),
                    )
                }
                Self::Mjpeg(splitter) => Ok(splitter.find(bytes)),
                Self::Y4m(splitter) => splitter.find(bytes),
                Self::Raw(splitter) => Ok(splitter.find(bytes)),
            };
        }
    }

    /// Overwrites a frame that has begun with zeros, except what is needed to find its end. `bytes` are the
    /// unconsumed ones.
    fn erase(&self, bytes: &mut [u8]) {
        let end = bytes.len();
        let range = match self {
            Self::Detect => end..end,
            Self::Mjpeg(splitter) => splitter.examined(),
            Self::Y4m(_) => y4m::Splitter::body(bytes).unwrap_or(end)..end,
            Self::Raw(_) => 0..end,
        };
        bytes[range.start.min(end)..range.end.min(end)].fill(0);
    }

    /// The format of the frames; `None` until the stream's header has been read.
    #[must_use]
    pub fn format(&self) -> Option<StreamFormat> {
        match self {
            Self::Detect => None,
            Self::Mjpeg(_) => Some(StreamFormat {
                pixels: PixelFormat::Mjpeg,
                width: 0,
                height: 0,
                stride: 0,
                color: ColorEncoding::default(),
                rate: None,
            }),
            Self::Y4m(splitter) => splitter.format(),
            Self::Raw(splitter) => Some(splitter.format()),
        }
    }
}

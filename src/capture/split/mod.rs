//! Cuts a stream of bytes into frames: concatenated JPEG pictures, Y4M, or raw frames of a known size.

mod intake;
mod mjpeg;
mod raw;
mod y4m;

use std::ops::Range;

use super::frame::{Frame, PixelFormat};

pub use intake::{Intake, Progress};

/// Largest frame that a stream may carry, bytes: a bound on memory.
pub const MAX_FRAME_BYTES: usize = 64 << 20;

/// What stands at the start of the bytes that were not consumed yet.
#[derive(Debug, PartialEq, Eq)]
pub enum Found {
    /// Not enough to say; call again with the same bytes and more behind them.
    More,
    /// So many bytes hold no frame (a header, or bytes between frames).
    Skip(usize),
    /// So many bytes are a damaged frame.
    Broken(usize, String),
    /// A whole frame.
    Frame {
        /// Its bytes.
        body: Range<usize>,
        /// Where the next one begins.
        end: usize,
    },
}

/// What the frames of a stream are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Layout {
    /// Pixel layout.
    pub format: PixelFormat,
    /// Width in pixels; 0: each frame's own header says it.
    pub width: u32,
    /// Height in pixels; 0: each frame's own header says it.
    pub height: u32,
    /// Frames a second, where the stream says it.
    pub rate: Option<f32>,
}

impl Layout {
    /// Describes `frame`, whose bytes are already in place.
    pub fn describe(&self, frame: &mut Frame) {
        frame.format = self.format;
        (frame.width, frame.height) = (self.width, self.height);
        if self.format == PixelFormat::Mjpeg {
            let size = super::decode::jpeg_size(&frame.data);
            (frame.width, frame.height) = size.unwrap_or((0, 0));
        }
        // At most MAX_SIDE * 3.
        frame.stride = self.format.row_bytes(frame.width) as u32;
    }
}

/// Finds the frames of one kind of stream.
#[derive(Debug)]
pub enum Splitter {
    /// Tells MJPEG from Y4M by the stream's first bytes.
    Sniff,
    /// Concatenated JPEG pictures.
    Mjpeg(mjpeg::Splitter),
    /// YUV4MPEG2.
    Y4m(y4m::Splitter),
    /// Frames without headers.
    Raw(raw::Splitter),
}

impl Splitter {
    /// A splitter for the format named in the settings: `auto`, `mjpeg`, `y4m` or the code of a raw layout,
    /// whose frames are then `width` x `height` pixels without padding.
    ///
    /// # Errors
    /// In words, if the name is unknown or a raw frame of that size is not allowed.
    pub fn by_name(name: &str, width: u32, height: u32) -> Result<Self, String> {
        if name.eq_ignore_ascii_case("auto") {
            return Ok(Self::Sniff);
        }
        if name.eq_ignore_ascii_case("y4m") {
            return Ok(Self::Y4m(y4m::Splitter::default()));
        }
        match PixelFormat::from_name(name) {
            Some(PixelFormat::Mjpeg) => Ok(Self::Mjpeg(mjpeg::Splitter::default())),
            Some(format) => Ok(Self::Raw(raw::Splitter::new(format, width, height)?)),
            None => Err(format!(
                "camera.format is `{name}`: a stream of frames can be auto, mjpeg, y4m or raw frames in one of \
                 YUYV, NV12, YU12, GREY, RGB3, BGR3"
            )),
        }
    }

    /// Looks at the unconsumed bytes of the stream.
    ///
    /// # Errors
    /// In words, if the stream is none that can be read; it cannot go on.
    pub fn find(&mut self, bytes: &[u8]) -> Result<Found, String> {
        loop {
            return match self {
                Self::Sniff => {
                    if bytes.starts_with(&[0xFF, 0xD8]) {
                        *self = Self::Mjpeg(mjpeg::Splitter::default());
                        continue;
                    }
                    if bytes.starts_with(y4m::MAGIC) {
                        *self = Self::Y4m(y4m::Splitter::default());
                        continue;
                    }
                    if bytes.len() < y4m::MAGIC.len() {
                        return Ok(Found::More);
                    }
                    Err(
                        "the stream begins neither like MJPEG nor like Y4M: set camera.format to the layout of \
                         its raw frames, or let the program write MJPEG or Y4M"
                            .into(),
                    )
                }
                Self::Mjpeg(splitter) => Ok(splitter.find(bytes)),
                Self::Y4m(splitter) => splitter.find(bytes),
                Self::Raw(splitter) => Ok(splitter.find(bytes)),
            };
        }
    }

    /// What the frames are; `None` before the stream's header was read.
    #[must_use]
    pub fn layout(&self) -> Option<Layout> {
        match self {
            Self::Sniff => None,
            Self::Mjpeg(_) => Some(Layout {
                format: PixelFormat::Mjpeg,
                width: 0,
                height: 0,
                rate: None,
            }),
            Self::Y4m(splitter) => splitter.layout(),
            Self::Raw(splitter) => Some(splitter.layout()),
        }
    }
}

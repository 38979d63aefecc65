//! Buffers a stream of bytes and extracts its newest frame.

use std::{io, ops::Range};

use super::{MAX_FRAME_BYTES, Split, Splitter, StreamFormat};
use crate::capture::frame::Frame;

/// Bytes read at a time: the default capacity of a pipe.
const CHUNK: usize = 64 << 10;

/// The result of one step through the bytes that are there.
#[derive(Debug, PartialEq, Eq)]
pub enum Progress {
    /// A frame is waiting, newer than any before.
    Frame,
    /// More bytes are needed.
    More,
    /// A damaged frame was skipped; with the reason.
    Damaged(String),
}

/// Collects bytes and keeps the newest frame among them. The buffer grows to the largest frame and one chunk, but
/// not beyond [`MAX_FRAME_BYTES`] and what was read in one call.
#[derive(Debug)]
pub struct StreamBuffer {
    splitter: Splitter,
    buffer: Vec<u8>,
    /// Bytes of the buffer that are filled.
    filled: usize,
    /// Where the bytes begin that the splitter has not consumed.
    parsed: usize,
    newest: Option<Range<usize>>,
}

impl StreamBuffer {
    /// An empty buffer in front of `splitter`.
    #[must_use]
    pub fn new(splitter: Splitter) -> Self {
        Self {
            splitter,
            buffer: Vec::new(),
            filled: 0,
            parsed: 0,
            newest: None,
        }
    }

    /// The format of the frames, once the stream has stated it.
    #[must_use]
    pub fn format(&self) -> Option<StreamFormat> {
        self.splitter.format()
    }

    /// Calls `read` once with room for some bytes and returns how many it wrote; 0 at the end.
    ///
    /// # Errors
    /// Those of `read`.
    pub fn fill(&mut self, read: impl FnOnce(&mut [u8]) -> io::Result<usize>) -> io::Result<usize> {
        self.compact();
        if self.buffer.len() < self.filled + CHUNK {
            // Doubles, so that a large frame is not copied at every chunk, but not past what is allowed.
            let doubled = (self.buffer.len() * 2).min(MAX_FRAME_BYTES + 4 * CHUNK);
            self.buffer.resize(doubled.max(self.filled + CHUNK), 0);
        }
        let room = &mut self.buffer[self.filled..][..CHUNK];
        let count = read(room)?.min(CHUNK);
        self.filled += count;
        Ok(count)
    }

    /// Takes one step through the bytes that are there.
    ///
    /// # Errors
    /// A message, if the stream cannot be read; it cannot continue.
    pub fn step(&mut self) -> Result<Progress, String> {
        loop {
            let rest = &self.buffer[self.parsed..self.filled];
            match self.splitter.find(rest)? {
                Split::More => {
                    if rest.len() > MAX_FRAME_BYTES + CHUNK {
                        let length = rest.len();
                        self.parsed = self.filled;
                        // Restarted: its position may be within the bytes that are dropped.
                        if let Splitter::Mjpeg(splitter) = &mut self.splitter {
                            *splitter = super::mjpeg::Splitter::default();
                        }
                        return Ok(Progress::Damaged(format!(
                            "{length} bytes were read without the end of a frame: at most {MAX_FRAME_BYTES} are allowed"
                        )));
                    }
                    return Ok(Progress::More);
                }
                Split::Skip(count) => self.parsed += count,
                Split::Damaged(count, why) => {
                    self.parsed += count;
                    return Ok(Progress::Damaged(why));
                }
                Split::Frame { body, end } => {
                    self.newest = Some(self.parsed + body.start..self.parsed + body.end);
                    self.parsed += end;
                    return Ok(Progress::Frame);
                }
            }
        }
    }

    /// Whether a frame is waiting.
    #[must_use]
    pub fn has_frame(&self) -> bool {
        self.newest.is_some()
    }

    /// Bytes of a frame that has begun but not ended.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.filled - self.parsed
    }

    /// Moves the newest frame into `frame`: its bytes and their description.
    pub fn take(&mut self, frame: &mut Frame) -> bool {
        let (Some(range), Some(format)) = (self.newest.take(), self.splitter.format()) else {
            return false;
        };
        frame.data.clear();
        frame.data.extend_from_slice(&self.buffer[range]);
        format.describe(frame);
        true
    }

    /// Drops every byte that is not part of a frame.
    pub fn discard(&mut self) {
        self.parsed = self.filled;
    }

    /// Starts on another stream with the same buffer.
    pub fn restart(&mut self, splitter: Splitter) {
        self.splitter = splitter;
        (self.filled, self.parsed, self.newest) = (0, 0, None);
    }

    /// The newest frame's bytes.
    #[must_use]
    pub fn peek(&self) -> Option<&[u8]> {
        self.newest.clone().map(|range| &self.buffer[range])
    }

    /// Drops the bytes that are not needed any more.
    fn compact(&mut self) {
        let keep = self.newest.as_ref().map_or(self.parsed, |newest| newest.start);
        if keep == 0 {
            return;
        }
        self.buffer.copy_within(keep..self.filled, 0);
        self.filled -= keep;
        self.parsed -= keep;
        if let Some(newest) = &mut self.newest {
            *newest = newest.start - keep..newest.end - keep;
        }
    }
}

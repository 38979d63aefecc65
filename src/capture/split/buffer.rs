//! Buffers a stream of bytes and extracts its newest frame.

use std::{io, ops::Range};

use super::{MAX_FRAME_BYTES, Split, Splitter, StreamFormat};
use crate::{
    capture::{frame::Frame, limits::MAX_REUSED_BYTES},
    picture::wipe,
};

/// Bytes read at a time: the default capacity of a pipe.
const CHUNK: usize = 64 << 10;

/// The result of one step through the buffered bytes.
#[derive(Debug, PartialEq, Eq)]
pub enum Progress {
    /// A frame is waiting that is newer than any before.
    Frame,
    /// More bytes are needed.
    More,
    /// A damaged frame was skipped, for this reason.
    Damaged(String),
}

/// Collects bytes and keeps the newest frame among them. The buffer grows to the largest frame plus one
/// chunk, but not beyond [`MAX_FRAME_BYTES`] plus the bytes read in one call.
#[derive(Debug)]
pub struct StreamBuffer {
    splitter: Splitter,
    buffer: Vec<u8>,
    /// Number of bytes of the buffer that are filled.
    filled: usize,
    /// Start of the bytes that the splitter has not consumed.
    parsed: usize,
    /// The newest frame and its format: a later header may change the format of the frames after it.
    newest: Option<(Range<usize>, StreamFormat)>,
}

impl StreamBuffer {
    /// An empty buffer for `splitter`.
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
            // Doubles the size, so a large frame is not copied for every chunk, but stays within the limit.
            let doubled = (self.buffer.len() * 2).min(MAX_FRAME_BYTES + 4 * CHUNK);
            let length = doubled.max(self.filled + CHUNK);
            self.buffer.reserve_exact(length - self.buffer.len());
            self.buffer.resize(length, 0);
        }
        let room = &mut self.buffer[self.filled..][..CHUNK];
        let count = read(room)?.min(CHUNK);
        self.filled += count;
        Ok(count)
    }

    /// Takes one step through the buffered bytes.
    ///
    /// # Errors
    /// A message if the stream cannot be read; it cannot continue.
    pub fn step(&mut self) -> Result<Progress, String> {
        loop {
            let rest = &self.buffer[self.parsed..self.filled];
            match self.splitter.find(rest)? {
                Split::More => {
                    if rest.len() > MAX_FRAME_BYTES + CHUNK {
                        let length = rest.len();
                        self.discard();
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
                    let body = self.parsed + body.start..self.parsed + body.end;
                    self.parsed += end;
                    self.newest = self.splitter.format().map(|format| (body, format));
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

    /// Moves the newest frame's bytes and their description into `frame`.
    pub fn take(&mut self, frame: &mut Frame) -> bool {
        let Some((body, format)) = self.newest.take() else {
            return false;
        };
        if body.len() > MAX_REUSED_BYTES {
            self.move_into(frame, body);
        } else {
            frame.data.clear();
            frame.data.extend_from_slice(&self.buffer[body]);
        }
        format.describe(frame);
        true
    }

    /// Hands over the buffer itself, because a copy of the frame would take too much memory.
    fn move_into(&mut self, frame: &mut Frame, body: Range<usize>) {
        frame.release_large();
        frame.data.clear();
        frame
            .data
            .extend_from_slice(&self.buffer[self.parsed..self.filled]);
        std::mem::swap(&mut frame.data, &mut self.buffer);
        frame.data.truncate(body.end);
        frame.data.drain(..body.start);
        (self.filled, self.parsed) = (self.filled - self.parsed, 0);
    }

    /// The stream has ended: a JPEG picture whose scan has begun and whose EOI is missing ends here. Returns
    /// whether there is one.
    pub fn end(&mut self) -> bool {
        let is_picture = matches!(&self.splitter, Splitter::Mjpeg(splitter) if splitter.has_data());
        if is_picture && self.parsed < self.filled {
            let format = self.splitter.format();
            self.newest = format.map(|format| (self.parsed..self.filled, format));
            self.discard();
        }
        is_picture
    }

    /// Drops every byte that is not part of a frame.
    pub fn discard(&mut self) {
        self.parsed = self.filled;
        self.reset_position();
    }

    /// Resets the splitter's position, which may be within bytes that were dropped.
    fn reset_position(&mut self) {
        if let Splitter::Mjpeg(splitter) = &mut self.splitter {
            *splitter = super::mjpeg::Splitter::default();
        }
    }

    /// Starts on another stream with the same buffer.
    pub fn restart(&mut self, splitter: Splitter) {
        self.splitter = splitter;
        (self.filled, self.parsed, self.newest) = (0, 0, None);
    }

    /// Drops the waiting frame.
    pub fn drop_frame(&mut self) {
        self.newest = None;
    }

    /// Drops the waiting frame and overwrites all picture data with zeros. The end of a frame that has begun
    /// is still found.
    pub fn erase(&mut self) {
        self.newest = None;
        self.compact();
        self.splitter.erase(&mut self.buffer[..self.filled]);
        self.buffer[self.filled..].fill(0);
        // Keeps the compiler from eliding the writes.
        std::hint::black_box(self.buffer.as_mut_slice());
    }

    /// The newest frame's bytes.
    #[must_use]
    pub fn peek(&self) -> Option<&[u8]> {
        self.newest.as_ref().map(|(body, _)| &self.buffer[body.clone()])
    }

    /// Drops the bytes that are no longer needed.
    fn compact(&mut self) {
        let keep = self.newest.as_ref().map_or(self.parsed, |(body, _)| body.start);
        if keep == 0 {
            return;
        }
        self.buffer.copy_within(keep..self.filled, 0);
        self.filled -= keep;
        self.parsed -= keep;
        if let Some((body, _)) = &mut self.newest {
            *body = body.start - keep..body.end - keep;
        }
    }
}

impl Drop for StreamBuffer {
    /// Leaves no picture in freed memory.
    fn drop(&mut self) {
        wipe(&mut self.buffer);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::config::CameraFormat;

    /// The beginning of a frame is read, erased, and followed by its end and another frame.
    #[test]
    fn an_erased_frame_still_ends_where_it_ends() {
        let picture: &[u8] = &[
            0xFF, 0xD8, 0xFF, 0xDA, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0xFF, 0xD9,
        ];
        let y4m = b"YUV4MPEG2 W4 H2 F15:1 Cmono\nFRAME\n12345678FRAME\nabcdefgh";
        let raw = b"12345678abcdefgh";
        let streams = [
            (
                CameraFormat::Auto,
                [picture, picture].concat(),
                9,
                &picture[6..9],
                picture,
            ),
            (
                CameraFormat::Y4m,
                y4m.to_vec(),
                38,
                &b"1234"[..],
                &b"abcdefgh"[..],
            ),
            (
                CameraFormat::Grey,
                raw.to_vec(),
                4,
                &b"1234"[..],
                &b"abcdefgh"[..],
            ),
        ];
        for (format, stream, read, erased, last) in streams {
            let mut buffer = StreamBuffer::new(Splitter::new(format, 4, 2, 0).unwrap());
            let feed = |buffer: &mut StreamBuffer, bytes: &[u8]| {
                buffer
                    .fill(|room| {
                        room[..bytes.len()].copy_from_slice(bytes);
                        Ok(bytes.len())
                    })
                    .unwrap();
            };
            feed(&mut buffer, &stream[..read]);
            assert_eq!(buffer.step().unwrap(), Progress::More, "{format:?}");
            assert!(buffer.buffer.windows(erased.len()).any(|bytes| bytes == erased));
            buffer.erase();
            assert!(!buffer.buffer.windows(erased.len()).any(|bytes| bytes == erased));
            feed(&mut buffer, &stream[read..]);
            assert_eq!(buffer.step().unwrap(), Progress::Frame, "{format:?}");
            assert_eq!(buffer.step().unwrap(), Progress::Frame, "{format:?}");
            assert_eq!(buffer.peek(), Some(last), "{format:?}");
        }
    }

    #[test]
    fn a_waiting_frame_is_erased() {
        let mut buffer = StreamBuffer::new(Splitter::new(CameraFormat::Grey, 4, 2, 0).unwrap());
        buffer
            .fill(|room| {
                room[..8].copy_from_slice(b"12345678");
                Ok(8)
            })
            .unwrap();
        assert_eq!(buffer.step().unwrap(), Progress::Frame);
        buffer.erase();
        assert!(!buffer.has_frame());
        assert!(buffer.buffer.iter().all(|&byte| byte == 0));
    }

    /// Frames that are not copied arrive intact, and so do the bytes of the next frame that were read with
    /// them.
    #[test]
    fn very_large_frames_are_handed_over() {
        let (width, height) = (8192, 5000);
        let size = width * height;
        assert!(size > MAX_REUSED_BYTES);
        let splitter = Splitter::new(CameraFormat::Grey, width as u32, height as u32, 0).unwrap();
        let mut buffer = StreamBuffer::new(splitter);
        let byte = |at: usize| (at * 7 / 1000) as u8;
        let mut frame = Frame::default();
        let (mut sent, mut taken) = (0, 0);
        while taken < 3 {
            while buffer.step().unwrap() == Progress::Frame {}
            if buffer.has_frame() {
                assert!(buffer.take(&mut frame));
                let start = taken * size;
                assert_eq!(frame.data.len(), size);
                let is_right = |at: &usize| frame.data[*at] == byte(start + at);
                assert!((0..size).step_by(9973).chain([size - 1]).all(|at| is_right(&at)));
                taken += 1;
            }
            buffer
                .fill(|room| {
                    for (index, room) in room.iter_mut().enumerate() {
                        *room = byte(sent + index);
                    }
                    sent += room.len();
                    Ok(room.len())
                })
                .unwrap();
        }
    }
}

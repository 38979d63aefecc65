//! A recorded clip: Motion JPEG or Y4M, frame by frame.

use std::{
    fs::File,
    io::{Read, Seek},
    path::{Path, PathBuf},
};

use super::picture::failure;
use crate::{
    capture::{
        frame::{Frame, PixelFormat},
        source::{CaptureError, CaptureKind},
        split::{MAX_FRAME_BYTES, Progress, Splitter, StreamBuffer},
    },
    interrupt::Interrupt,
    text,
};

/// A clip that begins with more damaged frames than this is refused.
const MAX_DAMAGED: u32 = 10;

/// An open clip.
pub(super) struct Clip {
    path: PathBuf,
    file: File,
    buffer: StreamBuffer,
    format: PixelFormat,
    size: (u32, u32),
}

impl Clip {
    /// Opens a clip and reads its first frame; a few damaged ones may precede it.
    pub(super) fn open(path: &Path, interrupt: &Interrupt) -> Result<Self, CaptureError> {
        let file = File::open(path).map_err(|error| failure(path, error))?;
        let mut clip = Self {
            path: path.into(),
            file,
            buffer: StreamBuffer::new(Splitter::Detect),
            format: PixelFormat::Mjpeg,
            size: (0, 0),
        };
        let first = clip.first_frame(interrupt)?;
        clip.format = first.format;
        clip.size = (first.width, first.height);
        clip.rewind()?;
        Ok(clip)
    }

    fn first_frame(&mut self, interrupt: &Interrupt) -> Result<Frame, CaptureError> {
        let mut frame = Frame::default();
        let mut damaged = 0;
        let mut damage = None;
        loop {
            match self.read(&mut frame, interrupt) {
                Ok(true) => return Ok(frame),
                Ok(false) => return Err(damage.unwrap_or_else(|| self.corrupt("it holds no frame"))),
                Err(error) if error.kind == CaptureKind::Corrupt && damaged < MAX_DAMAGED => {
                    damaged += 1;
                    damage.get_or_insert(error);
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Pixel format and size of the first frame.
    pub(super) fn first(&self) -> (PixelFormat, (u32, u32)) {
        (self.format, self.size)
    }

    /// Reads the next frame; `false` at the end.
    pub(super) fn read(&mut self, frame: &mut Frame, interrupt: &Interrupt) -> Result<bool, CaptureError> {
        let mut read = 0;
        loop {
            if interrupt.is_raised() {
                return Err(CaptureError::interrupted());
            }
            if read > MAX_FRAME_BYTES {
                return Err(self.corrupt(&format!("{read} bytes of it hold no frame")));
            }
            match self.buffer.step().map_err(|why| {
                CaptureError::new(
                    CaptureKind::Unsupported,
                    format!("{}: {why}", text::path(&self.path)),
                )
            })? {
                Progress::Frame => return Ok(self.buffer.take(frame)),
                Progress::Damaged(why) => return Err(self.corrupt(&why)),
                Progress::More => {
                    let file = &mut self.file;
                    let count = self.buffer.fill(|room| file.read(room));
                    let count = count.map_err(|error| failure(&self.path, error))?;
                    read += count;
                    if count == 0 {
                        if self.buffer.end() {
                            return Ok(self.buffer.take(frame));
                        }
                        let cut_off = self.buffer.pending();
                        if cut_off == 0 {
                            return Ok(false);
                        }
                        // Reported once: the next call finds nothing pending.
                        self.buffer.discard();
                        return Err(self.corrupt(&format!(
                            "it ends within a frame, {cut_off} bytes after its beginning"
                        )));
                    }
                }
            }
        }
    }

    /// Starts again from the first frame.
    pub(super) fn rewind(&mut self) -> Result<(), CaptureError> {
        self.file.rewind().map_err(|error| failure(&self.path, error))?;
        self.buffer.restart(Splitter::Detect);
        Ok(())
    }

    fn corrupt(&self, why: &str) -> CaptureError {
        CaptureError::new(CaptureKind::Corrupt, format!("{}: {why}", text::path(&self.path)))
    }
}

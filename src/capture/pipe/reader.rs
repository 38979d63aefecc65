//! Waits for the newest frame of a stream.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use super::{
    child::Child,
    drain::{Kept, is_file},
    poll,
    waited::Waited,
};
use crate::{
    capture::{
        frame::Frame,
        jpeg,
        pause::{LONGEST_WAIT, PauseDetector},
        source::{CaptureError, CaptureKind, Stream},
        split::{Progress, Splitter, StreamBuffer},
    },
    clock::Clock,
    interrupt::Interrupt,
};

/// An input that is neither a pipe nor a file, such as a socket, is assumed to hold at most this many bytes.
const MAX_WAITING: usize = 1 << 20;

/// Where the bytes come from.
pub(super) enum Input {
    Child(Child),
    /// Our standard input, and where the buffer is kept when the source is closed.
    Stdin(Arc<Mutex<Option<Kept>>>),
}

impl Input {
    fn name(&self) -> String {
        match self {
            Self::Child(child) => format!("`{}`", child.program()),
            Self::Stdin(_) => "standard input".into(),
        }
    }

    fn output(&self) -> BorrowedFd<'_> {
        match self {
            Self::Child(child) => child.output(),
            Self::Stdin(_) => rustix::stdio::stdin(),
        }
    }

    fn messages(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::Child(child) => child.messages(),
            Self::Stdin(_) => None,
        }
    }
}

/// Reads the stream and keeps its newest frame.
pub(super) struct Reader {
    name: String,
    input: Input,
    buffer: StreamBuffer,
    clock: Arc<dyn Clock>,
    pauses: PauseDetector,
    waited: Waited,
    /// Since when the newest frame may have waited; `None` if it is new.
    newest_waited: Option<Duration>,
    /// When the last source on the same standard input was closed. The camera may have been closed for
    /// privacy, so no frame that began before this source was opened is used.
    closed: Option<Duration>,
}

impl Reader {
    pub(super) fn new(input: Input, buffer: StreamBuffer, clock: &Arc<dyn Clock>) -> Self {
        Self {
            name: input.name(),
            input,
            buffer,
            clock: Arc::clone(clock),
            pauses: PauseDetector::new(Arc::clone(clock)),
            waited: Waited::default(),
            newest_waited: None,
            closed: None,
        }
    }

    /// Continues where the last source was closed.
    pub(super) fn resume(input: Input, kept: Kept, clock: &Arc<dyn Clock>) -> Self {
        let capacity = capacity(input.output());
        let (buffer, closed) = kept.finish();
        let mut reader = Self::new(input, buffer, clock);
        reader.waited.paused(closed, capacity);
        reader.closed = Some(closed);
        reader
    }

    /// Describes the stream. Called once a frame is available.
    pub(super) fn stream(&self) -> Result<Stream, CaptureError> {
        let Some(format) = self.buffer.format() else {
            return Err(CaptureError::new(
                CaptureKind::Unsupported,
                format!("{} does not state the format of its frames", self.name),
            ));
        };
        let first = self.buffer.peek().and_then(jpeg::size);
        let (width, height) = first.unwrap_or((format.width, format.height));
        Ok(Stream {
            name: self.name.clone(),
            format: format.pixels,
            width,
            height,
            rate: format.rate,
        })
    }

    /// Moves the newest frame into `frame`; called after [`Reader::wait`]. The capture time is now or, if the
    /// frame may have waited in the pipe while this process was not running, the start of that pause.
    pub(super) fn take(&mut self, frame: &mut Frame) {
        self.buffer.take(frame);
        frame.captured = self.newest_waited.take().unwrap_or_else(|| self.clock.now());
    }

    /// Waits at most `timeout` until the buffer holds a frame, and reads on until it holds the newest one:
    /// all data that was waiting in the pipe when the call began has been read when it returns.
    pub(super) fn wait(&mut self, timeout: Duration, interrupt: &Interrupt) -> Result<(), CaptureError> {
        let mut deadline = self.clock.now() + timeout;
        // A program that writes faster than we read never leaves the pipe empty; one pipe capacity is enough.
        let mut unread = capacity(self.input.output());
        let mut damage = None;
        let mut count = 0_usize;
        loop {
            damage = self.parse()?.or(damage);
            let left = deadline.saturating_sub(self.clock.now());
            if self.buffer.has_frame() && unread == 0 {
                return Ok(());
            }
            if left.is_zero() && !self.buffer.has_frame() {
                return Err(self.no_frame(damage, timeout, count));
            }
            // A frame that is already there is delivered at once: only the data waiting behind it is read.
            let only_look = self.buffer.has_frame() || damage.is_some();
            // While bytes may have waited, the moment when the input is empty must not be missed.
            let left = if only_look || self.waited.has_unread() {
                Duration::ZERO
            } else {
                left.min(LONGEST_WAIT)
            };
            let (output, messages) = (self.input.output(), self.input.messages());
            let ready =
                poll::wait(output, messages, interrupt.as_fd(), left).map_err(|error| self.failed(error))?;
            if let Some(since) = self.pauses.check() {
                self.waited.paused(since, capacity(self.input.output()));
                // During the pause, neither this process nor, on a suspended machine, the program could run.
                deadline = self.clock.now() + timeout;
            }
            if ready.interrupt {
                return Err(CaptureError::interrupted());
            }
            if ready.messages
                && let Input::Child(child) = &mut self.input
            {
                child.read_messages();
            }
            if ready.output {
                self.waited.reading(self.buffer.pending());
                let output = self.input.output();
                let read = self.buffer.fill(|room| poll::read(output, room));
                match read.map_err(|error| self.failed(error))? {
                    0 if self.buffer.has_frame() || self.buffer.end() => return Ok(()),
                    0 => return Err(self.ended()),
                    bytes => {
                        count += bytes;
                        unread = unread.saturating_sub(bytes);
                        self.waited.read(bytes);
                    }
                }
            } else {
                self.waited.emptied(self.buffer.pending());
                if self.buffer.has_frame() && !ready.messages {
                    return Ok(());
                }
                if only_look && !ready.messages {
                    return Err(self.no_frame(damage, timeout, count));
                }
            }
        }
    }

    /// Looks for frames in the bytes that were read. Returns what is wrong with the last damaged frame.
    fn parse(&mut self) -> Result<Option<String>, CaptureError> {
        let mut damage = None;
        loop {
            match self.buffer.step() {
                Ok(Progress::Frame) => {
                    self.newest_waited = self.waited.frame_ended();
                    if self.newest_waited.is_some() && self.newest_waited == self.closed {
                        self.buffer.drop_frame();
                    }
                }
                Ok(Progress::More) => return Ok(damage),
                Ok(Progress::Damaged(why)) => {
                    self.waited.frame_ended();
                    damage = Some(why);
                }
                Err(why) => {
                    let reason = format!("{}: {why}", self.name);
                    return Err(CaptureError::new(CaptureKind::Unsupported, reason));
                }
            }
        }
    }

    fn no_frame(&self, damage: Option<String>, timeout: Duration, count: usize) -> CaptureError {
        match damage {
            Some(why) => CaptureError::new(CaptureKind::Corrupt, format!("{}: {why}", self.name)),
            None => CaptureError::new(
                CaptureKind::Stalled,
                format!(
                    "{} delivered no frame within {:.1} s ({count} bytes were read)",
                    self.name,
                    timeout.as_secs_f32()
                ),
            ),
        }
    }

    fn failed(&self, error: io::Error) -> CaptureError {
        CaptureError::caused_by(
            CaptureKind::Missing,
            format!("{} cannot be read", self.name),
            error,
        )
    }

    /// Why the stream ended.
    fn ended(&mut self) -> CaptureError {
        let (kind, mut reason) = match &mut self.input {
            Input::Stdin(_) => (CaptureKind::Ended, "standard input ended".into()),
            Input::Child(child) => (CaptureKind::Missing, child.ended()),
        };
        if self.buffer.pending() > 0 {
            reason += &format!(
                " within a frame, {} bytes after its beginning",
                self.buffer.pending()
            );
        }
        CaptureError::new(kind, reason)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        if let Input::Stdin(kept) = &self.input {
            let buffer = std::mem::replace(&mut self.buffer, StreamBuffer::new(Splitter::Detect));
            let rest = Kept::new(buffer, self.clock.now());
            *kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(rest);
        }
    }
}

/// How many bytes may wait in an input: the capacity of a pipe; 0 for a file redirected to standard input, of
/// which no frame may be skipped.
fn capacity(fd: BorrowedFd<'_>) -> usize {
    rustix::pipe::fcntl_getpipe_size(fd).unwrap_or(if is_file(fd) { 0 } else { MAX_WAITING })
}

//! Frames from a program's standard output, or from our own standard input.

mod child;
mod descriptor;

use std::{
    io,
    os::fd::{AsRawFd, RawFd},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::{
    frame::Frame,
    source::{CaptureError, CaptureKind, Opener, Source, Stream},
    split::{Intake, Progress, Splitter},
};
use crate::{clock::Clock, config::Camera};
use child::Child;

/// Starts the program of the settings, again and again.
pub struct PipeOpener {
    settings: Camera,
    timeout: Duration,
    clock: Arc<dyn Clock>,
    /// Standard input cannot be read from its start again: what was read of a frame outlives its source.
    stdin: Arc<Mutex<Option<Intake>>>,
}

impl PipeOpener {
    /// An opener for `settings.command`; `timeout` bounds the wait for each frame.
    ///
    /// # Errors
    /// [`CaptureKind::Unsupported`] if there is no command or its frames' format is unknown.
    pub fn new(settings: Camera, timeout: Duration, clock: Arc<dyn Clock>) -> Result<Self, CaptureError> {
        if settings.command.is_empty() {
            return Err(CaptureError::new(
                CaptureKind::Unsupported,
                "camera.command is empty: name the program that writes frames and its arguments, or [\"-\"] for \
                 standard input",
            ));
        }
        splitter(&settings)?;
        Ok(Self {
            settings,
            timeout,
            clock,
            stdin: Arc::default(),
        })
    }
}

fn splitter(settings: &Camera) -> Result<Splitter, CaptureError> {
    Splitter::by_name(&settings.format, settings.width, settings.height)
        .map_err(|why| CaptureError::new(CaptureKind::Unsupported, why))
}

impl Opener for PipeOpener {
    /// Starts the program and waits for its first frame, which says the size.
    fn open(&mut self) -> Result<Box<dyn Source>, CaptureError> {
        let splitter = splitter(&self.settings)?;
        let (input, intake) = match self.settings.command.as_slice() {
            [program, arguments @ ..] if program != "-" => {
                let child = Child::start(program, arguments)?;
                (Input::Child(child), Intake::new(splitter))
            }
            _ => {
                let kept = self.stdin.lock().unwrap_or_else(PoisonError::into_inner).take();
                let input = Input::Stdin(Arc::clone(&self.stdin));
                (input, kept.unwrap_or_else(|| Intake::new(splitter)))
            }
        };
        let mut reader = Reader {
            name: input.name(),
            input,
            intake,
            timeout: self.timeout,
        };
        reader.wait().map_err(|error| match error.kind {
            CaptureKind::Ended | CaptureKind::Missing => {
                CaptureError::new(error.kind, format!("{} before its first frame", error.reason))
            }
            _ => error,
        })?;
        let Some(layout) = reader.intake.layout() else {
            return Err(CaptureError::new(
                CaptureKind::Unsupported,
                format!("{} does not say what its frames are", reader.name),
            ));
        };
        let first = reader.intake.peek().and_then(super::decode::jpeg_size);
        let (width, height) = first.unwrap_or((layout.width, layout.height));
        let stream = Stream {
            name: reader.name.clone(),
            format: layout.format,
            width,
            height,
            rate: layout.rate,
        };
        Ok(Box::new(PipeSource {
            reader,
            clock: Arc::clone(&self.clock),
            stream,
            sequence: 0,
        }))
    }
}

/// A stream whose frames are known.
struct PipeSource {
    reader: Reader,
    clock: Arc<dyn Clock>,
    stream: Stream,
    sequence: u64,
}

impl Source for PipeSource {
    fn next(&mut self, frame: &mut Frame) -> Result<(), CaptureError> {
        self.reader.wait()?;
        self.reader.intake.take(frame);
        frame.sequence = self.sequence;
        frame.captured = self.clock.now();
        self.sequence += 1;
        Ok(())
    }

    fn stream(&self) -> &Stream {
        &self.stream
    }
}

/// Where the bytes come from.
enum Input {
    Child(Child),
    Stdin(Arc<Mutex<Option<Intake>>>),
}

impl Input {
    fn name(&self) -> String {
        match self {
            Self::Child(child) => format!("`{}`", child.program()),
            Self::Stdin(_) => "standard input".into(),
        }
    }

    fn output(&self) -> RawFd {
        match self {
            Self::Child(child) => child.output(),
            Self::Stdin(_) => io::stdin().as_raw_fd(),
        }
    }
}

/// Waits on the stream and keeps its newest frame.
struct Reader {
    name: String,
    input: Input,
    intake: Intake,
    timeout: Duration,
}

impl Reader {
    /// Waits until the intake holds a frame, and reads on until it holds the newest: everything that waited in
    /// the pipe when the call began has been looked at when it returns.
    fn wait(&mut self) -> Result<(), CaptureError> {
        let deadline = Instant::now() + self.timeout;
        let output = self.input.output();
        // A program that writes faster than we read never leaves the pipe empty; one pipe full is enough.
        let mut unread = pipe_capacity(output);
        let mut broken = None;
        let mut count = 0_usize;
        loop {
            loop {
                match self.intake.step() {
                    Ok(Progress::Frame) => {}
                    Ok(Progress::More) => break,
                    Ok(Progress::Broken(why)) => broken = Some(why),
                    Err(why) => {
                        let reason = format!("{}: {why}", self.name);
                        return Err(CaptureError::new(CaptureKind::Unsupported, reason));
                    }
                }
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if self.intake.has_frame() && unread == 0 {
                return Ok(());
            }
            if left.is_zero() && !self.intake.has_frame() {
                return Err(self.without_frame(broken, count));
            }
            // What is there already is delivered at once: only what waits behind it is looked for.
            let patience = if self.intake.has_frame() || broken.is_some() {
                Duration::ZERO
            } else {
                left
            };
            let messages = match &self.input {
                Input::Child(child) => child.messages(),
                Input::Stdin(_) => None,
            };
            let ready = descriptor::poll(output, messages, patience).map_err(|e| self.failed(&e))?;
            if ready.messages
                && let Input::Child(child) = &mut self.input
            {
                child.listen();
            }
            if ready.output {
                let read = self.intake.fill(|room| descriptor::read(output, room));
                match read.map_err(|e| self.failed(&e))? {
                    0 if self.intake.has_frame() => return Ok(()),
                    0 => return Err(self.ended()),
                    bytes => {
                        count += bytes;
                        unread = unread.saturating_sub(bytes);
                    }
                }
            } else if !ready.messages && patience.is_zero() {
                if self.intake.has_frame() {
                    return Ok(());
                }
                return Err(self.without_frame(broken, count));
            }
        }
    }

    fn without_frame(&self, broken: Option<String>, count: usize) -> CaptureError {
        match broken {
            Some(why) => CaptureError::new(CaptureKind::Corrupt, format!("{}: {why}", self.name)),
            None => CaptureError::new(
                CaptureKind::Stalled,
                format!(
                    "{} gave no frame within {:.1} s ({count} bytes came)",
                    self.name,
                    self.timeout.as_secs_f32()
                ),
            ),
        }
    }

    fn failed(&self, error: &io::Error) -> CaptureError {
        CaptureError::new(
            CaptureKind::Missing,
            format!("{} cannot be read: {error}", self.name),
        )
    }

    /// The stream is at its end: why.
    fn ended(&mut self) -> CaptureError {
        let (kind, mut reason) = match &mut self.input {
            Input::Stdin(_) => (CaptureKind::Ended, "standard input ended".into()),
            Input::Child(child) => (CaptureKind::Missing, child.ended()),
        };
        if self.intake.pending() > 0 {
            reason += &format!(
                " within a frame, {} bytes after its beginning",
                self.intake.pending()
            );
        }
        CaptureError::new(kind, reason)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        if let Input::Stdin(kept) = &self.input {
            let intake = std::mem::replace(&mut self.intake, Intake::new(Splitter::Sniff));
            *kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(intake);
        }
    }
}

/// How much can wait in the pipe; 0 if it is none, such as a file that was redirected to standard input, of
/// which no frame shall be skipped.
fn pipe_capacity(fd: RawFd) -> usize {
    // SAFETY: asks a descriptor for a number.
    let capacity = unsafe { libc::fcntl(fd, libc::F_GETPIPE_SZ) };
    usize::try_from(capacity).unwrap_or(0)
}

//! Frames from a program's standard output, or from our own standard input.

mod child;
mod drain;
mod guard;
mod last_line;
mod poll;
mod reader;
mod waited;

use std::{
    env,
    sync::{Arc, Mutex, PoisonError, atomic::AtomicBool},
    time::Duration,
};

use super::{
    frame::Frame,
    source::{CaptureError, CaptureKind, Opener, Source, Stream},
    split::{Splitter, StreamBuffer},
    timeouts::Timeouts,
};
use crate::{clock::Clock, config::Camera, interrupt::Interrupt, text::KnownSecrets};
use child::Child;
use drain::Kept;
pub use last_line::LastLine;
use reader::{Input, Reader};

/// Starts the configured program.
pub struct PipeOpener {
    settings: Camera,
    timeouts: Timeouts,
    clock: Arc<dyn Clock>,
    /// Standard input cannot be rewound, so a partial frame is kept for the next source.
    stdin: Arc<Mutex<Option<Kept>>>,
    /// The credentials that the program is given.
    known: Arc<KnownSecrets>,
    /// Whether a program has not ended although it was killed.
    lingers: Arc<AtomicBool>,
}

impl PipeOpener {
    /// An opener for `settings.command`; `timeouts` bound the wait for each frame.
    ///
    /// # Errors
    /// [`CaptureKind::Unsupported`] if there is no command or its frames' format is unknown.
    pub fn new(settings: Camera, timeouts: Timeouts, clock: Arc<dyn Clock>) -> Result<Self, CaptureError> {
        if settings.command.is_empty() {
            return Err(CaptureError::new(
                CaptureKind::Unsupported,
                "camera.command is empty: set it to the program that writes frames and its arguments, or to \
                 [\"-\"] for standard input",
            ));
        }
        splitter(&settings)?;
        // The program inherits the environment.
        let environment = env::vars_os()
            .map(|(name, value)| format!("{}={}", name.to_string_lossy(), value.to_string_lossy()));
        Ok(Self {
            known: Arc::new(KnownSecrets::new(&settings.command, environment)),
            settings,
            timeouts,
            clock,
            stdin: Arc::default(),
            lingers: Arc::default(),
        })
    }
}

impl PipeOpener {
    /// Waits for the first frame; damaged ones may precede it. After the first of those, the wait is only as
    /// long as for a later frame, so the reason is soon known.
    fn wait_for_first(&self, reader: &mut Reader, interrupt: &Interrupt) -> Result<(), CaptureError> {
        let mut deadline = self.clock.now() + self.timeouts.start;
        let mut damage: Option<CaptureError> = None;
        loop {
            let now = self.clock.now();
            let error = match reader.wait(deadline.saturating_sub(now), interrupt) {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            match error.kind {
                CaptureKind::Corrupt if now < deadline => {
                    if damage.is_none() {
                        deadline = deadline.min(now + self.timeouts.frame);
                    }
                    damage = Some(error);
                }
                CaptureKind::Stalled => return Err(damage.unwrap_or(error)),
                CaptureKind::Ended | CaptureKind::Missing => {
                    return Err(damage.unwrap_or_else(|| CaptureError {
                        reason: format!("{} before its first frame", error.reason),
                        ..error
                    }));
                }
                _ => return Err(error),
            }
        }
    }
}

fn is_stdin(settings: &Camera) -> bool {
    settings.command.first().is_some_and(|program| program == "-")
}

fn splitter(settings: &Camera) -> Result<Splitter, CaptureError> {
    Splitter::new(settings.format, settings.width, settings.height, settings.stride)
        .map_err(|why| CaptureError::new(CaptureKind::Unsupported, why))
}

impl Opener for PipeOpener {
    fn discard(&mut self) {
        if is_stdin(&self.settings)
            && let Ok(splitter) = splitter(&self.settings)
        {
            let mut kept = self.stdin.lock().unwrap_or_else(PoisonError::into_inner);
            let first = || Kept::new(StreamBuffer::new(splitter), self.clock.now());
            kept.get_or_insert_with(first).discard();
        }
    }

    /// Starts the program and waits for its first frame, which determines the size.
    fn open(&mut self, interrupt: &Interrupt) -> Result<Box<dyn Source>, CaptureError> {
        let splitter = splitter(&self.settings)?;
        let (input, kept) = match self.settings.command.as_slice() {
            [program, arguments @ ..] if program != "-" => {
                let child = Child::start(program, arguments, &self.known, &self.lingers)?;
                (Input::Child(child), None)
            }
            _ => {
                let kept = self.stdin.lock().unwrap_or_else(PoisonError::into_inner).take();
                (Input::Stdin(Arc::clone(&self.stdin)), kept)
            }
        };
        let mut reader = match kept {
            None => Reader::new(input, StreamBuffer::new(splitter), &self.clock),
            Some(kept) => Reader::resume(input, kept, &self.clock),
        };
        self.wait_for_first(&mut reader, interrupt)?;
        let stream = reader.stream()?;
        Ok(Box::new(PipeSource {
            reader,
            timeout: self.timeouts.frame,
            stream,
            sequence: 0,
        }))
    }
}

/// A stream whose format is known.
struct PipeSource {
    reader: Reader,
    timeout: Duration,
    stream: Stream,
    sequence: u64,
}

impl Source for PipeSource {
    fn next(&mut self, frame: &mut Frame, interrupt: &Interrupt) -> Result<(), CaptureError> {
        self.reader.wait(self.timeout, interrupt)?;
        self.reader.take(frame);
        frame.sequence = self.sequence;
        self.sequence += 1;
        Ok(())
    }

    fn stream(&self) -> &Stream {
        &self.stream
    }
}

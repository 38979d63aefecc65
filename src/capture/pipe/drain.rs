//! Reads standard input and discards its frames while no source is open.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::Duration,
};

use rustix::fs::{FileType, fstat};

use super::poll;
use crate::{
    capture::{
        pause::LONGEST_WAIT,
        split::{Progress, Splitter, StreamBuffer},
    },
    interrupt::{Cause, Interrupt},
};

/// What is kept of standard input until the next source is opened: what is needed to find the end of a frame
/// that has begun.
#[derive(Debug)]
pub(super) struct Kept {
    buffer: Arc<Mutex<StreamBuffer>>,
    drain: Option<Drain>,
    /// When the source was closed.
    closed: Duration,
}

impl Kept {
    pub(super) fn new(mut buffer: StreamBuffer, closed: Duration) -> Self {
        buffer.erase();
        Self {
            buffer: Arc::new(Mutex::new(buffer)),
            drain: None,
            closed,
        }
    }

    /// Discards what arrives from now on. A writer that waits until it is read would otherwise deliver old
    /// frames later. A file keeps its frames.
    pub(super) fn discard(&mut self) {
        if self.drain.is_none() && !is_file(rustix::stdio::stdin()) {
            self.drain = Drain::start(&self.buffer)
                .inspect_err(|error| tracing::debug!(%error, "standard input is not read"))
                .ok();
        }
    }

    /// Stops discarding. Returns the buffer, and when the source was closed.
    pub(super) fn finish(self) -> (StreamBuffer, Duration) {
        drop(self.drain);
        let empty = StreamBuffer::new(Splitter::Detect);
        (std::mem::replace(&mut *lock(&self.buffer), empty), self.closed)
    }
}

/// A thread that reads until it is dropped.
#[derive(Debug)]
struct Drain {
    stop: Interrupt,
    thread: Option<JoinHandle<()>>,
}

impl Drain {
    fn start(buffer: &Arc<Mutex<StreamBuffer>>) -> io::Result<Self> {
        let stop = Interrupt::new()?;
        let (stopped, buffer) = (stop.clone(), Arc::clone(buffer));
        let thread = thread::Builder::new()
            .name("drain".into())
            .spawn(move || drain(&mut lock(&buffer), &stopped))?;
        Ok(Self {
            stop,
            thread: Some(thread),
        })
    }
}

impl Drop for Drain {
    fn drop(&mut self) {
        self.stop.raise(Cause::Shutdown);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Reads until `stop` is raised or the input ends, which the next source will find too.
fn drain(buffer: &mut StreamBuffer, stop: &Interrupt) {
    let input = rustix::stdio::stdin();
    loop {
        match poll::wait(input, None, stop.as_fd(), LONGEST_WAIT) {
            Ok(ready) if ready.interrupt => return,
            Ok(ready) if !ready.output => continue,
            Ok(_) => {}
            Err(_) => return,
        }
        match buffer.fill(|room| poll::read(input, room)) {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        loop {
            match buffer.step() {
                Ok(Progress::Frame | Progress::Damaged(_)) => buffer.drop_frame(),
                Ok(Progress::More) => break,
                Err(_) => return,
            }
        }
        buffer.erase();
    }
}

/// Whether an input is a file, whose frames wait as long as necessary.
pub(super) fn is_file(input: BorrowedFd<'_>) -> bool {
    fstat(input).is_ok_and(|status| FileType::from_raw_mode(status.st_mode) == FileType::RegularFile)
}

/// A panic in the thread leaves the buffer between two steps.
fn lock(buffer: &Mutex<StreamBuffer>) -> MutexGuard<'_, StreamBuffer> {
    buffer.lock().unwrap_or_else(PoisonError::into_inner)
}

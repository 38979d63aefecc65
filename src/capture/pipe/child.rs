//! The program that writes frames, and its messages on standard error.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd},
    process::{self, ChildStderr, ChildStdout, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use super::{
    guard::Guard,
    last_line::{LastLine, MAX_LINE},
    poll,
};
use crate::{
    capture::source::{CaptureError, CaptureKind},
    text,
};

/// How long a program may take to exit after it closed its output or was asked to exit.
const GRACE: Duration = Duration::from_millis(300);

/// How often the program is checked during that time.
const STEP: Duration = Duration::from_millis(5);

/// A running program in a process group of its own. Dropping it ends the program and the whole group.
pub(super) struct Child {
    process: process::Child,
    program: String,
    output: ChildStdout,
    /// `None` once the program closed it.
    messages: Option<ChildStderr>,
    last_line: Box<LastLine>,
    /// The exit status was collected, so the process ID may belong to another program now.
    reaped: bool,
    /// `None` if it could not be started, and once the group was killed.
    guard: Option<Guard>,
}

impl Child {
    pub(super) fn start(program: &str, arguments: &[String]) -> Result<Self, CaptureError> {
        let name = text::sanitized(program, MAX_LINE);
        let failed = |error: io::Error| {
            let (kind, hint) = match error.kind() {
                io::ErrorKind::NotFound => (
                    CaptureKind::Missing,
                    " (is it installed? camera.command takes a program in PATH, or its full path)",
                ),
                io::ErrorKind::PermissionDenied => (CaptureKind::Denied, ""),
                _ => (CaptureKind::Missing, ""),
            };
            CaptureError::caused_by(kind, format!("`{name}` cannot be started{hint}"), error)
        };
        let mut command = Command::new(program);
        command
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut process = affectd_sys::child::spawn(&mut command).map_err(failed)?;
        let guard = Guard::start(Pid::from_child(&process))
            .inspect_err(|error| tracing::debug!(%error, "what the camera program starts is not guarded"))
            .ok();
        let (output, messages) = (process.stdout.take(), process.stderr.take());
        let Some(output) = output else {
            return Err(failed(io::Error::other("it has no standard output")));
        };
        Ok(Self {
            process,
            program: name,
            output,
            messages,
            last_line: Box::default(),
            reaped: false,
            guard,
        })
    }

    pub(super) fn program(&self) -> &str {
        &self.program
    }

    pub(super) fn output(&self) -> BorrowedFd<'_> {
        self.output.as_fd()
    }

    pub(super) fn messages(&self) -> Option<BorrowedFd<'_>> {
        self.messages.as_ref().map(AsFd::as_fd)
    }

    /// Reads some of the program's messages. Called when there are any: a program whose messages are not read
    /// would block.
    pub(super) fn read_messages(&mut self) {
        let Some(messages) = self.messages() else {
            return;
        };
        let mut bytes = [0; 4096];
        match poll::read(messages, &mut bytes) {
            Ok(count) if count > 0 => self.last_line.push(&bytes[..count]),
            _ => self.messages = None,
        }
    }

    /// Why the output ended. Waits a moment for the program to exit.
    pub(super) fn ended(&mut self) -> String {
        let deadline = Instant::now() + GRACE;
        loop {
            self.drain_messages(deadline);
            if self.has_exited() || Instant::now() >= deadline {
                break;
            }
            thread::sleep(STEP);
        }
        // The last message may have arrived between the last read and the exit.
        self.drain_messages(deadline);
        // An exit status of 0 is reported too: the camera program is expected to run for as long as the
        // daemon.
        let mut reason = match self.has_exited().then(|| self.reap()).flatten() {
            Some(status) if status.success() => format!("`{}` ended", self.program),
            Some(status) => format!("`{}` ended with {status}", self.program),
            None => format!("`{}` closed its output", self.program),
        };
        if let Some(line) = self.last_line.text() {
            reason += &format!(" (its last message: {line})");
        }
        reason
    }

    fn drain_messages(&mut self, deadline: Instant) {
        while let Some(messages) = self.messages()
            && Instant::now() < deadline
            && poll::is_readable(messages)
        {
            self.read_messages();
        }
    }

    /// Whether the program has exited. Its process ID stays reserved until [`Child::reap`].
    fn has_exited(&self) -> bool {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        let id = WaitId::Pid(Pid::from_child(&self.process));
        self.reaped || matches!(waitid(id, options), Ok(Some(_)))
    }

    /// Kills what is left of the group and collects the exit status of the program.
    fn reap(&mut self) -> Option<ExitStatus> {
        self.signal(Signal::KILL);
        self.guard = None;
        let status = self.process.wait().ok();
        self.reaped = true;
        status
    }

    /// Signals the group, whose ID is the program's: the exit status must not have been collected.
    fn signal(&self, signal: Signal) {
        // It fails if every process of the group has ended.
        let _ = kill_process_group(Pid::from_child(&self.process), signal);
    }
}

impl Drop for Child {
    /// Asks the group to exit, so it can release the camera, and kills it after a while.
    fn drop(&mut self) {
        if self.reaped {
            return;
        }
        self.signal(Signal::TERM);
        let deadline = Instant::now() + GRACE;
        // Processes started by the program may take longer to exit than the program itself.
        while !(self.has_exited() && poll::is_closed(self.output())) && Instant::now() < deadline {
            thread::sleep(STEP);
        }
        self.reap();
    }
}

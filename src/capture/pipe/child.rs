//! The program that writes frames, and its messages on standard error.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd},
    process::{self, ChildStderr, ChildStdout, Command, ExitStatus, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    thread,
    time::{Duration, Instant},
};

use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, getpgid, kill_process, kill_process_group, waitid,
};

use super::{
    guard::Guard,
    last_line::{LastLine, MAX_LINE},
    poll,
};
use crate::{
    capture::source::{CaptureError, CaptureKind},
    text::{self, KnownSecrets},
};

/// How long a program may take to exit after it closed its output or was asked to exit.
const GRACE: Duration = Duration::from_millis(300);

/// How long a killed program may take to exit. One of another user cannot be killed, and one that waits in a
/// driver exits later.
const KILL_GRACE: Duration = Duration::from_secs(1);

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
    /// The credentials that the program was given.
    known: Arc<KnownSecrets>,
    /// The exit status was collected, so the process ID may belong to another program now.
    reaped: bool,
    /// `None` if it could not be started, and once the group was killed.
    guard: Option<Guard>,
    /// Whether an earlier program has not ended although it was killed.
    lingers: Arc<AtomicBool>,
}

impl Child {
    /// Starts a program, whose messages are shown without the credentials in `known`. No other is started
    /// while `lingers` says that an earlier one has not ended, so there is never more than one.
    pub(super) fn start(
        program: &str,
        arguments: &[String],
        known: &Arc<KnownSecrets>,
        lingers: &Arc<AtomicBool>,
    ) -> Result<Self, CaptureError> {
        let name = text::sanitized(program, MAX_LINE);
        if lingers.load(SeqCst) {
            return Err(CaptureError::new(
                CaptureKind::Busy,
                format!("`{name}` was killed and does not end; it may still use the camera"),
            ));
        }
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
            known: Arc::clone(known),
            reaped: false,
            guard,
            lingers: Arc::clone(lingers),
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
        if let Some(line) = self.last_line.text(&self.known) {
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

    /// Kills what is left of the group and collects the exit status of the program; `None` if it does not
    /// end. A thread then waits for it.
    fn reap(&mut self) -> Option<ExitStatus> {
        self.signal(Signal::KILL);
        self.guard = None;
        self.reaped = true;
        let deadline = Instant::now() + KILL_GRACE;
        loop {
            match self.process.try_wait() {
                Ok(None) if Instant::now() < deadline => thread::sleep(STEP),
                Ok(None) => break,
                Ok(status) => return status,
                Err(_) => return None,
            }
        }
        tracing::error!(
            program = self.program,
            "the camera program was killed and does not end; it may still use the camera"
        );
        self.lingers.store(true, SeqCst);
        let (id, lingers) = (Pid::from_child(&self.process), Arc::clone(&self.lingers));
        let wait = move || {
            let _ = waitid(WaitId::Pid(id), WaitIdOptions::EXITED);
            lingers.store(false, SeqCst);
        };
        // Without a thread, no program is started until the daemon is restarted.
        let _ = thread::Builder::new().name("reap".into()).spawn(wait);
        None
    }

    /// Signals the program and its group, which has the same ID: the exit status must not have been
    /// collected.
    fn signal(&self, signal: Signal) {
        let id = Pid::from_child(&self.process);
        // It fails if every process of the group has ended.
        let _ = kill_process_group(id, signal);
        // The program may have moved to another group.
        if getpgid(Some(id)).is_ok_and(|group| group != id) {
            let _ = kill_process(id, signal);
        }
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

//! The program that writes frames, and what it says on its standard error.

use std::{
    os::{
        fd::{AsRawFd, RawFd},
        unix::process::CommandExt,
    },
    process::{self, ChildStderr, ChildStdout, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use super::descriptor;
use crate::capture::source::{CaptureError, CaptureKind};

/// How long a program may take to end after it closed its output, and after it was asked to.
const GRACE: Duration = Duration::from_millis(300);

/// A running program in a process group of its own, so that what it started ends with it.
pub(super) struct Child {
    process: process::Child,
    program: String,
    output: ChildStdout,
    /// `None` once the program closed it.
    messages: Option<ChildStderr>,
    said: LastLine,
    /// Its exit status was collected: its number may belong to another program now.
    collected: bool,
}

impl Child {
    pub(super) fn start(program: &str, arguments: &[String]) -> Result<Self, CaptureError> {
        let failed = |error: &std::io::Error| {
            let (kind, hint) = match error.kind() {
                std::io::ErrorKind::NotFound => (
                    CaptureKind::Missing,
                    ": is it installed? camera.command takes a program in PATH, or its full path",
                ),
                std::io::ErrorKind::PermissionDenied => (CaptureKind::Denied, ""),
                _ => (CaptureKind::Missing, ""),
            };
            CaptureError::new(kind, format!("`{program}` cannot be started: {error}{hint}"))
        };
        let mut process = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(|error| failed(&error))?;
        let (output, messages) = (process.stdout.take(), process.stderr.take());
        let Some(output) = output else {
            return Err(failed(&std::io::Error::other("it has no standard output")));
        };
        Ok(Self {
            process,
            program: program.into(),
            output,
            messages,
            said: LastLine::default(),
            collected: false,
        })
    }

    pub(super) fn program(&self) -> &str {
        &self.program
    }

    pub(super) fn output(&self) -> RawFd {
        self.output.as_raw_fd()
    }

    pub(super) fn messages(&self) -> Option<RawFd> {
        self.messages.as_ref().map(AsRawFd::as_raw_fd)
    }

    /// Reads some of what the program says. Called when there is something: a program whose messages
    /// nobody reads would stop.
    pub(super) fn listen(&mut self) {
        let Some(messages) = self.messages() else {
            return;
        };
        let mut bytes = [0; 4096];
        match descriptor::read(messages, &mut bytes) {
            Ok(count) if count > 0 => self.said.push(&bytes[..count]),
            _ => self.messages = None,
        }
    }

    /// Why the output is at its end.
    pub(super) fn ended(&mut self) -> String {
        let deadline = Instant::now() + GRACE;
        let status = loop {
            while let Some(messages) = self.messages()
                && descriptor::poll(messages, None, Duration::ZERO).is_ok_and(|ready| ready.output)
            {
                self.listen();
                if Instant::now() > deadline {
                    break;
                }
            }
            match self.process.try_wait() {
                Ok(Some(status)) => {
                    self.collected = true;
                    break Some(status);
                }
                Ok(None) if Instant::now() < deadline => thread::sleep(Duration::from_millis(5)),
                _ => break None,
            }
        };
        // What it said last may have come between the look at its messages and its end.
        while let Some(messages) = self.messages()
            && Instant::now() < deadline
            && descriptor::poll(messages, None, Duration::ZERO).is_ok_and(|ready| ready.output)
        {
            self.listen();
        }
        // Even where it ended well: whoever runs for years wants its camera program started again.
        let mut reason = match status {
            Some(status) if status.success() => format!("`{}` ended", self.program),
            Some(status) => format!("`{}` ended with {status}", self.program),
            None => format!("`{}` closed its output", self.program),
        };
        if let Some(said) = self.said.text() {
            reason += &format!(" (it said: {said})");
        }
        reason
    }

    fn signal(&self, signal: libc::c_int) {
        if let Ok(group) = libc::pid_t::try_from(self.process.id()) {
            // SAFETY: the group is the one that was made for this program, whose exit status has not been
            // collected: the number is still its own.
            unsafe { libc::kill(-group, signal) };
        }
    }
}

impl Drop for Child {
    /// Asks the program to end, so that it can release the camera, and makes it after a while.
    fn drop(&mut self) {
        if self.collected {
            return;
        }
        self.signal(libc::SIGTERM);
        let deadline = Instant::now() + GRACE;
        while Instant::now() < deadline {
            if matches!(self.process.try_wait(), Ok(Some(_))) {
                return;
            }
            thread::sleep(Duration::from_millis(5));
        }
        self.signal(libc::SIGKILL);
        // Killed: this only collects its exit status.
        let _ = self.process.wait();
    }
}

/// The last line of what a program says, however much it says.
#[derive(Debug, Default)]
struct LastLine {
    last: Vec<u8>,
    current: Vec<u8>,
}

/// Longest line that is kept, bytes.
const MAX_LINE: usize = 200;

impl LastLine {
    fn push(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            // Progress displays end their lines with a carriage return.
            if byte == b'\n' || byte == b'\r' {
                if !self.current.is_empty() {
                    std::mem::swap(&mut self.last, &mut self.current);
                    self.current.clear();
                }
            } else if self.current.len() < MAX_LINE && !byte.is_ascii_control() {
                self.current.push(byte);
            }
        }
    }

    fn text(&self) -> Option<String> {
        let line = if self.current.is_empty() {
            &self.last
        } else {
            &self.current
        };
        let text = String::from_utf8_lossy(line);
        let text = text.trim();
        (!text.is_empty()).then(|| text.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_last_line_and_no_more() {
        let mut said = LastLine::default();
        assert_eq!(said.text(), None);
        said.push(b"first\nframe=1\rframe=2\r");
        assert_eq!(said.text().as_deref(), Some("frame=2"));
        said.push(b"\x1b[31mno cam");
        said.push(b"era\n\n");
        assert_eq!(said.text().as_deref(), Some("[31mno camera"));
        said.push(&vec![b'x'; 1 << 20]);
        assert_eq!(said.text().map(|text| text.len()), Some(MAX_LINE));
        assert!(said.current.capacity() < 1 << 10);
    }
}

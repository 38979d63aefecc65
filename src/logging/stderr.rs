//! What standard error is connected to, and a writer that does not depend on the standard library's lock.

use std::{
    env,
    fs::File,
    io::{self, ErrorKind, IsTerminal as _, Write as _},
    os::{fd::AsFd as _, unix::fs::MetadataExt as _},
    thread,
    time::Duration,
};

/// What standard error is connected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StderrKind {
    /// The systemd journal, which adds the time and reads the level from a prefix.
    Journal,
    /// A terminal.
    Terminal,
    /// A file or another program.
    Other,
}

impl StderrKind {
    /// Determined as in systemd.exec(5): `JOURNAL_STREAM` holds device and inode of the journal's socket.
    /// They must be compared, because programs whose standard error was redirected inherit the variable too.
    #[must_use]
    pub fn detect() -> Self {
        if io::stderr().is_terminal() {
            return Self::Terminal;
        }
        let metadata = || duplicate().ok()?.metadata().ok();
        match env::var("JOURNAL_STREAM").ok().zip(metadata()) {
            Some((stream, stderr)) if stream == format!("{}:{}", stderr.dev(), stderr.ino()) => Self::Journal,
            _ => Self::Other,
        }
    }
}

/// Standard error as a separate file. A write that blocks then holds no lock that another thread could wait
/// for.
pub(super) fn duplicate() -> io::Result<File> {
    Ok(File::from(io::stderr().as_fd().try_clone_to_owned()?))
}

/// Time between two attempts if standard error is in non-blocking mode, which a process that shares it may
/// have set.
const RETRY: Duration = Duration::from_millis(50);

/// Writes all of `bytes`, however long it takes.
///
/// # Errors
/// Any error other than "would block" and an interruption.
pub(super) fn write_all(file: &mut File, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match file.write(bytes) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(written) => bytes = &bytes[written..],
            Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(RETRY),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

//! Writes log records to standard error or to the journal.

use std::{env, fs::File, io};

use tracing::Level;

use super::{
    entry::{Entry, priority},
    journal::Journal,
    stderr::{self, StderrKind},
};

/// What is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Record {
    /// A log message.
    Message(Entry),
    /// A line that says why the process ends, without time and level.
    Failure(String),
}

/// The destination of the log. Its writes may block.
#[derive(Debug)]
pub(super) struct Writer {
    stderr: File,
    kind: StderrKind,
    colours: bool,
    journal: Option<Journal>,
}

impl Writer {
    pub(super) fn new(stderr: File, kind: StderrKind, colours: bool, journal: Option<Journal>) -> Self {
        Self {
            stderr,
            kind,
            colours,
            journal,
        }
    }

    /// Standard error, or the journal that it leads to.
    ///
    /// # Errors
    /// If the process has no file descriptor left.
    pub(super) fn for_stderr() -> io::Result<Self> {
        let kind = StderrKind::detect();
        let colours =
            kind == StderrKind::Terminal && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        // In a container, standard error may lead to a journal whose socket cannot be reached.
        let journal = match kind {
            StderrKind::Journal => Journal::connect().ok(),
            StderrKind::Terminal | StderrKind::Other => None,
        };
        Ok(Self::new(stderr::duplicate()?, kind, colours, journal))
    }

    /// Writes one record, however long it takes.
    ///
    /// # Errors
    /// If it cannot be written, for example to a full disk.
    pub(super) fn write(&mut self, record: &Record) -> io::Result<()> {
        let line = match record {
            Record::Message(entry) => {
                // If the journal refuses, fall back to standard error, which leads to it too.
                if self
                    .journal
                    .as_ref()
                    .is_some_and(|journal| journal.send(entry).is_ok())
                {
                    return Ok(());
                }
                entry.line(self.kind, self.colours)
            }
            Record::Failure(line) => match self.kind {
                StderrKind::Journal => format!("<{}>{line}\n", priority(Level::ERROR)),
                StderrKind::Terminal | StderrKind::Other => format!("{line}\n"),
            },
        };
        stderr::write_all(&mut self.stderr, line.as_bytes())
    }

    /// Reports that messages were lost.
    ///
    /// # Errors
    /// As [`Writer::write`].
    pub(super) fn write_lost(&mut self, count: u64) -> io::Result<()> {
        let text = format!("{count} log messages were lost because the log was not read");
        self.write(&Record::Message(Entry::internal(Level::WARN, text)))
    }
}

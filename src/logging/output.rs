//! Standard output that detects when its reader has gone.

use std::io::{self, ErrorKind, Write};

/// Forwards every write and records a broken pipe.
#[derive(Debug)]
pub struct Output<W> {
    inner: W,
    reader_left: bool,
}

impl<W: Write> Output<W> {
    /// Writes to `inner`.
    pub fn new(inner: W) -> Self {
        Self {
            inner,
            reader_left: false,
        }
    }

    /// Whether a write failed because the reader had closed its end.
    pub fn reader_left(&self) -> bool {
        self.reader_left
    }

    fn observe<T>(&mut self, result: io::Result<T>) -> io::Result<T> {
        if let Err(error) = &result {
            self.reader_left |= error.kind() == ErrorKind::BrokenPipe;
        }
        result
    }
}

impl<W: Write> Write for Output<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let result = self.inner.write(bytes);
        self.observe(result)
    }

    fn flush(&mut self) -> io::Result<()> {
        let result = self.inner.flush();
        self.observe(result)
    }
}

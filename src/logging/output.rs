//! Standard output that detects when its reader has gone and escapes control characters.

use std::io::{self, ErrorKind, Write};

use super::escape::escape_unless;

/// Forwards every write, with control characters escaped, and records a broken pipe.
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
        // What this program writes is text, and formatting never splits a character between two writes.
        let text = String::from_utf8_lossy(bytes);
        let escaped = escape_unless(&text, |c| c == '\n' || c == '\t');
        let result = self.inner.write_all(escaped.as_bytes());
        self.observe(result).map(|()| bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let result = self.inner.flush();
        self.observe(result)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn text_of_others_cannot_control_the_terminal() {
        let mut output = Output::new(Vec::new());
        let name = "HD\x1b]0;x\x07 Wébcam";
        writeln!(output, "camera\t{name}").unwrap();
        assert_eq!(
            String::from_utf8(output.inner).unwrap(),
            "camera\tHD\\u001b]0;x\\u0007 Wébcam\n"
        );
    }
}

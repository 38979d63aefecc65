//! The last message of a camera program.

use crate::text;

/// Longest line that is kept, in bytes.
pub(super) const MAX_LINE: usize = 200;

/// The last line of a stream of text of any length.
#[derive(Debug, Default)]
pub struct LastLine {
    last: Vec<u8>,
    current: Vec<u8>,
}

impl LastLine {
    /// Appends what the program wrote.
    pub fn push(&mut self, bytes: &[u8]) {
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

    /// The line without credentials and control characters, if anything was written.
    #[must_use]
    pub fn text(&self) -> Option<String> {
        let line = if self.current.is_empty() {
            &self.last
        } else {
            &self.current
        };
        let line = String::from_utf8_lossy(line);
        let line = line.trim();
        (!line.is_empty()).then(|| text::sanitized(line, MAX_LINE))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_last_line_and_no_more() {
        let mut line = LastLine::default();
        assert_eq!(line.text(), None);
        line.push(b"first\nframe=1\rframe=2\r");
        assert_eq!(line.text().as_deref(), Some("frame=2"));
        line.push(b"\x1b[31mno cam");
        line.push(b"era\n\n");
        assert_eq!(line.text().as_deref(), Some("[31mno camera"));
        line.push(&vec![b'x'; 1 << 20]);
        assert_eq!(line.text().map(|text| text.len()), Some(MAX_LINE));
        assert!(line.current.capacity() < 1 << 10);
        line.push(b"\ncannot open rtsp://admin:hunter2@camera/\n");
        let text = line.text().unwrap_or_default();
        assert!(text.contains("@camera/") && !text.contains("hunter2"), "{text}");
    }
}

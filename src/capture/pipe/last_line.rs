//! The last message of a camera program.

use crate::text::{self, KnownSecrets};

/// Longest line that is kept, in bytes.
pub(super) const MAX_LINE: usize = 200;

/// The last line of a stream of text of any length.
#[derive(Debug, Default)]
pub struct LastLine {
    /// The end of the line before `last`.
    before: Vec<u8>,
    last: Line,
    current: Line,
}

impl LastLine {
    /// Appends what the program wrote.
    pub fn push(&mut self, bytes: &[u8]) {
        // Progress displays end their lines with a carriage return.
        for part in bytes.split_inclusive(|byte| matches!(byte, b'\n' | b'\r')) {
            match part {
                [line @ .., b'\n' | b'\r'] => {
                    self.current.push(line);
                    self.end_line();
                }
                line => self.current.push(line),
            }
        }
    }

    fn end_line(&mut self) {
        if !self.current.is_blank() {
            std::mem::swap(&mut self.before, &mut self.last.end);
            std::mem::swap(&mut self.last, &mut self.current);
        }
        self.current.clear();
    }

    /// The line without credentials and control characters, if anything was written. `known`: the credentials
    /// that the program was given.
    ///
    /// A password that contains a line break is split between two lines, so the line is read as what follows
    /// the line before it: `ter2@camera/` after `rtsp://admin:hun`.
    #[must_use]
    pub fn text(&self, known: &KnownSecrets) -> Option<String> {
        let (before, line) = if self.current.is_blank() {
            (&self.before, &self.last)
        } else {
            (&self.last.end, &self.current)
        };
        let before = String::from_utf8_lossy(before);
        let shown = String::from_utf8_lossy(&line.start);
        let shown: String = text::redacted_line(&before, &shown, line.is_cut, known)
            .chars()
            .map(|c| if c == '\t' { ' ' } else { c })
            .filter(|c| !c.is_ascii_control())
            .collect();
        let shown = shown.trim();
        (!shown.is_empty()).then(|| text::escaped(shown, MAX_LINE))
    }
}

/// The start and the end of a line.
#[derive(Debug, Default)]
struct Line {
    /// Up to [`MAX_LINE`] bytes.
    start: Vec<u8>,
    /// As many bytes.
    end: Vec<u8>,
    /// The line is longer than its start.
    is_cut: bool,
}

impl Line {
    fn push(&mut self, bytes: &[u8]) {
        let room = MAX_LINE - self.start.len();
        self.start.extend_from_slice(&bytes[..room.min(bytes.len())]);
        self.is_cut |= bytes.len() > room;
        let end = &bytes[bytes.len().saturating_sub(MAX_LINE)..];
        let excess = (self.end.len() + end.len()).saturating_sub(MAX_LINE);
        self.end.drain(..excess);
        self.end.extend_from_slice(end);
    }

    /// Whether the line shows nothing.
    fn is_blank(&self) -> bool {
        !self.is_cut
            && self
                .start
                .iter()
                .all(|byte| byte.is_ascii_control() || *byte == b' ')
    }

    fn clear(&mut self) {
        self.start.clear();
        self.end.clear();
        self.is_cut = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is shown after a program wrote `bytes`.
    fn shown(bytes: &[u8]) -> String {
        let mut line = LastLine::default();
        line.push(bytes);
        line.text(&KnownSecrets::default()).unwrap_or_default()
    }

    #[test]
    fn keeps_the_last_line_and_no_more() {
        let mut line = LastLine::default();
        assert_eq!(line.text(&KnownSecrets::default()), None);
        line.push(b"first\nframe=1\rframe=2\r");
        assert_eq!(line.text(&KnownSecrets::default()).as_deref(), Some("frame=2"));
        line.push(b"\x1b[31mno cam");
        line.push(b"era\n\n \x07\n");
        assert_eq!(
            line.text(&KnownSecrets::default()).as_deref(),
            Some("[31mno camera")
        );
        line.push(&vec![b'x'; 1 << 20]);
        assert_eq!(
            line.text(&KnownSecrets::default()).map(|text| text.len()),
            Some(MAX_LINE)
        );
        let Line { start, end, .. } = &line.current;
        assert!(start.capacity() + end.capacity() < 1 << 10);
    }

    #[test]
    fn shows_no_credentials() {
        assert_eq!(
            shown(b"cannot open rtsp://admin:hunter2@camera/\n"),
            "cannot open rtsp://***@camera/"
        );
        // Colours between the parts.
        assert_eq!(shown(b"\x1b[3mpassword\x1b[0m=hunter2"), "[3mpassword[0m=***");
    }

    #[test]
    fn a_credential_may_have_begun_in_the_line_before() {
        assert_eq!(shown(b"rtsp://admin:hun\nter2@camera/x"), "***@camera/x");
        assert_eq!(shown(b"rtsp://admin:hun\r\nter2@camera\n"), "***@camera");
        assert_eq!(shown(b"password:\n\nhunter2\n"), "***");
        let long = [b"x ".repeat(200), b"rtsp://admin:hun\nter2@camera".to_vec()].concat();
        assert_eq!(shown(&long), "***@camera");
        assert_eq!(shown(b"wrong password\nclosing"), "closing");
    }

    #[test]
    fn a_credential_that_the_limit_cuts_is_not_shown() {
        for (length, text) in [(183, "rtsp://a:12345678@camera/"), (186, "rtsp://a:1234@camera/")] {
            let line = ["x".repeat(length), text.to_owned()].concat();
            assert_eq!(shown(line.as_bytes()), "x".repeat(length) + "rtsp://***");
        }
        let line = ["x".repeat(189), " admin:hunter2@camera".to_owned()].concat();
        assert_eq!(shown(line.as_bytes()), "x".repeat(189) + " ***");
    }
}

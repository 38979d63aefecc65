//! Keeps control characters away from terminals: file names, camera names and messages of other programs may contain
//! escape sequences.

use std::{borrow::Cow, fmt::Write as _};

/// `text` with its control characters, including line breaks, in Rust's notation (`\n`, `\u{1b}`).
#[must_use]
pub fn escape(text: &str) -> Cow<'_, str> {
    escape_unless(text, |_| false)
}

/// Like [`escape`], but keeps the characters for which `is_allowed` holds.
pub(super) fn escape_unless(text: &str, is_allowed: impl Fn(char) -> bool) -> Cow<'_, str> {
    let must_escape = |c: char| is_dangerous(c) && !is_allowed(c);
    if !text.contains(must_escape) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if must_escape(c) {
            // Writing to a String cannot fail.
            let _ = write!(escaped, "{}", c.escape_default());
        } else {
            escaped.push(c);
        }
    }
    Cow::Owned(escaped)
}

/// Control characters, and the Unicode controls that reorder the text around them.
fn is_dangerous(c: char) -> bool {
    c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_control_characters_are_replaced() {
        assert_eq!(escape("Büro 2 – \"links\"\\x"), "Büro 2 – \"links\"\\x");
        assert_eq!(escape("a\x1b[2Jb\nc\td\x7f"), "a\\u{1b}[2Jb\\nc\\td\\u{7f}");
        assert_eq!(escape("\u{9b}1m \u{202e}gnp.exe"), "\\u{9b}1m \\u{202e}gnp.exe");
        assert_eq!(
            escape_unless("one\ntwo\r\x1b", |c| c == '\n'),
            "one\ntwo\\r\\u{1b}"
        );
    }
}

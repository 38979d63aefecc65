//! Keeps control characters away from terminals: file names, camera names and messages of other programs may
//! contain escape sequences.

use std::{borrow::Cow, fmt::Write as _};

use crate::text::is_unsafe;

/// `text` with its unsafe characters ([`is_unsafe`]), including line breaks, in JSON notation (`\n`,
/// `\u001b`), so JSON keeps its meaning.
#[must_use]
pub fn escape(text: &str) -> Cow<'_, str> {
    escape_unless(text, |_| false)
}

/// Like [`escape`], but keeps the characters for which `is_allowed` holds.
pub(super) fn escape_unless(text: &str, is_allowed: impl Fn(char) -> bool) -> Cow<'_, str> {
    let must_escape = |c: char| is_unsafe(c) && !is_allowed(c);
    if !text.contains(must_escape) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if !must_escape(c) {
            escaped.push(c);
            continue;
        }
        match c {
            '\n' => escaped.push_str("\\n"),
            '\r' => escaped.push_str("\\r"),
            '\t' => escaped.push_str("\\t"),
            other => {
                // JSON has four hexadecimal digits for a UTF-16 code unit.
                for unit in other.encode_utf16(&mut [0; 2]) {
                    // Writing to a String cannot fail.
                    let _ = write!(escaped, "\\u{unit:04x}");
                }
            }
        }
    }
    Cow::Owned(escaped)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_control_characters_are_replaced() {
        assert_eq!(escape("Büro 2 – \"links\"\\x"), "Büro 2 – \"links\"\\x");
        assert_eq!(escape("a\x1b[2Jb\nc\td\x7f"), "a\\u001b[2Jb\\nc\\td\\u007f");
        assert_eq!(escape("\u{9b}1m \u{202e}gnp.exe"), "\\u009b1m \\u202egnp.exe");
        assert_eq!(escape("\u{61c}\u{2028}\u{1fffe}"), "\\u061c\\u2028\\ud83f\\udffe");
        assert_eq!(
            escape_unless("one\ntwo\r\x1b", |c| c == '\n'),
            "one\ntwo\\r\\u001b"
        );
    }
}

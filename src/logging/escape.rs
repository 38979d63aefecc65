//! Keeps control characters away from terminals: file names, camera names and messages of other programs may
//! contain escape sequences.

use std::{borrow::Cow, fmt::Write as _};

/// `text` with its control characters, including line breaks, in JSON notation (`\n`, `\u001b`), so JSON
/// keeps its meaning.
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
        if !must_escape(c) {
            escaped.push(c);
            continue;
        }
        // Writing to a String cannot fail.
        let _ = match c {
            '\n' => write!(escaped, "\\n"),
            '\r' => write!(escaped, "\\r"),
            '\t' => write!(escaped, "\\t"),
            // All of them have at most four hexadecimal digits.
            other => write!(escaped, "\\u{:04x}", u32::from(other)),
        };
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
        assert_eq!(escape("a\x1b[2Jb\nc\td\x7f"), "a\\u001b[2Jb\\nc\\td\\u007f");
        assert_eq!(escape("\u{9b}1m \u{202e}gnp.exe"), "\\u009b1m \\u202egnp.exe");
        assert_eq!(
            escape_unless("one\ntwo\r\x1b", |c| c == '\n'),
            "one\ntwo\\r\\u001b"
        );
    }
}

//! A text as it was before a program encoded it: percent-encoding (RFC 3986) is decoded, and terminal control
//! sequences (ECMA-48) and other invisible characters are left out.

use std::ops::Range;

use super::is_unsafe;

/// `text` decoded; `None` if that would change nothing.
pub(super) fn decoded(text: &str) -> Option<String> {
    if !text.contains(|c: char| c == '%' || is_hidden(c)) {
        return None;
    }
    let mut decoded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((length, shown)) = unit(rest) {
        decoded.extend(shown);
        rest = &rest[length..];
    }
    (decoded.len() < text.len()).then_some(decoded)
}

/// The ranges of `text` whose decoded forms are at `spans`, which are sorted and do not overlap.
pub(super) fn encoded(text: &str, spans: &[Range<usize>]) -> Vec<Range<usize>> {
    let mut found = Vec::with_capacity(spans.len());
    let mut spans = spans.iter();
    let Some(mut span) = spans.next() else {
        return found;
    };
    let (mut at, mut decoded_at, mut start) = (0, 0, 0);
    while let Some((length, shown)) = unit(&text[at..]) {
        if let Some(shown) = shown {
            if decoded_at == span.start {
                start = at;
            }
            decoded_at += shown.len_utf8();
            if decoded_at == span.end {
                found.push(start..at + length);
                match spans.next() {
                    Some(next) => span = next,
                    None => break,
                }
            }
        }
        at += length;
    }
    found
}

/// Whether a decoded text lacks this character.
fn is_hidden(c: char) -> bool {
    is_unsafe(c) && !c.is_whitespace()
}

/// The length of the first character, encoded character or control sequence in bytes, and what it stands for.
fn unit(text: &str) -> Option<(usize, Option<char>)> {
    let c = text.chars().next()?;
    let rest = &text[c.len_utf8()..];
    match c {
        '%' => match rest
            .get(..2)
            .and_then(|digits| u8::from_str_radix(digits, 16).ok())
        {
            Some(byte @ b' '..=b'~') if !rest.starts_with('+') => Some((3, Some(char::from(byte)))),
            _ => Some((1, Some(c))),
        },
        '\x1b' if rest.starts_with('[') => Some((2 + sequence(&rest[1..]), None)),
        '\u{9b}' => Some((c.len_utf8() + sequence(rest), None)),
        c if is_hidden(c) => Some((c.len_utf8(), None)),
        c => Some((c.len_utf8(), Some(c))),
    }
}

/// The length of a control sequence after its introducer: parameters and a letter (ECMA-48, section 5.4).
fn sequence(text: &str) -> usize {
    let parameters = text.find(|c| !matches!(c, ' '..='?')).unwrap_or(text.len());
    let has_end = text[parameters..].starts_with(|c| matches!(c, '@'..='~'));
    parameters + usize::from(has_end)
}

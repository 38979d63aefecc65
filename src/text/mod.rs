//! Text from outside (files, the environment, other programs) made safe for terminals, logs and topics.

mod arguments;
mod fields;
mod known;
mod names;
mod redact;
mod repeats;
mod secrets;
#[cfg(test)]
mod tests;
mod urls;
mod values;
mod view;
mod words;

use std::path::Path;

pub use arguments::redacted_arguments;
pub use known::KnownSecrets;
pub use redact::{redacted, redacted_line};

/// The longest part of a value that a message quotes, in characters.
const MAX_QUOTED: usize = 60;

/// The longest part of a path that a message shows, in characters: Linux does not accept longer ones.
const MAX_PATH: usize = 4096;

/// `text` on one line of at most `max` characters: credentials are replaced by `***`, control characters are
/// escaped, and truncated text ends in `…`.
#[must_use]
pub fn sanitized(text: &str, max: usize) -> String {
    escaped(&redacted(text), max)
}

/// `text` on one line of at most `max` characters, with credentials left as they are.
#[must_use]
pub fn escaped(text: &str, max: usize) -> String {
    let mut safe = String::with_capacity(text.len().min(4 * max));
    for (count, c) in text.chars().enumerate() {
        if count == max {
            safe.push('…');
            break;
        }
        push_safe(c, &mut safe);
    }
    safe
}

/// `text` quoted for a message: as [`sanitized`], in quotation marks, with inner quotation marks escaped.
#[must_use]
pub fn quoted(text: &str) -> String {
    let redacted = redacted(text);
    let cut: String = redacted.chars().take(MAX_QUOTED).collect();
    let more = if cut.len() < redacted.len() { "…" } else { "" };
    let mut safe = String::from('"');
    for c in cut.chars() {
        if is_unsafe(c) {
            push_safe(c, &mut safe);
        } else {
            safe.extend(c.escape_debug());
        }
    }
    safe + more + "\""
}

/// A path as shown in messages. File names may hold any bytes, including terminal control characters, and a
/// URL with a password may be given where a path is expected.
#[must_use]
pub fn path(path: &Path) -> String {
    let text = path.to_string_lossy();
    // Without these, only words such as "password" could be found, and those are ordinary names of files.
    if text.contains([':', '%']) {
        sanitized(&text, MAX_PATH)
    } else {
        escaped(&text, MAX_PATH)
    }
}

/// Whether a terminal may obey this character or fail to show it: control characters, bidirectional
/// formatting characters, invisible separators, and noncharacters.
#[must_use]
pub fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(c, '\u{2060}'..='\u{206f}' | '\u{feff}')
        || is_noncharacter(c)
}

/// Whether Unicode reserves this code point for internal use (Unicode 16, section 23.7). MQTT forbids it in
/// topics (MQTT 5, section 1.5.4).
#[must_use]
pub fn is_noncharacter(c: char) -> bool {
    matches!(c, '\u{fdd0}'..='\u{fdef}') || u32::from(c) & 0xfffe == 0xfffe
}

/// Appends `c`, escaped where it is unsafe: `\n`, `\r`, `\t`, or `\u{…}`.
fn push_safe(c: char, safe: &mut String) {
    match c {
        '\n' | '\r' | '\t' => safe.extend(c.escape_default()),
        c if is_unsafe(c) => safe.extend(c.escape_unicode()),
        c => safe.push(c),
    }
}

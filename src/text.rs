//! Text from outside (files, the environment, other programs) made safe for terminals, logs and topics.

use std::path::Path;

/// The longest part of a value that a message quotes, in characters.
const MAX_QUOTED: usize = 60;

/// The longest part of a path that a message shows, in characters: Linux does not accept longer ones.
const MAX_PATH: usize = 4096;

/// What replaces a secret.
const REDACTED: &str = "***";

/// Parts of the lower-case names of query parameters and fields whose values are secrets.
const SECRET_PARTS: [&str; 6] = ["pass", "pwd", "secret", "token", "credential", "apikey"];

/// The same, as whole names.
const SECRET_NAMES: [&str; 6] = ["pw", "psw", "auth", "key", "sig", "signature"];

/// `text` on one line of at most `max` characters: credentials are replaced by `***`, control characters are
/// escaped, and truncated text ends in `…`.
#[must_use]
pub fn sanitized(text: &str, max: usize) -> String {
    let redacted = redacted(text);
    let mut safe = String::with_capacity(redacted.len().min(4 * max));
    for (count, c) in redacted.chars().enumerate() {
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
    format!("\"{}{more}\"", cut.escape_debug())
}

/// A path as shown in messages. File names may hold any bytes, including terminal control characters.
#[must_use]
pub fn path(path: &Path) -> String {
    let mut safe = String::new();
    for c in path.to_string_lossy().chars().take(MAX_PATH) {
        push_safe(c, &mut safe);
    }
    safe
}

/// Whether a terminal may obey this character or fail to show it: control characters, bidirectional
/// formatting characters, invisible separators, and noncharacters.
#[must_use]
pub fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
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

/// `text` without credentials: without user and password of every URL (`rtsp://***@host/`), even if the
/// password holds characters that a URL must escape, and without the values of parameters whose names suggest
/// a secret. In doubt, more is removed than necessary.
#[must_use]
pub fn redacted(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(char::is_whitespace).map_or(rest.len(), |at| {
            at + rest[at..].chars().next().map_or(1, char::len_utf8)
        });
        let (word, after) = rest.split_at(end);
        rest = after;
        match userinfo(word) {
            Userinfo::None => redact_parameters(word, &mut safe),
            Userinfo::Before { from, to } => {
                safe.push_str(&word[..from]);
                safe.push_str(REDACTED);
                redact_parameters(&word[to..], &mut safe);
            }
            Userinfo::Unfinished { from } => {
                safe.push_str(&word[..from]);
                safe.push_str(REDACTED);
                // A password with a space in it ends at the next @.
                match rest.find('@') {
                    Some(at) => rest = &rest[at..],
                    None => safe.extend(word.chars().next_back().filter(|c| c.is_whitespace())),
                }
            }
        }
    }
    safe
}

/// Where a word holds user and password.
enum Userinfo {
    None,
    /// In these bytes; an `@` follows.
    Before {
        from: usize,
        to: usize,
    },
    /// From this byte on; the `@` is missing.
    Unfinished {
        from: usize,
    },
}

fn userinfo(word: &str) -> Userinfo {
    let authority = word.find("://").map(|at| at + 3);
    let at = word
        .rfind('@')
        .filter(|at| authority.is_none_or(|from| *at >= from));
    match (authority, at) {
        // The last @, because a password may hold others.
        (Some(from), Some(to)) => Userinfo::Before { from, to },
        (Some(from), None) if has_password(&word[from..]) => Userinfo::Unfinished { from },
        (None, Some(to)) if word[..to].contains(':') => Userinfo::Before { from: 0, to },
        _ => Userinfo::None,
    }
}

/// Whether the text after `://`, which has no `@`, is still `user:password` (truncated, or split at a space)
/// and not `host:port`.
fn has_password(rest: &str) -> bool {
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    // The colons of an IPv6 address are in brackets.
    let after = authority.rsplit_once(']').map_or(authority, |(_, after)| after);
    after.split_once(':').is_some_and(|(_, port)| {
        let port = port.trim_end_matches(|c: char| !c.is_alphanumeric());
        !port.chars().all(|c| c.is_ascii_digit())
    })
}

/// Copies `word` with the values of secret parameters replaced: `password=…`, `"token":"…"`.
fn redact_parameters(word: &str, safe: &mut String) {
    let mut rest = word;
    while let Some(at) = rest.find(['=', ':']) {
        let (before, after) = rest.split_at(at + 1);
        safe.push_str(before);
        rest = after;
        let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
        let name = before[..at].trim_end_matches(['"', '\'']);
        let name = &name[name.rfind(|c| !is_part(c)).map_or(0, |before| {
            before + name[before..].chars().next().map_or(1, char::len_utf8)
        })..];
        let quotes = rest.len() - rest.trim_start_matches(['"', '\'']).len();
        let value = &rest[quotes..];
        let end = value
            .find(|c: char| matches!(c, '&' | ';' | ',' | '"' | '\'') || c.is_whitespace())
            .unwrap_or(value.len());
        if is_secret(name) && end > 0 && !value.starts_with("//") {
            safe.push_str(&rest[..quotes]);
            safe.push_str(REDACTED);
            rest = &value[end..];
        }
    }
    safe.push_str(rest);
}

fn is_secret(name: &str) -> bool {
    let name: String = name
        .chars()
        .filter(|c| *c != '_' && *c != '-')
        .flat_map(char::to_lowercase)
        .collect();
    SECRET_NAMES.contains(&name.as_str()) || SECRET_PARTS.iter().any(|part| name.contains(part))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn urls_lose_their_credentials_and_keep_the_rest() {
        for (text, safe) in [
            (
                "rtsp://admin:gartenzwerg7@192.0.2.7/stream1: Connection refused",
                "rtsp://***@192.0.2.7/stream1: Connection refused",
            ),
            ("rtsp://admin@cam/x", "rtsp://***@cam/x"),
            ("rtsp://a:p@ss/w:rd@cam/x", "rtsp://***@cam/x"),
            ("rtsp://a:my pass@cam/x failed", "rtsp://***@cam/x failed"),
            ("rtsp://admin:cut-o", "rtsp://***"),
            (
                "[in#0] http://a:b@h/, http://c:d@i/",
                "[in#0] http://***@h/, http://***@i/",
            ),
            ("admin:hunter2@cam: refused", "***@cam: refused"),
            (
                "http://cam:8080/x and http://[::1]:80/",
                "http://cam:8080/x and http://[::1]:80/",
            ),
            (
                "http://cam/v.cgi?user=a&pwd=b&n=1",
                "http://cam/v.cgi?user=a&pwd=***&n=1",
            ),
            (r#"{"api_key":"abc","n":1}"#, r#"{"api_key":"***","n":1}"#),
            ("--password=abc def", "--password=*** def"),
            (
                "mail to admin@example.org at 12:30",
                "mail to admin@example.org at 12:30",
            ),
            ("no such file: /dev/video0", "no such file: /dev/video0"),
        ] {
            assert_eq!(sanitized(text, 200), safe);
        }
    }

    #[test]
    fn terminal_controls_are_escaped() {
        assert_eq!(
            sanitized("a\x1b[31mred\r\n\u{9b}\u{202e}\u{fffe}ü", 100),
            "a\\u{1b}[31mred\\r\\n\\u{9b}\\u{202e}\\u{fffe}ü"
        );
        assert_eq!(quoted("a\"\x07"), r#""a\"\u{7}""#);
        assert_eq!(path(Path::new("/tmp/\x1b[2J/größe")), "/tmp/\\u{1b}[2J/größe");
    }

    #[test]
    fn long_text_is_cut() {
        assert_eq!(sanitized("abcdef", 6), "abcdef");
        assert_eq!(sanitized("abcdefg", 6), "abcdef…");
        assert_eq!(quoted(&"ä".repeat(61)), format!("\"{}…\"", "ä".repeat(60)));
    }

    #[test]
    fn noncharacters_are_those_of_every_plane() {
        for c in [
            '\u{fffe}',
            '\u{ffff}',
            '\u{1fffe}',
            '\u{10ffff}',
            '\u{fdd0}',
            '\u{fdef}',
        ] {
            assert!(is_noncharacter(c), "{c:?}");
        }
        for c in ['a', '\u{fffd}', '\u{fdcf}', '\u{fdf0}', '\u{10000}'] {
            assert!(!is_noncharacter(c), "{c:?}");
        }
    }

    proptest! {
        #[test]
        fn no_password_of_a_url_is_left(password in "[!-~]{6,20}", host in "[a-z]{3,8}") {
            let safe = sanitized(&format!("open rtsp://admin:{password}@{host}/x: refused"), 200);
            prop_assert!(!safe.contains(&password), "{}", safe);
            prop_assert!(safe.ends_with(&format!("@{host}/x: refused")), "{}", safe);
        }

        #[test]
        fn any_text_becomes_one_bounded_safe_line(text in any::<String>(), max in 0_usize..50) {
            let safe = sanitized(&text, max);
            prop_assert!(!safe.contains(is_unsafe));
            prop_assert!(safe.chars().count() <= 10 * max + 1);
        }
    }
}

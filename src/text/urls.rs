//! User and password in URLs: `scheme://user:password@host/`.

use std::ops::Range;

use super::words::{is_quote, skip_space, word_end};

/// How many bytes before a word show what a program takes it for.
const MAX_CONTEXT: usize = 100;

/// Adds the user and password of every URL in `text`. `is_cut`: the text went on.
pub(super) fn find(text: &str, is_cut: bool, spans: &mut Vec<Range<usize>>) {
    let mut at = skip_space(text, 0);
    let mut previous = "";
    while at < text.len() {
        let end = word_end(text, at);
        let word = &text[at..end];
        let mut next = end;
        if let (Some(first), Some(last)) = (word.find("://"), word.rfind("://")) {
            // A parameter of a URL may be another.
            for from in [at + first + 3, at + last + 3] {
                if let Some(to) = userinfo_end(text, from, end, is_cut) {
                    spans.push(from..to);
                    next = next.max(to);
                }
            }
        } else {
            spans.extend(without_scheme(text, at, end).or_else(|| after_port_or_host(text, at, end)));
            spans.extend(joined_option(word, previous).map(|from| at + from..end));
        }
        previous = word;
        if is_cut && end == text.len() {
            spans.extend(cut(text, at));
        }
        at = skip_space(text, next);
    }
}

/// Whether this is a TCP port.
pub(super) fn is_port(text: &str) -> bool {
    text.len() <= 5 && text.bytes().all(|byte| byte.is_ascii_digit()) && text.parse::<u16>().is_ok()
}

/// The end of user and password in the URL whose authority begins at `from` and whose word ends at `end`;
/// `None` if there are none.
fn userinfo_end(text: &str, from: usize, end: usize, is_cut: bool) -> Option<usize> {
    let rest = &text[from..end];
    // The last @, because a password may hold others.
    if let Some(at) = rest.rfind('@') {
        // Unless a host follows, white space may follow an @ in the password.
        let is_open = !rest[at..].contains(['/', '?', '#', ':', ',', ')', '"', '\'']);
        let next = next_word_at(text, end).filter(|_| is_open);
        return Some(next.unwrap_or(from + at));
    }
    let length = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    match after_host(&rest[..length]) {
        After::Nothing => None,
        After::Password => {
            let cut = if is_cut { text.len() } else { end };
            Some(password_at(text, end).unwrap_or(cut))
        }
        // The digits may be the beginning of a password that holds a space.
        After::Port if length < rest.len() => next_word_at(text, end),
        After::Port => {
            let cut = (is_cut && is_near_the_end(text, end)).then_some(text.len());
            password_at(text, end).or(cut)
        }
    }
}

/// What an authority without @ holds after its first part.
enum After {
    Nothing,
    Port,
    Password,
}

fn after_host(authority: &str) -> After {
    // The colons of an IPv6 address are in brackets.
    if authority.starts_with('[') {
        return After::Nothing;
    }
    let Some((host, port)) = authority.split_once(':') else {
        return After::Nothing;
    };
    let port = port.trim_end_matches([
        ',', '.', ';', ':', ')', ']', '}', '>', '…', '"', '\'', '`', '’', '”',
    ]);
    if !port.is_empty() && !is_port(port) {
        After::Password
    } else if host == "localhost" || host.split('.').filter(|part| part.parse::<u8>().is_ok()).count() == 4 {
        After::Nothing
    } else {
        After::Port
    }
}

/// The last @ that may end a password which holds white space: before the next URL.
fn password_at(text: &str, end: usize) -> Option<usize> {
    let rest = &text[end..];
    let rest = &rest[..rest.find("://").unwrap_or(rest.len())];
    let mut marks = rest.match_indices('@').map(|(at, _)| end + at);
    marks.rfind(|at| is_before_host(text, *at))
}

/// The last @ of the next word.
fn next_word_at(text: &str, end: usize) -> Option<usize> {
    let next = skip_space(text, end);
    let word = &text[next..word_end(text, next)];
    let at = next + word.rfind('@')?;
    (is_before_host(text, at) && !word.contains("://")).then_some(at)
}

/// Whether a host may follow the @, as opposed to "1920x1080 @ 25 fps".
fn is_before_host(text: &str, at: usize) -> bool {
    text[at + 1..].starts_with(|c: char| c.is_alphanumeric() || c == '[')
}

/// Whether at most one word follows.
fn is_near_the_end(text: &str, end: usize) -> bool {
    word_end(text, skip_space(text, end)) == text.len()
}

/// User and password in a word without `://`: `user:password@host`, or the end of a URL whose beginning is
/// missing, `word@host/path`. Text such as `user@host` is kept.
fn without_scheme(text: &str, from: usize, end: usize) -> Option<Range<usize>> {
    let word = &text[from..end];
    let to = word.rfind('@')?;
    // [ERROR:0@2.030], as OpenCV writes it, and 1920x1080@30/1.
    if is_measure(&word[..to]) && word[to + 1..].starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    if let Some(colon) = word[..to].find(':') {
        // No user name holds these.
        let start = word[..colon].rfind(['/', '=', '"', '\'', '(', '[', '{', '<', ',', ';', '&']);
        return Some(from + start.map_or(0, |at| at + 1)..from + to);
    }
    let start = word.len()
        - word
            .trim_start_matches(|c| is_quote(c) || matches!(c, '(' | '[' | '<'))
            .len();
    let host = &word[to + 1..];
    let host_end = host.find(|c: char| !(c.is_alphanumeric() || matches!(c, '.' | '-' | '_')))?;
    let continues = match &host.as_bytes()[host_end..] {
        [b'/', ..] => true,
        [b':', next, ..] => next.is_ascii_alphanumeric() || *next == b'/',
        _ => false,
    };
    // Folders may have such names: /run/credentials/affectd@lobby.service/password.
    let is_path = word[start..].starts_with('/') && !word[start..].starts_with("//");
    (host_end > 0 && continues && start < to && !is_path).then_some(from + start..from + to)
}

/// Whether this is the size of a picture, or a log level with the number of a thread.
fn is_measure(text: &str) -> bool {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_size = text
        .split_once('x')
        .is_some_and(|(width, height)| is_number(width) && is_number(height));
    let is_level = text
        .trim_start_matches('[')
        .split_once(':')
        .is_some_and(|(level, thread)| {
            ["DEBUG", "ERROR", "FATAL", "INFO", "VERBOSE", "WARN"].contains(&level.trim())
                && is_number(thread)
        });
    is_size || is_level
}

/// What a program takes for a port or the name of a host, because it understands no user and password in a
/// URL or the password holds an @: `nonnumeric port: 'hunter2@host'`, `failed to resolve hunter2@host`,
/// `invalid port ":hunter2"`.
fn after_port_or_host(text: &str, from: usize, end: usize) -> Option<Range<usize>> {
    let start = end
        - text[from..end]
            .trim_start_matches(|c| is_quote(c) || matches!(c, ':' | '('))
            .len();
    let word = text[start..end].trim_end_matches(|c: char| is_quote(c) || c.is_ascii_punctuation());
    let mark = word.rfind('@');
    if mark.is_none() && !text[from..start].contains(is_quote) {
        return None;
    }
    let mut context = from.saturating_sub(MAX_CONTEXT);
    while !text.is_char_boundary(context) {
        context += 1;
    }
    let context = &text[context..from];
    let line = context.rfind(['\n', '\r']).map_or(0, |at| at + 1);
    let before = context[line..].to_lowercase();
    let mut words = before.split(|c: char| !c.is_alphanumeric());
    if let Some(at) = mark {
        const LOOKUPS: [&str; 7] = [
            "address",
            "enotfound",
            "host",
            "hostname",
            "lookup",
            "port",
            "resolve",
        ];
        let is_lookup = words.any(|word| LOOKUPS.contains(&word));
        return is_lookup.then_some(start..start + at);
    }
    let is_near = words
        .rev()
        .filter(|word| !word.is_empty())
        .take(12)
        .any(|word| word == "port");
    let is_number = word.bytes().all(|byte| byte.is_ascii_digit());
    (is_near && !is_number).then(|| start..start + word.len())
}

/// Where the secret begins in an option that is joined to it: `curl -uadmin:hunter2`, `sshpass -phunter2`.
pub(super) fn joined_option(word: &str, previous: &str) -> Option<usize> {
    let is_user = word.strip_prefix("-u").is_some_and(|rest| {
        let user = rest.split_once(':').map(|(user, _)| user);
        user.is_some_and(|user| {
            !user.is_empty() && user.chars().all(|c| c.is_alphanumeric() || "._-".contains(c))
        })
    });
    let is_password = previous.ends_with("sshpass") && word.starts_with("-p") && word.len() > 2;
    (is_user || is_password).then_some(2)
}

/// What may be the beginning of a URL or of `user:password@host` in the last word, which begins at `from` and
/// was cut.
fn cut(text: &str, from: usize) -> Option<Range<usize>> {
    let word = &text[from..];
    let authority = word.find("://").map(|at| at + 3);
    (authority.is_some() || word.contains(':')).then(|| from + authority.unwrap_or(0)..text.len())
}

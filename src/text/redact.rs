//! Removes credentials from text. In doubt, more is removed than necessary.

use std::{ops::Range, path::Path};

use super::{
    fields::{self, Open},
    known::KnownSecrets,
    urls, view,
};

/// What replaces a secret.
const REDACTED: &str = "***";

/// How often a text may have been encoded: a URL in a URL's parameter is encoded twice.
const MAX_ENCODED: u32 = 3;

/// `text` without credentials: without user and password of every URL (`rtsp://***@host/`), even if the
/// password holds characters that a URL must escape, and without values whose names suggest a secret
/// (`password=***`, `Authorization: ***`).
#[must_use]
pub fn redacted(text: &str) -> String {
    replaced(
        text,
        0,
        &secrets(text, false, MAX_ENCODED, &KnownSecrets::default()).0,
    )
}

/// The arguments of a program, each without credentials, also where an argument names what the next one
/// holds.
#[must_use]
pub fn redacted_arguments(arguments: &[String]) -> Vec<String> {
    arguments
        .iter()
        .zip(argument_secrets(arguments))
        .map(|(argument, spans)| replaced(argument, 0, &spans))
        .collect()
}

/// The secrets in each of these arguments of a program, as [`secrets`].
pub(super) fn argument_secrets(arguments: &[String]) -> impl Iterator<Item = Vec<Range<usize>>> {
    let mut next = Open::Nothing;
    let mut previous = "";
    arguments.iter().enumerate().map(move |(index, argument)| {
        let length = argument.len();
        if let Some(from) = urls::joined_option(argument, std::mem::replace(&mut previous, argument)) {
            let value = from..length;
            return vec![value];
        }
        let is_secret = match next {
            Open::Nothing => is_password_after_user(&arguments[..index], argument),
            Open::Value | Open::Rest => true,
            Open::Login => argument.contains(':'),
            Open::Password => !urls::is_port(argument),
        };
        if is_secret && !argument.is_empty() {
            if next != Open::Rest {
                next = Open::Nothing;
            }
            let value = 0..length;
            return vec![value];
        }
        // In `password=my hunter2`, the value ends with the argument.
        if let Some((name, _)) = argument.split_once(['=', ':'])
            && !name.contains(char::is_whitespace)
            && secrets(
                &argument[..=name.len()],
                false,
                MAX_ENCODED,
                &KnownSecrets::default(),
            )
            .1 == Open::Value
        {
            next = Open::Nothing;
            let value = name.len() + 1..length;
            return vec![value];
        }
        let (spans, open) = secrets(argument, false, MAX_ENCODED, &KnownSecrets::default());
        next = open;
        spans
    })
}

/// Whether `argument` is the password in live555's `openRTSP -u user password`.
fn is_password_after_user(before: &[String], argument: &str) -> bool {
    let [.., option, _] = before else {
        return false;
    };
    let is_live555 = Path::new(&before[0])
        .file_name()
        .is_some_and(|name| name.eq_ignore_ascii_case("openRTSP"));
    is_live555 && option == "-u" && !argument.contains("://")
}

/// `line` without credentials, of which the first may have begun in `before`, the text before it. `is_cut`:
/// more followed, and a credential may have ended there. `known`: those that the writer of the line was
/// given.
#[must_use]
pub fn redacted_line(before: &str, line: &str, is_cut: bool, known: &KnownSecrets) -> String {
    let whole = format!("{before}\n{line}");
    let (spans, _) = secrets(&whole, is_cut, MAX_ENCODED, known);
    replaced(&whole, before.len() + 1, &spans)
}

/// The secrets in `text`, sorted, without overlap.
fn secrets(text: &str, is_cut: bool, encoded: u32, known: &KnownSecrets) -> (Vec<Range<usize>>, Open) {
    let mut spans = Vec::new();
    known.find(text, is_cut, &mut spans);
    urls::find(text, is_cut, &mut spans);
    let mut open = fields::find(text, &mut spans);
    if encoded > 0
        && let Some(decoded) = view::decoded(text)
    {
        let (inner, inner_open) = secrets(&decoded, is_cut, encoded - 1, known);
        spans.extend(view::encoded(text, &inner));
        if open == Open::Nothing {
            open = inner_open;
        }
    }
    spans.retain(|span| !span.is_empty());
    spans.sort_unstable_by_key(|span| span.start);
    spans.dedup_by(|next, span| {
        let overlaps = next.start <= span.end;
        if overlaps {
            span.end = span.end.max(next.end);
        }
        overlaps
    });
    (spans, open)
}

/// The part of `text` from `start` on, with `spans` replaced.
fn replaced(text: &str, start: usize, spans: &[Range<usize>]) -> String {
    let mut safe = String::with_capacity(text.len() - start);
    let mut at = start;
    for span in spans.iter().filter(|span| span.end > start) {
        safe.push_str(&text[at..span.start.max(start)]);
        safe.push_str(REDACTED);
        at = span.end;
    }
    safe.push_str(&text[at..]);
    safe
}

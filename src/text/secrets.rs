//! Where the credentials in a text are.

use std::ops::Range;

use super::{
    fields::{self, Open},
    repeats, urls, view,
};

/// What replaces a secret.
const REDACTED: &str = "***";

/// How often a text may have been encoded: a URL in a URL's parameter is encoded twice.
const MAX_ENCODED: u32 = 3;

/// The secrets in `text`, sorted, without overlap, and what would follow the text. `is_cut`: the text went
/// on. `known`: secrets that need no name.
pub(super) fn secrets(text: &str, is_cut: bool, known: &[String]) -> (Vec<Range<usize>>, Open) {
    decoded_secrets(text, is_cut, known, MAX_ENCODED)
}

/// As [`secrets`], in a text that may have been encoded so many times.
fn decoded_secrets(text: &str, is_cut: bool, known: &[String], encoded: u32) -> (Vec<Range<usize>>, Open) {
    let mut spans = Vec::new();
    repeats::find(known, text, is_cut, &mut spans);
    urls::find(text, is_cut, &mut spans);
    let mut open = fields::find(text, &mut spans);
    if encoded > 0
        && let Some(decoded) = view::decoded(text)
    {
        let (inner, inner_open) = decoded_secrets(&decoded, is_cut, known, encoded - 1);
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
pub(super) fn replaced(text: &str, start: usize, spans: &[Range<usize>]) -> String {
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

//! Removes credentials from text. In doubt, more is removed than necessary.

use super::{
    known::KnownSecrets,
    secrets::{replaced, secrets},
};

/// `text` without credentials: without user and password of every URL (`rtsp://***@host/`), even if the
/// password holds characters that a URL must escape, and without values whose names suggest a secret
/// (`password=***`, `Authorization: ***`).
#[must_use]
pub fn redacted(text: &str) -> String {
    replaced(text, 0, &secrets(text, false, &[]).0)
}

/// `line` without credentials, of which the first may have begun in `before`, the text before it. `is_cut`:
/// more followed, and a credential may have ended there. `known`: those that the writer of the line was
/// given.
#[must_use]
pub fn redacted_line(before: &str, line: &str, is_cut: bool, known: &KnownSecrets) -> String {
    let whole = format!("{before}\n{line}");
    let (spans, _) = secrets(&whole, is_cut, known.values());
    replaced(&whole, before.len() + 1, &spans)
}

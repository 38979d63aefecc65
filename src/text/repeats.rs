//! Known secrets, wherever a text repeats them.

use std::ops::Range;

/// Fewest characters of a secret. Hiding shorter ones would hide ordinary words and numbers.
pub(super) const MIN_LENGTH: usize = 3;

/// Fewest characters of a secret that is found within a word.
const MIN_WITHIN_WORD: usize = 5;

/// Adds where `text` repeats a secret in `known`. `is_cut`: the text went on, so it may end within one.
pub(super) fn find(known: &[String], text: &str, is_cut: bool, spans: &mut Vec<Range<usize>>) {
    for value in known {
        let is_short = value.chars().count() < MIN_WITHIN_WORD;
        let found = text
            .match_indices(value.as_str())
            .map(|(at, value)| at..at + value.len());
        spans.extend(found.filter(|span| !is_short || is_word(text, span)));
        if is_cut {
            // What is left of a character that was cut.
            let text = text.trim_end_matches(char::REPLACEMENT_CHARACTER);
            let prefixes = value
                .char_indices()
                .skip(MIN_LENGTH)
                .map(|(end, _)| &value[..end]);
            let longest = prefixes.filter(|prefix| text.ends_with(prefix)).last();
            spans.extend(longest.map(|prefix| text.len() - prefix.len()..text.len()));
        }
    }
}

/// Whether neither a letter nor a digit adjoins this part of `text`.
fn is_word(text: &str, span: &Range<usize>) -> bool {
    !text[..span.start].ends_with(char::is_alphanumeric)
        && !text[span.end..].starts_with(char::is_alphanumeric)
}

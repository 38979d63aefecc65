//! Words and quotations within a text, by byte positions.

/// The end of the word at `at`.
pub(super) fn word_end(text: &str, at: usize) -> usize {
    text[at..]
        .find(char::is_whitespace)
        .map_or(text.len(), |length| at + length)
}

/// The first byte at or after `at` that is not white space.
pub(super) fn skip_space(text: &str, at: usize) -> usize {
    text.len() - text[at..].trim_start().len()
}

/// As [`skip_space`], but not past the end of the line.
pub(super) fn skip_blanks(text: &str, at: usize) -> usize {
    let is_blank = |c: char| c.is_whitespace() && !is_line_end(c);
    text.len() - text[at..].trim_start_matches(is_blank).len()
}

/// The end of the line at `at`.
pub(super) fn line_end(text: &str, at: usize) -> usize {
    text[at..]
        .find(is_line_end)
        .map_or(text.len(), |length| at + length)
}

fn is_line_end(c: char) -> bool {
    matches!(c, '\n' | '\r')
}

/// Whether this character begins or ends a quotation.
pub(super) fn is_quote(c: char) -> bool {
    matches!(c, '"' | '\'' | '`' | '‘' | '’' | '“' | '”')
}

/// A quotation mark, with the number of backslashes before it: those in a quoted text have more of them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Quote {
    mark: char,
    escapes: usize,
}

impl Quote {
    /// The quotation mark that ends before `at`.
    pub(super) fn before(text: &str, at: usize) -> Option<Self> {
        let before = &text[..at];
        let mark = before.chars().next_back().filter(|c| is_quote(*c))?;
        Some(Self::at(before, at - mark.len_utf8(), mark))
    }

    /// The quotation that begins at `at`, and where its content begins.
    pub(super) fn opening(text: &str, at: usize) -> Option<(Self, usize)> {
        let rest = &text[at..];
        let mark_at = at + rest.len() - rest.trim_start_matches('\\').len();
        let mark = text[mark_at..].chars().next().filter(|c| is_quote(*c))?;
        Some((Self::at(text, mark_at, mark), mark_at + mark.len_utf8()))
    }

    fn at(text: &str, mark_at: usize, mark: char) -> Self {
        let before = &text[..mark_at];
        Self {
            mark,
            escapes: before.len() - before.trim_end_matches('\\').len(),
        }
    }

    /// Where the content that begins at `from` ends, and the quotation itself; `None` if it does not end.
    pub(super) fn close(self, text: &str, from: usize) -> Option<(usize, usize)> {
        let closing = match self.mark {
            '‘' => '’',
            '“' => '”',
            other => other,
        };
        let mut escapes = 0;
        for (index, c) in text[from..].char_indices() {
            if c == '\\' {
                escapes += 1;
                continue;
            }
            // GNU programs also quote `like this'.
            if (c == closing || (self.mark == '`' && c == '\'')) && escapes == self.escapes {
                let at = from + index;
                return Some((at - escapes, at + c.len_utf8()));
            }
            escapes = 0;
        }
        None
    }
}

/// The end of the group in brackets that begins at `at`; `None` if there is none, the end of the text if it
/// does not end.
pub(super) fn group_end(text: &str, at: usize) -> Option<usize> {
    let open = text[at..].chars().next()?;
    let close = match open {
        '(' => ')',
        '[' => ']',
        '{' => '}',
        _ => return None,
    };
    let mut depth = 0;
    for (index, c) in text[at..].char_indices() {
        if c == open {
            depth += 1;
        } else if c == close {
            depth -= 1;
            if depth == 0 {
                return Some(at + index + c.len_utf8());
            }
        }
    }
    Some(text.len())
}

//! A parsed TOML file that knows the position of every entry. Configuration, model manifests and board
//! budgets are all read through it.

use std::path::Path;

use toml::{Spanned, de::DeTable};

use super::diagnostic::{Diagnostic, Origin};

/// A TOML file.
#[derive(Debug)]
pub struct Document<'a> {
    /// Where it comes from, without a line.
    origin: Origin,
    lines: LineIndex,
    root: Spanned<DeTable<'a>>,
}

impl<'a> Document<'a> {
    /// Parses a file's text. `path` names the file in messages; it is not opened.
    ///
    /// # Errors
    /// The first syntax error.
    pub fn parse(path: &Path, text: &'a str) -> Result<Self, Diagnostic> {
        Self::parse_from(Origin::File(path.to_owned(), 0), text)
            .map_err(|mut diagnostics| diagnostics.swap_remove(0))
    }

    /// Parses a text of any origin.
    ///
    /// # Errors
    /// Every syntax error; at least one diagnostic.
    pub(super) fn parse_from(origin: Origin, text: &'a str) -> Result<Self, Vec<Diagnostic>> {
        // What the parser recovers from a broken text would only lead to further, misleading messages.
        let (root, errors) = DeTable::parse_recoverable(text);
        let lines = LineIndex::new(text);
        let document = Self { origin, lines, root };
        if errors.is_empty() {
            return Ok(document);
        }
        let diagnostic = |error: &toml::de::Error| {
            let offset = error.span().map_or(0, |span| span.start);
            let found = format!("invalid TOML ({})", error.message());
            (
                offset,
                document.diagnostic(offset, "", &found, "key = value and [section]"),
            )
        };
        let mut diagnostics: Vec<_> = errors.iter().map(diagnostic).collect();
        diagnostics.sort_by_key(|(offset, _)| *offset);
        Err(diagnostics
            .into_iter()
            .map(|(_, diagnostic)| diagnostic)
            .collect())
    }

    /// The table of the keys above all sections, as the parser returns it.
    pub(super) fn entries(&self) -> &DeTable<'a> {
        self.root.get_ref()
    }

    /// The origin of a byte of the text.
    pub(super) fn origin(&self, offset: usize) -> Origin {
        match &self.origin {
            Origin::File(path, _) => Origin::File(path.clone(), self.lines.line(offset)),
            other => other.clone(),
        }
    }

    /// A diagnostic about the text at a byte offset.
    pub(super) fn diagnostic(&self, offset: usize, key: &str, found: &str, allowed: &str) -> Diagnostic {
        Diagnostic {
            origin: self.origin(offset),
            key: key.to_owned(),
            found: found.to_owned(),
            allowed: allowed.to_owned(),
            hint: Box::default(),
        }
    }
}

/// The byte offsets at which the lines of a text begin.
#[derive(Debug)]
struct LineIndex(Vec<usize>);

impl LineIndex {
    fn new(text: &str) -> Self {
        let after_breaks = text.match_indices('\n').map(|(at, _)| at + 1);
        Self(std::iter::once(0).chain(after_breaks).collect())
    }

    /// The line of a byte, counted from 1.
    fn line(&self, offset: usize) -> usize {
        self.0.partition_point(|start| *start <= offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counted_from_one() {
        let lines = LineIndex::new("ab\n\ncd\n");
        for (offset, line) in [(0, 1), (2, 1), (3, 2), (4, 3), (5, 3), (6, 3), (7, 4), (100, 4)] {
            assert_eq!(lines.line(offset), line, "{offset}");
        }
        assert_eq!(LineIndex::new("").line(0), 1);
    }
}

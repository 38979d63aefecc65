//! Reads the CSV file of labelled pictures.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use super::metrics::Truth;
use crate::category::Category;

/// A labelled picture.
#[derive(Debug, PartialEq)]
pub(super) struct Row {
    /// Line in the file, from 1.
    pub(super) line: usize,
    pub(super) path: PathBuf,
    pub(super) truth: Truth,
}

const CATEGORIES_HEADER: [&str; 2] = ["path", "category"];
const WHOLE_HEADER: [&str; 4] = ["path", "category", "valence", "arousal"];

/// Parses the whole file, so that an error in the last line is found before the first picture is classified.
///
/// # Errors
/// With file and line, for anything that is not a row of the header's columns.
pub(super) fn rows(csv: &Path, text: &str) -> anyhow::Result<Vec<Row>> {
    let folder = csv.parent().unwrap_or(Path::new(""));
    let mut lines = text.lines().enumerate().map(|(index, line)| (index + 1, line));
    let header = lines
        .next()
        .map(|(_, line)| fields(line.trim_start_matches('\u{feff}')).unwrap_or_default());
    let header = header.unwrap_or_default();
    if header != CATEGORIES_HEADER && header != WHOLE_HEADER {
        bail!(
            "{}:1: found the header {:?}; allowed: {:?} or {:?}",
            csv.display(),
            header.join(","),
            CATEGORIES_HEADER.join(","),
            WHOLE_HEADER.join(","),
        );
    }
    let mut rows = Vec::new();
    for (line, text) in lines.filter(|(_, text)| !text.trim().is_empty()) {
        let (path, truth) = row(text, header.len()).with_context(|| format!("{}:{line}", csv.display()))?;
        rows.push(Row {
            line,
            path: folder.join(path),
            truth,
        });
    }
    if rows.is_empty() {
        bail!("{} lists no picture", csv.display());
    }
    Ok(rows)
}

fn row(text: &str, columns: usize) -> anyhow::Result<(String, Truth)> {
    let fields = fields(text).context("a quotation mark is not closed")?;
    if fields.len() != columns {
        bail!("found {} fields; the header has {columns}", fields.len());
    }
    let category = Category::ALL
        .into_iter()
        .find(|category| category.name() == fields[1])
        .with_context(|| format!("found the category {:?}; allowed: {}", fields[1], names()))?;
    let valence_arousal = match &fields[2..] {
        [valence, arousal] if !(valence.is_empty() && arousal.is_empty()) => {
            Some((number("valence", valence)?, number("arousal", arousal)?))
        }
        _ => None,
    };
    Ok((
        fields[0].clone(),
        Truth {
            category,
            valence_arousal,
        },
    ))
}

fn number(name: &str, text: &str) -> anyhow::Result<f32> {
    text.parse()
        .ok()
        .filter(|number| (-1.0..=1.0).contains(number))
        .with_context(|| format!("found the {name} {text:?}; allowed: a number from -1 to 1"))
}

fn names() -> String {
    Category::ALL.map(Category::name).join(", ")
}

/// The fields of a line, trimmed (RFC 4180, but without line breaks in fields); `None` if a quotation mark is not
/// closed.
fn fields(line: &str) -> Option<Vec<String>> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    let mut characters = line.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '"' if quoted && characters.peek() == Some(&'"') => {
                characters.next();
                push(&mut fields, '"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            other => push(&mut fields, other),
        }
    }
    (!quoted).then(|| fields.iter().map(|field| field.trim().to_owned()).collect())
}

fn push(fields: &mut [String], character: char) {
    if let Some(field) = fields.last_mut() {
        field.push(character);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn read(text: &str) -> anyhow::Result<Vec<Row>> {
        rows(Path::new("set/labels.csv"), text)
    }

    #[test]
    fn paths_are_relative_to_the_file_and_may_be_quoted() {
        let rows = read("path,category\na.png,fear\n\n\"b, \"\"c\"\".png\", anger\n").unwrap();
        assert_eq!(rows.len(), 2);
        assert_eq!(rows[0].path, Path::new("set/a.png"));
        assert_eq!(
            (rows[1].line, rows[1].path.as_path()),
            (4, Path::new("set/b, \"c\".png"))
        );
        assert_eq!(rows[1].truth.category, Category::Anger);
    }

    #[test]
    fn valence_and_arousal_where_there_are_any() {
        let rows = read("path,category,valence,arousal\na.png,fear,-0.5,1\nb.png,fear,,\n").unwrap();
        assert_eq!(rows[0].truth.valence_arousal, Some((-0.5, 1.0)));
        assert_eq!(rows[1].truth.valence_arousal, None);
    }

    #[test]
    fn a_bad_row_is_named_by_its_line() {
        for (text, line, word) in [
            ("", 1, "header"),
            ("file,label\n", 1, "header"),
            ("path,category\na.png,fear\nb.png\n", 3, "1 fields"),
            ("path,category\na.png,joy\n", 2, "happiness"),
            ("path,category\n\"a.png,fear\n", 2, "quotation"),
            ("path,category,valence,arousal\na.png,fear,0.5,\n", 2, "arousal"),
            ("path,category,valence,arousal\na.png,fear,1.5,0\n", 2, "-1 to 1"),
            ("path,category,valence,arousal\na.png,fear,nan,0\n", 2, "-1 to 1"),
        ] {
            let error = format!("{:#}", read(text).unwrap_err());
            assert!(error.starts_with(&format!("set/labels.csv:{line}")), "{error}");
            assert!(error.contains(word), "{error}");
        }
        assert!(
            read("path,category\n")
                .unwrap_err()
                .to_string()
                .contains("no picture")
        );
    }
}

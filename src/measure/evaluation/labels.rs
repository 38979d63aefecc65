//! Reads the CSV file of labelled pictures.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use super::{
    sample::{Agreement, Truth},
    votes::{self, Votes},
};
use crate::{category::Category, text};

/// A labelled picture.
#[derive(Debug, PartialEq)]
pub struct Row {
    /// Line in the file, from 1.
    pub(super) line: usize,
    pub(super) path: PathBuf,
    pub(super) truth: Truth,
}

/// Columns that every file must have.
const REQUIRED: [&str; 2] = ["path", "category"];
const VALENCE_AROUSAL: [&str; 2] = ["valence", "arousal"];
const SHARE: [&str; 1] = ["share"];

/// The optional columns of a file. They follow the required ones in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Columns {
    valence_arousal: bool,
    agreement: AgreementColumns,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AgreementColumns {
    None,
    Share,
    Votes,
}

impl Columns {
    /// The columns of a header; `None` if it is not allowed.
    fn parse(header: &[String]) -> Option<Self> {
        let header = after(header, &REQUIRED)?;
        let (valence_arousal, header) = match after(header, &VALENCE_AROUSAL) {
            Some(rest) => (true, rest),
            None => (false, header),
        };
        let agreement = if header.is_empty() {
            AgreementColumns::None
        } else if header == SHARE {
            AgreementColumns::Share
        } else if header == votes::COLUMNS {
            AgreementColumns::Votes
        } else {
            return None;
        };
        Some(Self {
            valence_arousal,
            agreement,
        })
    }
}

/// The names that follow `names` at the beginning of `header`; `None` if it has a different beginning.
fn after<'a>(header: &'a [String], names: &[&str]) -> Option<&'a [String]> {
    let (first, rest) = header.split_at_checked(names.len())?;
    (first == names).then_some(rest)
}

/// Parses the whole file, so an error in the last line is found before the first picture is classified.
///
/// # Errors
/// With file and line, for anything that is not a row of the header's columns.
pub fn rows(csv: &Path, text: &str) -> anyhow::Result<Vec<Row>> {
    let folder = csv.parent().unwrap_or(Path::new(""));
    let mut lines = text.lines().enumerate().map(|(index, line)| (index + 1, line));
    let header = lines
        .next()
        .and_then(|(_, line)| fields(line.trim_start_matches('\u{feff}')))
        .unwrap_or_default();
    let columns = Columns::parse(&header).with_context(|| {
        format!(
            "{}:1: found the header {:?}; allowed: {}, then optionally {}, then optionally {} or {}",
            text::path(csv),
            header.join(","),
            REQUIRED.join(","),
            VALENCE_AROUSAL.join(","),
            SHARE.join(","),
            votes::COLUMNS.join(","),
        )
    })?;
    let mut rows = Vec::new();
    for (line, text) in lines.filter(|(_, text)| !text.trim().is_empty()) {
        let (path, truth) =
            row(text, columns, header.len()).with_context(|| format!("{}:{line}", text::path(csv)))?;
        rows.push(Row {
            line,
            path: folder.join(path),
            truth,
        });
    }
    if rows.is_empty() {
        bail!("{} lists no picture", text::path(csv));
    }
    Ok(rows)
}

fn row(text: &str, columns: Columns, width: usize) -> anyhow::Result<(String, Truth)> {
    let fields = fields(text).context("a quotation mark is not closed")?;
    if fields.len() != width {
        bail!("found {} fields; the header has {width}", fields.len());
    }
    let category = Category::ALL
        .into_iter()
        .find(|category| category.name() == fields[1])
        .with_context(|| format!("found the category {:?}; allowed: {}", fields[1], names()))?;
    let (valence_arousal, rest) = if columns.valence_arousal {
        (valence_arousal(&fields[2], &fields[3])?, &fields[4..])
    } else {
        (None, &fields[2..])
    };
    let agreement = match columns.agreement {
        AgreementColumns::None => Agreement::Unknown,
        AgreementColumns::Share => Agreement::Share(number("share", &rest[0], 0.0)?),
        AgreementColumns::Votes => Agreement::Votes(votes(rest, category)?),
    };
    let truth = Truth {
        category,
        valence_arousal,
        agreement,
    };
    Ok((fields[0].clone(), truth))
}

fn valence_arousal(valence: &str, arousal: &str) -> anyhow::Result<Option<(f32, f32)>> {
    if valence.is_empty() && arousal.is_empty() {
        return Ok(None);
    }
    Ok(Some((
        number("valence", valence, -1.0)?,
        number("arousal", arousal, -1.0)?,
    )))
}

/// The votes, of which `category` must have the most.
fn votes(fields: &[String], category: Category) -> anyhow::Result<Votes> {
    let mut counts = [0; votes::COLUMNS.len()];
    for ((count, field), name) in counts.iter_mut().zip(fields).zip(votes::COLUMNS) {
        *count = field
            .parse()
            .ok()
            .with_context(|| format!("found {name} {field:?}; allowed: a whole number from 0 to 255"))?;
    }
    let votes = Votes::new(counts);
    if !votes.is_label(category) {
        let label = votes.label().map_or("no category", Category::name);
        bail!(
            "found the category {:?}; the votes are for {label}",
            category.name()
        );
    }
    Ok(votes)
}

fn number(name: &str, text: &str, least: f32) -> anyhow::Result<f32> {
    text.parse()
        .ok()
        .filter(|number| (least..=1.0).contains(number))
        .with_context(|| format!("found the {name} {text:?}; allowed: a number from {least} to 1"))
}

fn names() -> String {
    Category::ALL.map(Category::name).join(", ")
}

/// The fields of a line, trimmed (RFC 4180, but without line breaks in fields); `None` if a quotation mark is
/// not closed.
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
    fn valence_and_arousal_may_be_missing() {
        let rows = read("path,category,valence,arousal\na.png,fear,-0.5,1\nb.png,fear,,\n").unwrap();
        assert_eq!(rows[0].truth.valence_arousal, Some((-0.5, 1.0)));
        assert_eq!(rows[1].truth.valence_arousal, None);
    }

    #[test]
    fn agreement_is_a_share_or_votes() {
        let rows = read("path,category,share\na.png,fear,0.7\n").unwrap();
        assert_eq!(rows[0].truth.agreement, Agreement::Share(0.7));

        let header = format!("path,category,valence,arousal,{}", votes::COLUMNS.join(","));
        let read_votes = |row: &str| read(&format!("{header}\na.png,{row}\n"));
        let rows = read_votes("anger,,,0,2,0,0,0,0,6,1,1,0").unwrap();
        assert_eq!(
            rows[0].truth.agreement,
            Agreement::Votes(Votes::new([0, 2, 0, 0, 0, 0, 6, 1, 1, 0]))
        );
        // Either of two tied categories may be the label.
        assert!(read_votes("anger,,,5,0,0,0,0,0,5,0,0,0").is_ok());
        for (row, word) in [
            ("happiness,,,0,2,0,0,0,0,6,1,1,0", "the votes are for anger"),
            ("anger,,,1,1,1,1,1,1,1,1,1,1", "the votes are for no category"),
            ("anger,,,0,2,0,0,0,0,300,1,1,0", "votes_anger \"300\""),
        ] {
            let error = format!("{:#}", read_votes(row).unwrap_err());
            assert!(error.contains(word) && error.contains(":2"), "{error}");
        }
    }

    #[test]
    fn a_bad_row_is_named_by_its_line() {
        for (text, line, word) in [
            ("", 1, "header"),
            ("file,label\n", 1, "header"),
            ("path,category\na.png,fear\nb.png\n", 3, "1 fields"),
            ("path,category\na.png,joy\n", 2, "happiness"),
            ("path,category\n\"a.png,fear\n", 2, "quotation"),
            ("path,category,share\na.png,fear,1.01\n", 2, "0 to 1"),
            (
                "path,category,votes_neutral\n",
                1,
                "votes_neutral,votes_happiness",
            ),
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

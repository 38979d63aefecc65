//! `affectd model eval`: accuracy on pictures of cropped faces.

mod metrics;
mod moments;

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use indicatif::{ProgressBar, ProgressStyle};

use metrics::{Tally, Truth};

use super::{unusable, unwritable};
use crate::{
    category::Category,
    error::{Exit, Failure},
    model::Catalogue,
    picture::Picture,
    sense::engine::NetworkClassifier,
};

/// Runs a model over the pictures of a CSV file and writes its measures: a report, or with `json` one object
/// with the keys `accuracy`, `macro_f1`, `ece`, `ece_unscaled`, `va_rmse`, `va_ccc` (null where not measurable), `n`
/// and `categories`, a list with the counts and the place in the circumplex of each true category.
///
/// The file's first line is `path,category` or `path,category,valence,arousal`. Paths are relative to the
/// file; categories are the published names; valence and arousal lie between -1 and 1 or are both empty.
/// Every picture is a cropped face, used as a whole.
///
/// # Errors
/// [`Exit::Input`] where the model, the file or a picture is unusable, with the line.
pub fn eval(models: &Path, name: &str, csv: &Path, json: bool, out: &mut dyn Write) -> Result<(), Failure> {
    let manifest = Catalogue::open(models)
        .and_then(|catalogue| catalogue.find(name))
        .map_err(unusable)?;
    let mut classifier = NetworkClassifier::open(&manifest).map_err(unusable)?;
    let tally = measure(&mut classifier, csv).map_err(|error| Failure {
        exit: Exit::Input,
        error,
    })?;
    if json {
        let object =
            serde_json::to_string(&tally.summary()).map_err(|error| Failure::new(Exit::Software, error))?;
        writeln!(out, "{object}")
    } else {
        report(name, &tally, out)
    }
    .map_err(unwritable)
}

fn measure(classifier: &mut NetworkClassifier, csv: &Path) -> anyhow::Result<Tally> {
    let text = fs::read_to_string(csv).with_context(|| format!("cannot read {}", csv.display()))?;
    let rows = rows(csv, &text)?;
    // Draws on a terminal only.
    let progress = ProgressBar::new(rows.len() as u64);
    if let Ok(style) = ProgressStyle::with_template("{wide_bar} {pos}/{len} pictures, {eta} left") {
        progress.set_style(style);
    }
    let temperature = classifier.temperature();
    let mut tally = Tally::default();
    let mut picture = Picture::default();
    for row in &rows {
        let at = || format!("{}:{}", csv.display(), row.line);
        load(&row.path, &mut picture).with_context(at)?;
        let prediction = classifier.classify_whole(&picture).with_context(at)?;
        tally.add(row.truth, &prediction, temperature);
        progress.inc(1);
    }
    progress.finish_and_clear();
    Ok(tally)
}

fn load(path: &Path, picture: &mut Picture) -> anyhow::Result<()> {
    let read = || image::ImageReader::open(path)?.with_guessed_format()?.decode();
    let rgb = read()
        .with_context(|| format!("cannot read the picture {}", path.display()))?
        .into_rgb8();
    picture.reset(rgb.width(), rgb.height()).copy_from_slice(&rgb);
    Ok(())
}

#[derive(Debug, PartialEq)]
struct Row {
    line: usize,
    path: PathBuf,
    truth: Truth,
}

const CATEGORIES_HEADER: [&str; 2] = ["path", "category"];
const WHOLE_HEADER: [&str; 4] = ["path", "category", "valence", "arousal"];

/// Reads the whole file before the first picture, so that a slip in the last line does not cost an hour.
fn rows(csv: &Path, text: &str) -> anyhow::Result<Vec<Row>> {
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
        bail!("{} names no picture", csv.display());
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

/// The fields of a line (RFC 4180 without line breaks in fields), trimmed; `None` where a quotation mark is
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

fn report(name: &str, tally: &Tally, out: &mut dyn Write) -> std::io::Result<()> {
    let summary = tally.summary();
    let figure =
        |value: Option<f64>| value.map_or("not measurable".to_owned(), |value| format!("{value:.4}"));
    writeln!(out, "{name}: {} pictures", summary.n)?;
    writeln!(out, "accuracy               {}", figure(summary.accuracy))?;
    writeln!(out, "macro F1               {}", figure(summary.macro_f1))?;
    writeln!(
        out,
        "calibration error      {} ({} without the temperature)",
        figure(summary.ece),
        figure(summary.ece_unscaled),
    )?;
    writeln!(out, "valence-arousal RMSE   {}", figure(summary.va_rmse))?;
    writeln!(out, "valence-arousal CCC    {}", figure(summary.va_ccc))?;
    if summary.accuracy.is_none() {
        return Ok(());
    }
    writeln!(out, "\nconfusion (rows: true, columns: told) and recall")?;
    write!(out, "{:<10}", "")?;
    for category in Category::ALL {
        write!(out, "{:>10}", category.name())?;
    }
    writeln!(out, "{:>10}", "recall")?;
    for (category, row) in Category::ALL.into_iter().zip(tally.confusion()) {
        write!(out, "{:<10}", category.name())?;
        for count in row {
            write!(out, "{count:>10}")?;
        }
        writeln!(
            out,
            "{:>10}",
            tally
                .recall(category)
                .map_or("-".to_owned(), |recall| format!("{recall:.3}"))
        )?;
    }
    Ok(())
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

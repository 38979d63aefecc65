//! Reads a manifest: its keys and their allowed values. The README of models/tools documents them.

use std::path::{Component, Path, PathBuf};

use super::{
    digest::Sha256,
    error::ModelError,
    manifest::{
        Align, Colour, Crop, Decoder, Detector, Expression, GoldenFile, Input, Kind, Layout, Manifest,
        Measured, Precision, VaOrigin, ValenceArousal,
    },
};
use crate::{
    category::Category,
    config::{Diagnostic, Document, Table, Value, float},
    file,
};

/// The largest manifest, in bytes.
const MAX_FILE: u64 = 1 << 20;
/// The highest index of an output; no output vector is that long.
const MAX_OUTPUT: u32 = 65_535;
/// The largest side of an input, in pixels: a larger one would only waste memory.
const MAX_SIDE: u32 = 4096;
/// The longest text, in characters.
const MAX_TEXT: usize = 200;
/// The longest provenance, in characters.
const MAX_PROVENANCE: usize = 2000;

impl Manifest {
    /// Reads a manifest.
    ///
    /// # Errors
    /// [`ModelError::Read`] or [`ModelError::Manifest`].
    pub fn read(path: &Path) -> Result<Self, ModelError> {
        let text = file::read_text(path, MAX_FILE).map_err(|source| ModelError::Read {
            path: path.to_owned(),
            source,
        })?;
        Ok(Self::parse(path, &text)?)
    }

    /// Parses the text of the manifest at `path` without opening a file.
    ///
    /// # Errors
    /// The first problem found.
    pub fn parse(path: &Path, text: &str) -> Result<Self, Diagnostic> {
        let document = Document::parse(path, text)?;
        let mut top = Table::root(&document);
        top.integer("format", 1..=1)?;
        let is_expression = top.choice("kind", &[("expression", true), ("detector", false)])?;
        let stem = path
            .file_stem()
            .and_then(|stem| stem.to_str())
            .unwrap_or_default();
        let name = top.parsed(
            "name",
            &format!("the manifest's own file name, {stem:?}"),
            |text| (text == stem).then(|| text.to_owned()),
        )?;
        let version = top.text("version", MAX_TEXT)?;
        let licence = top.text("licence", MAX_TEXT)?;
        let provenance = top.text("provenance", MAX_PROVENANCE)?;

        let mut table = top.table("file")?;
        let (file, sha256) = file_and_digest(&mut table, path)?;
        table.finish()?;

        let mut table = top.table("input")?;
        let input = input(&mut table)?;
        let crop = if is_expression {
            Some(crop(&mut table)?)
        } else {
            None
        };
        table.finish()?;

        let golden = match top.optional_table("golden")? {
            Some(mut table) => {
                let golden = golden(&mut table, path)?;
                table.finish()?;
                Some(golden)
            }
            None if is_expression => return Err(top.diagnostic("golden", "nothing", "a table [golden]")),
            None => None,
        };

        let kind = match crop {
            Some(crop) => Kind::Expression(expression(&mut top, crop)?),
            None => Kind::Detector(Detector {
                decoder: top.choice(
                    "decoder",
                    &[
                        ("centerface", Decoder::CenterFace),
                        ("blazeface", Decoder::BlazeFace),
                        ("yunet", Decoder::YuNet),
                    ],
                )?,
            }),
        };
        top.finish()?;
        Ok(Self {
            path: path.to_owned(),
            name,
            version,
            licence,
            provenance,
            file,
            sha256,
            input,
            golden,
            kind,
        })
    }
}

fn file_and_digest(table: &mut Table<'_>, manifest: &Path) -> Result<(PathBuf, Sha256), Diagnostic> {
    let folder = manifest.parent().unwrap_or(Path::new(""));
    let path = table.parsed(
        "path",
        "a path relative to the manifest's folder, without \"..\"",
        |text| {
            let path = Path::new(text);
            let inside = path.components().all(|part| matches!(part, Component::Normal(_)));
            (inside && !text.is_empty()).then(|| folder.join(path))
        },
    )?;
    let sha256 = table.parsed("sha256", "64 hexadecimal digits", |text| text.parse().ok())?;
    Ok((path, sha256))
}

fn input(table: &mut Table<'_>) -> Result<Input, Diagnostic> {
    let width = table.integer("width", 8..=MAX_SIDE)?;
    let height = table.integer("height", 8..=MAX_SIDE)?;
    let layout = table.choice("layout", &[("nchw", Layout::Nchw), ("nhwc", Layout::Nhwc)])?;
    let colour = table.choice(
        "colour",
        &[("rgb", Colour::Rgb), ("bgr", Colour::Bgr), ("gray", Colour::Gray)],
    )?;
    let channels = colour.channels();
    let mean = table.list(
        "mean",
        channels..=channels,
        &format!("{channels} number(s) from 0 to 1"),
        |value| number(value, 0.0),
    )?;
    let std = table.list(
        "std",
        channels..=channels,
        &format!("{channels} number(s) from 0.001 to 1"),
        |value| number(value, 0.001),
    )?;
    Ok(Input {
        width,
        height,
        layout,
        colour,
        mean,
        std,
    })
}

fn crop(table: &mut Table<'_>) -> Result<Crop, Diagnostic> {
    Ok(Crop {
        margin: table.float("margin", -0.5..=2.0)? as f32,
        align: table.choice("align", &[("roll", Align::Roll), ("none", Align::None)])?,
        mirror: table.flag("mirror")?,
    })
}

fn golden(table: &mut Table<'_>, manifest: &Path) -> Result<GoldenFile, Diagnostic> {
    let (path, sha256) = file_and_digest(table, manifest)?;
    Ok(GoldenFile {
        path,
        sha256,
        count: table.integer("count", 1..=64)?,
        tolerance: table.float("tolerance", 1e-6..=0.5)? as f32,
    })
}

/// Which outputs an expression model has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Task {
    Categories,
    ValenceArousal,
    Combined,
}

fn expression(top: &mut Table<'_>, crop: Crop) -> Result<Expression, Diagnostic> {
    let task = top.choice(
        "task",
        &[
            ("categories", Task::Categories),
            ("valence-arousal", Task::ValenceArousal),
            ("combined", Task::Combined),
        ],
    )?;
    let precision = top.choice(
        "precision",
        &[("f32", Precision::F32), ("int8-weights", Precision::Int8Weights)],
    )?;
    let origin = va_origin(top, task)?;

    let mut output = top.table("output")?;
    // Keys that the task does not use are not read, so they are reported as unknown.
    let logits = if task == Task::ValenceArousal {
        Vec::new()
    } else {
        logits(&mut output)?
    };
    let temperature = if logits.is_empty() {
        1.0
    } else {
        output.float("temperature", 0.05..=20.0)? as f32
    };
    let valence_arousal = if task == Task::Categories {
        None
    } else {
        Some(valence_arousal(&mut output, &logits, origin)?)
    };
    output.finish()?;

    let measured = match top.optional_table("measured")? {
        Some(table) => Some(measured(table, task)?),
        None => None,
    };
    Ok(Expression {
        precision,
        crop,
        logits,
        valence_arousal,
        temperature,
        measured,
    })
}

/// The key is optional for a model without valence and arousal.
fn va_origin(top: &mut Table<'_>, task: Task) -> Result<VaOrigin, Diagnostic> {
    let choice = |origin: VaOrigin| (origin.name(), origin);
    if task == Task::Categories {
        if top.has("va") {
            top.choice("va", &[choice(VaOrigin::None)])?;
        }
        return Ok(VaOrigin::None);
    }
    top.choice(
        "va",
        &[VaOrigin::Annotated, VaOrigin::Fitted, VaOrigin::Projected].map(choice),
    )
}

fn valence_arousal(
    output: &mut Table<'_>,
    logits: &[(Category, usize)],
    origin: VaOrigin,
) -> Result<ValenceArousal, Diagnostic> {
    let valence = output.integer("valence", 0..=MAX_OUTPUT)?;
    let arousal = output.integer("arousal", 0..=MAX_OUTPUT)?;
    for (key, index) in [("valence", valence), ("arousal", arousal)] {
        if logits.iter().any(|(_, taken)| *taken == index) {
            return Err(output.diagnostic(key, &index.to_string(), "an index that is not among the logits"));
        }
    }
    if valence == arousal {
        return Err(output.diagnostic(
            "arousal",
            &arousal.to_string(),
            "an index other than that of valence",
        ));
    }
    Ok(ValenceArousal {
        valence,
        arousal,
        origin,
    })
}

fn logits(output: &mut Table<'_>) -> Result<Vec<(Category, usize)>, Diagnostic> {
    let names = Category::ALL.map(Category::name).join(", ");
    let allowed = format!("7 or 8 different categories of {names}");
    let categories = output.list("categories", 7..=8, &allowed, |value| {
        let Value::String(name) = value else { return None };
        Category::ALL.into_iter().find(|category| category.name() == name)
    })?;
    let count = categories.len();
    let allowed_indices = format!("{count} different indices of the output vector, one for each category");
    let indices = output.list("logits", count..=count, &allowed_indices, |value| {
        let Value::Integer(index) = value else { return None };
        usize::try_from(*index)
            .ok()
            .filter(|index| *index <= MAX_OUTPUT as usize)
    })?;
    if let Some(twice) = repeated(&categories) {
        return Err(output.diagnostic("categories", &format!("{:?} twice", twice.name()), &allowed));
    }
    if let Some(twice) = repeated(&indices) {
        return Err(output.diagnostic("logits", &format!("{twice} twice"), &allowed_indices));
    }
    Ok(categories.into_iter().zip(indices).collect())
}

/// A number from `min` to 1.
fn number(value: &Value, min: f64) -> Option<f32> {
    float(value)
        .filter(|number| (min..=1.0).contains(number))
        .map(|number| number as f32)
}

fn repeated<T: PartialEq>(items: &[T]) -> Option<&T> {
    items
        .iter()
        .enumerate()
        .find(|(index, item)| items[..*index].contains(item))
        .map(|(_, item)| item)
}

fn measured(mut table: Table<'_>, task: Task) -> Result<Measured, Diagnostic> {
    let categories = task != Task::ValenceArousal;
    let valence_arousal = task != Task::Categories;
    let mut figure = |there: bool, key: &'static str, range| {
        if there {
            table.optional_float(key, range)
        } else {
            Ok(None)
        }
    };
    let accuracy = figure(categories, "accuracy", 0.0..=1.0)?;
    let macro_f1 = figure(categories, "macro_f1", 0.0..=1.0)?;
    let ece = figure(categories, "ece", 0.0..=1.0)?;
    let va_rmse = figure(valence_arousal, "va_rmse", 0.0..=2.0)?;
    let va_ccc = figure(valence_arousal, "va_ccc", -1.0..=1.0)?;
    let measured = Measured {
        dataset: table.text("dataset", MAX_TEXT)?,
        runtime: table.text("runtime", MAX_TEXT)?,
        n: table.integer("n", 1..=100_000_000)?,
        accuracy,
        macro_f1,
        ece,
        va_rmse,
        va_ccc,
    };
    table.finish()?;
    Ok(measured)
}

#[cfg(test)]
#[path = "read_tests.rs"]
mod tests;

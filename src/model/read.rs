//! Reading a manifest: which keys there are, and what each may say. The README of models/tools documents them.

use std::{
    fs,
    path::{Component, Path, PathBuf},
};

use super::{
    error::ModelError,
    integrity::Sha256,
    manifest::{
        Align, Colour, Crop, Decoder, Detector, Expression, GoldenFile, Input, Kind, Layout, Manifest,
        Measured, Precision, Task, VaOrigin,
    },
    table::{Table, float, integer},
};
use crate::category::Category;

/// No output vector is so long; an index above is a slip of the pen.
const MAX_OUTPUT: usize = 65_535;
/// No network here has a larger side; a larger number would only ask for memory.
const MAX_SIDE: usize = 4096;

impl Manifest {
    /// Reads a manifest.
    ///
    /// # Errors
    /// [`ModelError::Read`], [`ModelError::Syntax`] or [`ModelError::Manifest`].
    pub fn read(path: &Path) -> Result<Self, ModelError> {
        let text = fs::read_to_string(path).map_err(|source| ModelError::Read {
            path: path.to_owned(),
            source,
        })?;
        Self::parse(path, &text)
    }

    /// Reads the text of the manifest at `path`. Opens no file.
    ///
    /// # Errors
    /// [`ModelError::Syntax`] or [`ModelError::Manifest`].
    pub fn parse(path: &Path, text: &str) -> Result<Self, ModelError> {
        let parsed = Table::parse(path, text)?;
        let mut top = Table::top(path, text, &parsed);
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
        let version = top.text("version")?;
        let licence = top.text("licence")?;
        let provenance = top.text("provenance")?;

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
            None if is_expression => return Err(top.refuse("golden", "nothing", "a table [golden]")),
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

fn file_and_digest(table: &mut Table<'_>, manifest: &Path) -> Result<(PathBuf, Sha256), ModelError> {
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

fn input(table: &mut Table<'_>) -> Result<Input, ModelError> {
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
        |value| float(value).filter(|mean| (0.0..=1.0).contains(mean)),
    )?;
    let std = table.list(
        "std",
        channels..=channels,
        &format!("{channels} number(s) from 0.001 to 1"),
        |value| float(value).filter(|std| (0.001..=1.0).contains(std)),
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

fn crop(table: &mut Table<'_>) -> Result<Crop, ModelError> {
    Ok(Crop {
        margin: table.number("margin", -0.5..=2.0)?,
        align: table.choice("align", &[("roll", Align::Roll), ("none", Align::None)])?,
        mirror: table.flag("mirror")?,
    })
}

fn golden(table: &mut Table<'_>, manifest: &Path) -> Result<GoldenFile, ModelError> {
    let (path, sha256) = file_and_digest(table, manifest)?;
    Ok(GoldenFile {
        path,
        sha256,
        count: table.integer("count", 1..=64)?,
        tolerance: table.number("tolerance", 1e-6..=0.5)?,
    })
}

fn expression(top: &mut Table<'_>, crop: Crop) -> Result<Expression, ModelError> {
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
        &[
            ("f32", Precision::F32),
            ("int8-weights", Precision::Int8Weights),
            ("int8", Precision::Int8),
        ],
    )?;
    // Keys of the part that the task lacks are not asked for, and so are unknown keys.
    let va = if task == Task::Categories {
        None
    } else {
        Some(top.choice(
            "va",
            &[
                ("annotated", VaOrigin::Annotated),
                ("projected", VaOrigin::Projected),
            ],
        )?)
    };

    let mut output = top.table("output")?;
    let logits = if task == Task::ValenceArousal {
        Vec::new()
    } else {
        logits(&mut output)?
    };
    let temperature = if logits.is_empty() {
        1.0
    } else {
        output.number("temperature", 0.05..=20.0)?
    };
    let valence_arousal = if task == Task::Categories {
        None
    } else {
        let indices = (
            output.integer("valence", 0..=MAX_OUTPUT)?,
            output.integer("arousal", 0..=MAX_OUTPUT)?,
        );
        for (key, index) in [("valence", indices.0), ("arousal", indices.1)] {
            if logits.iter().any(|(_, taken)| *taken == index) {
                return Err(output.refuse(key, &index.to_string(), "an index that is not among the logits"));
            }
        }
        if indices.0 == indices.1 {
            return Err(output.refuse(
                "arousal",
                &indices.1.to_string(),
                "another index than that of valence",
            ));
        }
        Some(indices)
    };
    output.finish()?;

    let measured = match top.optional_table("measured")? {
        Some(table) => Some(measured(table, task)?),
        None => None,
    };
    Ok(Expression {
        task,
        precision,
        va,
        crop,
        logits,
        valence_arousal,
        temperature,
        measured,
    })
}

fn logits(output: &mut Table<'_>) -> Result<Vec<(Category, usize)>, ModelError> {
    let names = Category::ALL.map(Category::name).join(", ");
    let allowed = format!("7 or 8 different ones of {names}");
    let categories = output.list("categories", 7..=8, &allowed, |value| {
        let name = value.as_str()?;
        Category::ALL.into_iter().find(|category| category.name() == name)
    })?;
    let count = categories.len();
    let allowed_indices = format!("{count} different indices of the output vector, one for each category");
    let indices = output.list("logits", count..=count, &allowed_indices, |value| {
        integer(value, &(0..=MAX_OUTPUT))
    })?;
    if let Some(twice) = repeated(&categories) {
        return Err(output.refuse("categories", &format!("{:?} twice", twice.name()), &allowed));
    }
    if let Some(twice) = repeated(&indices) {
        return Err(output.refuse("logits", &format!("{twice} twice"), &allowed_indices));
    }
    Ok(categories.into_iter().zip(indices).collect())
}

fn repeated<T: PartialEq>(items: &[T]) -> Option<&T> {
    items
        .iter()
        .enumerate()
        .find(|(index, item)| items[..*index].contains(item))
        .map(|(_, item)| item)
}

fn measured(mut table: Table<'_>, task: Task) -> Result<Measured, ModelError> {
    let categories = task != Task::ValenceArousal;
    let valence_arousal = task != Task::Categories;
    let mut figure = |there: bool, key: &'static str, range| {
        if there {
            table.optional_number(key, range)
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
        dataset: table.text("dataset")?,
        runtime: table.text("runtime")?,
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

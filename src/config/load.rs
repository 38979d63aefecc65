//! Merges all layers into one set of settings.

use std::{
    ffi::OsString,
    fmt::Write as _,
    path::{Path, PathBuf},
};

// The crate that merges the layers; this module is called config as well.
use ::config::{Config, Map, Source, Value as Merged};

use super::{
    conflicts::{Conflict, conflicts},
    diagnostic::{ConfigError, Diagnostic, Origin},
    environment::{from_environment, watchdog},
    layer::{Entry, Layer, Override, from_options, from_toml},
    rules::RULES,
    settings::Settings,
};
use crate::file;

/// The built-in layer, which documents every setting.
pub const DEFAULT_TOML: &str = include_str!("default.toml");

/// The file that is read if it exists and no other is given.
pub const DEFAULT_FILE: &str = "/etc/affectd/affectd.toml";

/// The largest configuration file, in bytes.
const MAX_FILE: u64 = 1 << 20;

/// The layers above the built-in one, in ascending order of precedence.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// The configuration file; `None`: [`DEFAULT_FILE`] if it exists.
    pub file: Option<PathBuf>,
    /// The process's environment variables.
    pub environment: Vec<(OsString, OsString)>,
    /// The settings on the command line.
    pub options: Vec<Override>,
}

/// The settings in force.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The settings, each within its range and consistent with the others.
    pub settings: Settings,
    /// The configuration file that was read.
    pub file: Option<PathBuf>,
    /// Environment variables that begin with `AFFECTD_` and are not settings, for a message.
    pub ignored_variables: Vec<String>,
    /// Every setting with its origin, in the order of default.toml.
    entries: Vec<Entry>,
}

impl Loaded {
    /// The settings in force as TOML; a comment says where each comes from.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let mut text = String::new();
        let mut last = "";
        for Entry { rule, value, origin } in &self.entries {
            let section = rule.section();
            if section != last {
                let _ = write!(text, "\n[{section}]\n");
                last = section;
            }
            let _ = writeln!(text, "{} = {}  # {origin}", rule.name(), value.to_toml());
        }
        text
    }
}

/// Reads the configuration file and merges all layers.
///
/// # Errors
/// [`ConfigError`] with everything that is wrong.
pub fn load(sources: &Sources) -> Result<Loaded, ConfigError> {
    let path = match &sources.file {
        Some(path) => Some(path.as_path()),
        None => Some(Path::new(DEFAULT_FILE)).filter(|path| path.exists()),
    };
    let text = path.map(read).transpose()?;
    stack(path.zip(text.as_deref()), &sources.environment, &sources.options)
}

/// Reads a configuration file.
fn read(path: &Path) -> Result<String, ConfigError> {
    file::read_text(path, MAX_FILE).map_err(|error| ConfigError {
        diagnostics: vec![Diagnostic {
            origin: Origin::File(path.to_owned(), 0),
            key: String::new(),
            found: format!("a file that cannot be read ({error})"),
            allowed: "a readable TOML file of at most 1 MiB".to_owned(),
            hint: Box::default(),
        }],
    })
}

/// Merges the layers: the built-in one, a file's text, the environment, the options.
///
/// # Errors
/// [`ConfigError`] with everything that is wrong.
pub fn stack(
    file: Option<(&Path, &str)>,
    environment: &[(OsString, OsString)],
    options: &[Override],
) -> Result<Loaded, ConfigError> {
    let mut diagnostics = Vec::new();
    let default = from_toml(Origin::Default, DEFAULT_TOML, &mut diagnostics);
    let from_file = file.map_or_else(Layer::default, |(path, text)| {
        from_toml(Origin::File(path.to_owned(), 0), text, &mut diagnostics)
    });
    let (from_variables, ignored_variables) = from_environment(environment, &mut diagnostics);
    let from_options = from_options(options, &mut diagnostics);
    match merge(&[default, from_file, from_variables, from_options]) {
        Ok((settings, entries)) => {
            let conflicts = conflicts(&settings, watchdog(environment));
            let found: Vec<_> = conflicts
                .into_iter()
                // A setting with an invalid value has a lower layer's value here.
                .filter(|conflict| !diagnostics.iter().any(|other| conflict.is_between(&other.key)))
                .map(|conflict| diagnose(conflict, &entries))
                .collect();
            diagnostics.extend(found);
            if diagnostics.is_empty() {
                return Ok(Loaded {
                    settings,
                    file: file.map(|(path, _)| path.to_owned()),
                    ignored_variables,
                    entries,
                });
            }
        }
        // The layers hold only allowed values of known settings, so the error is in the table of rules.
        Err(error) if diagnostics.is_empty() => diagnostics.push(Diagnostic {
            origin: Origin::Default,
            key: String::new(),
            found: error.to_string(),
            allowed: "what default.toml describes".to_owned(),
            hint: Box::default(),
        }),
        Err(_) => {}
    }
    Err(ConfigError { diagnostics })
}

/// The diagnostic for settings that contradict each other.
fn diagnose(conflict: Conflict, entries: &[Entry]) -> Diagnostic {
    let entry = |key| entries.iter().find(move |entry| entry.rule.key == key);
    // The key to change may have its default value; then the other one was set.
    let origin = [conflict.key, conflict.with]
        .into_iter()
        .filter_map(entry)
        .map(|entry| entry.origin.clone())
        .find(|origin| *origin != Origin::Default);
    Diagnostic {
        origin: origin.unwrap_or(Origin::Default),
        key: conflict.key.to_owned(),
        found: entry(conflict.key).map_or_else(String::new, |entry| entry.value.to_string()),
        allowed: conflict.allowed,
        hint: Box::default(),
    }
}

/// Merges layers in ascending order of precedence into the typed settings and, for each, the entry in force.
pub(super) fn merge(layers: &[Layer]) -> Result<(Settings, Vec<Entry>), ::config::ConfigError> {
    let numbered = layers
        .iter()
        .cloned()
        .enumerate()
        .map(|(number, layer)| Numbered { number, layer });
    let merged = numbered
        .fold(Config::builder(), |builder, layer| builder.add_source(layer))
        .build()?;
    let table = merged.collect()?;
    let entries = RULES
        .iter()
        .filter_map(|rule| {
            let number: usize = find(&table, rule.key)?.origin()?.parse().ok()?;
            layers.get(number)?.get(rule.key).cloned()
        })
        .collect();
    Ok((merged.try_deserialize()?, entries))
}

/// The merged value of a dotted key.
fn find(table: &Map<String, Merged>, key: &str) -> Option<Merged> {
    match key.split_once('.') {
        None => table.get(key).cloned(),
        Some((section, name)) => table.get(section)?.clone().into_table().ok()?.remove(name),
    }
}

/// A layer for the `config` crate. Each value's origin is the layer's number, by which its entry is found
/// again after merging.
#[derive(Debug, Clone)]
struct Numbered {
    number: usize,
    layer: Layer,
}

impl Source for Numbered {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Merged>, ::config::ConfigError> {
        let origin = self.number.to_string();
        let value = |entry: &Entry| Merged::new(Some(&origin), entry.value.clone());
        let entries = self.layer.0.iter();
        Ok(entries
            .map(|entry| (entry.rule.key.to_owned(), value(entry)))
            .collect())
    }
}

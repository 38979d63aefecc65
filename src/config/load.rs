//! From all layers to one set of settings.

use std::{
    ffi::OsString,
    fmt::Write as _,
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use super::{
    conflicts::conflicts,
    layer::{Entry, Layer, Override, from_environment, from_options, from_toml, in_file},
    problem::{Invalid, Place, Problem},
    rules::RULES,
    settings::Settings,
};

/// The built-in layer, which documents every setting.
pub const DEFAULT_TOML: &str = include_str!("default.toml");

/// Read if it exists and no other file is named.
pub const DEFAULT_FILE: &str = "/etc/affectd/affectd.toml";

/// A larger file is no configuration.
const MAX_FILE: u64 = 1 << 20;

/// The layers above the built-in one, in ascending order.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// The configuration file; `None`: [`DEFAULT_FILE`] if it exists.
    pub file: Option<PathBuf>,
    /// The process's environment.
    pub environment: Vec<(OsString, OsString)>,
    /// The command line's settings.
    pub options: Vec<Override>,
}

/// The settings in force.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The settings, each in its range and in agreement with the others.
    pub settings: Settings,
    /// The configuration file that was read.
    pub file: Option<PathBuf>,
    /// Every setting with its place, in the order of default.toml.
    entries: Vec<Entry>,
}

impl Loaded {
    /// The settings in force as TOML; a comment says where each comes from.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let mut text = String::new();
        let mut last = "";
        for Entry { rule, value, place } in &self.entries {
            let (section, name) = rule.key.split_once('.').unwrap_or(("", rule.key));
            if section != last {
                let _ = write!(text, "\n[{section}]\n");
                last = section;
            }
            let _ = writeln!(text, "{name} = {}  # {place}", value.to_toml());
        }
        text
    }
}

/// Reads the configuration file and stacks all layers.
///
/// # Errors
/// [`Invalid`] with everything that is wrong.
pub fn load(sources: &Sources) -> Result<Loaded, Invalid> {
    let path = match &sources.file {
        Some(path) => Some(path.as_path()),
        None => Some(Path::new(DEFAULT_FILE)).filter(|path| path.exists()),
    };
    let text = path.map(read).transpose()?;
    stack(path.zip(text.as_deref()), &sources.environment, &sources.options)
}

/// Reads a configuration file.
fn read(path: &Path) -> Result<String, Invalid> {
    let text = || -> io::Result<String> {
        let mut text = String::new();
        File::open(path)?.take(MAX_FILE + 1).read_to_string(&mut text)?;
        Ok(text)
    };
    let found = match text() {
        Ok(text) if text.len() as u64 <= MAX_FILE => return Ok(text),
        Ok(_) => "more than 1 MiB".to_owned(),
        Err(error) => error.to_string(),
    };
    let problem = Problem {
        place: Place::File(path.to_owned(), 0),
        key: String::new(),
        found,
        allowed: "a readable TOML file of at most 1 MiB".to_owned(),
        hint: String::new(),
    };
    Err(Invalid {
        problems: vec![problem],
    })
}

/// Stacks the layers: the built-in one, a file's text, the environment, the options.
///
/// # Errors
/// [`Invalid`] with everything that is wrong.
pub fn stack(
    file: Option<(&Path, &str)>,
    environment: &[(OsString, OsString)],
    options: &[Override],
) -> Result<Loaded, Invalid> {
    let mut problems = Vec::new();
    let layers = [
        from_toml(DEFAULT_TOML, |_| Place::Default, &mut problems),
        file.map_or_else(Layer::default, |(path, text)| {
            from_toml(text, in_file(path), &mut problems)
        }),
        from_environment(environment, &mut problems),
        from_options(options, &mut problems),
    ];
    let settings = merge(&layers);
    let entries: Vec<Entry> = RULES
        .iter()
        .filter_map(|rule| layers.iter().rev().find_map(|layer| layer.get(rule.key)))
        .cloned()
        .collect();

    match settings {
        Ok(settings) => {
            for conflict in conflicts(&settings) {
                let known = |key| problems.iter().any(|problem| problem.key == key);
                // Where one of the two is wrong in itself, its built-in value stands here.
                if known(conflict.key) || known(conflict.with) {
                    continue;
                }
                let entry = |key| entries.iter().find(move |entry| entry.rule.key == key);
                // The key to change may stand at its default: then what clashes with it is elsewhere.
                let place = [conflict.key, conflict.with]
                    .into_iter()
                    .filter_map(entry)
                    .map(|entry| entry.place.clone())
                    .find(|place| *place != Place::Default);
                problems.push(Problem {
                    place: place.unwrap_or(Place::Default),
                    key: conflict.key.to_owned(),
                    found: entry(conflict.key).map_or_else(String::new, |entry| entry.value.to_string()),
                    allowed: conflict.allowed,
                    hint: String::new(),
                });
            }
            if problems.is_empty() {
                return Ok(Loaded {
                    settings,
                    file: file.map(|(path, _)| path.to_owned()),
                    entries,
                });
            }
        }
        // The layers hold nothing but allowed values of known settings: this is our own error.
        Err(error) if problems.is_empty() => problems.push(Problem {
            place: Place::Default,
            key: String::new(),
            found: error.to_string(),
            allowed: "what default.toml describes".to_owned(),
            hint: String::new(),
        }),
        Err(_) => {}
    }
    Err(Invalid { problems })
}

/// The typed settings from stacked layers.
fn merge(layers: &[Layer]) -> Result<Settings, config::ConfigError> {
    layers
        .iter()
        .fold(config::Config::builder(), |builder, layer| {
            builder.add_source(layer.clone())
        })
        .build()?
        .try_deserialize()
}

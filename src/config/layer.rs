//! The layers that settings come from: each is read into checked values and a list of what is wrong.

use std::{ffi::OsString, path::Path};

use toml::de::{DeTable, DeValue};

use super::{
    nearest::nearest,
    problem::{Place, Problem},
    rules::{Allowed, RULES, Rule},
    value::{Value, shown},
};

/// A value that is allowed, and where it was found.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The setting.
    pub rule: &'static Rule,
    /// Its value.
    pub value: Value,
    /// Where the value was found.
    pub place: Place,
}

/// The allowed values of one layer. The `config` crate stacks layers.
#[derive(Debug, Clone, Default)]
pub struct Layer(pub Vec<Entry>);

impl Layer {
    /// The entry for a setting.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Entry> {
        self.0.iter().find(|entry| entry.rule.key == key)
    }
}

impl config::Source for Layer {
    fn clone_into_box(&self) -> Box<dyn config::Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<config::Map<String, config::Value>, config::ConfigError> {
        let value = |entry: &Entry| config::Value::new(Some(&entry.place.to_string()), entry.value.clone());
        Ok(self
            .0
            .iter()
            .map(|entry| (entry.rule.key.to_owned(), value(entry)))
            .collect())
    }
}

/// An option of the command line that sets a setting.
#[derive(Debug, Clone)]
pub struct Override {
    /// The option as the person wrote it, e.g. `--set`.
    pub option: String,
    /// The setting's dotted key.
    pub key: String,
    /// Its value, written as in the environment.
    pub value: String,
}

/// Reads a TOML text; `place` says where a line of it is.
pub fn from_toml(text: &str, place: impl Fn(usize) -> Place, problems: &mut Vec<Problem>) -> Layer {
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut reader = TomlReader {
        place: |offset: usize| place(line(text, offset)),
        layer: Layer::default(),
        found: Vec::new(),
    };
    if errors.is_empty() {
        reader.root(table.get_ref());
    }
    // What was recovered from a broken text would only lead to further, wrong messages.
    for error in &errors {
        let offset = error.span().map_or(0, |span| span.start);
        let found = format!("invalid TOML ({})", error.message());
        reader.problem(offset, String::new(), found, "key = value and [section]", "");
    }
    reader.found.sort_by_key(|(offset, _)| *offset);
    problems.extend(reader.found.into_iter().map(|(_, problem)| problem));
    reader.layer
}

/// The line of a byte of `text`, counted from 1.
fn line(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|byte| *byte == b'\n').count()
}

/// Walks a parsed file.
struct TomlReader<P> {
    /// The place of a byte of the file.
    place: P,
    layer: Layer,
    /// With the byte where each is.
    found: Vec<(usize, Problem)>,
}

impl<P: Fn(usize) -> Place> TomlReader<P> {
    fn root(&mut self, table: &DeTable<'_>) {
        for (name, value) in table {
            let offset = name.span().start;
            let name = name.get_ref();
            if is_section(name) {
                match value.get_ref() {
                    DeValue::Table(table) => self.section(name, table),
                    other => {
                        let found = Value::from_toml(other).to_string();
                        self.problem(
                            offset,
                            name.to_string(),
                            found,
                            &format!("a section [{name}]"),
                            "",
                        );
                    }
                }
            } else {
                self.setting("", name, offset, value.span().start, value.get_ref());
            }
        }
    }

    fn section(&mut self, section: &str, table: &DeTable<'_>) {
        for (name, value) in table {
            self.setting(
                section,
                name.get_ref(),
                name.span().start,
                value.span().start,
                value.get_ref(),
            );
        }
    }

    fn setting(&mut self, section: &str, name: &str, key_at: usize, value_at: usize, value: &DeValue<'_>) {
        let key = match section {
            "" => name.to_owned(),
            section => format!("{section}.{name}"),
        };
        // A quoted name may hold a dot and still be no path.
        let rule = RULES.iter().find(|rule| rule.key == key && !name.contains('.'));
        let Some(rule) = rule else {
            let (found, hint) = match value {
                DeValue::Table(_) => ("an unknown section", section_hint(&key)),
                _ => ("an unknown key", hint(&key, Rule::name)),
            };
            return self.problem(key_at, legible(&key), found.to_owned(), &names_in(section), &hint);
        };
        let value = Value::from_toml(value);
        if rule.allowed.accepts(&value) {
            let place = (self.place)(value_at);
            self.layer.0.push(Entry { rule, value, place });
        } else {
            let allowed = rule.allowed.to_string();
            self.problem(value_at, key, rule.found(&value), &allowed, "");
        }
    }

    fn problem(&mut self, offset: usize, key: String, found: String, allowed: &str, hint: &str) {
        let problem = Problem {
            place: (self.place)(offset),
            key,
            found,
            allowed: allowed.to_owned(),
            hint: hint.to_owned(),
        };
        self.found.push((offset, problem));
    }
}

/// What begins the name of every variable of the environment that is a setting.
const PREFIX: &str = "AFFECTD_";

/// Variables with that beginning that other parts of the program read.
const RESERVED: &[&str] = &["AFFECTD_LOG"];

/// Reads the settings among the variables of the environment.
pub fn from_environment(variables: &[(OsString, OsString)], problems: &mut Vec<Problem>) -> Layer {
    let mut layer = Layer::default();
    let mut ours: Vec<_> = variables
        .iter()
        .map(|(name, value)| (name.to_string_lossy(), value))
        .filter(|(name, _)| name.starts_with(PREFIX) && !RESERVED.contains(&name.as_ref()))
        .collect();
    ours.sort();
    for (name, value) in ours {
        let place = Place::Variable(legible(&name));
        let key = name[PREFIX.len()..].to_lowercase().replace("__", ".");
        let Some(rule) = RULES.iter().find(|rule| rule.variable() == name) else {
            problems.push(Problem {
                place,
                key: legible(&key),
                found: "an unknown key".to_owned(),
                allowed: names_near(&key),
                hint: hint(&key, Rule::variable),
            });
            continue;
        };
        match value.to_str() {
            Some(text) => take(rule, text, place, &mut layer, problems),
            None => problems.push(Problem {
                place,
                key,
                found: "bytes that are not UTF-8".to_owned(),
                allowed: rule.allowed.to_string(),
                hint: String::new(),
            }),
        }
    }
    layer
}

/// Reads the settings given on the command line; the last of several for one key holds.
pub fn from_options(options: &[Override], problems: &mut Vec<Problem>) -> Layer {
    let mut layer = Layer::default();
    for Override { option, key, value } in options {
        let place = Place::Option(option.clone());
        match RULES.iter().find(|rule| rule.key == key) {
            Some(rule) => take(rule, value, place, &mut layer, problems),
            None => problems.push(Problem {
                place,
                key: legible(key),
                found: "an unknown key".to_owned(),
                allowed: names_near(key),
                hint: hint(key, Rule::name),
            }),
        }
    }
    layer
}

/// Checks a value that was given as text.
fn take(rule: &'static Rule, text: &str, place: Place, layer: &mut Layer, problems: &mut Vec<Problem>) {
    let value = Value::from_text(text, &rule.allowed);
    if rule.allowed.accepts(&value) {
        layer.0.retain(|entry| entry.rule.key != rule.key);
        layer.0.push(Entry { rule, value, place });
    } else {
        let hint = match rule.allowed {
            Allowed::List => "written like [\"program\", \"argument\"]",
            _ => "",
        };
        problems.push(Problem {
            place,
            key: rule.key.to_owned(),
            found: rule.found(&value),
            allowed: rule.allowed.to_string(),
            hint: hint.to_owned(),
        });
    }
}

/// A key as a message shows it: on one line and not too long.
fn legible(key: &str) -> String {
    shown(key).trim_matches('"').to_owned()
}

/// Whether settings stand under `[name]`.
fn is_section(name: &str) -> bool {
    RULES
        .iter()
        .any(|rule| section_of(rule) == name && !name.is_empty())
}

/// The section of a setting; empty for those above all sections.
fn section_of(rule: &Rule) -> &'static str {
    rule.key.split_once('.').map_or("", |(section, _)| section)
}

/// The sections, each once.
fn sections() -> impl Iterator<Item = &'static str> {
    let mut last = "";
    RULES.iter().filter_map(move |rule| {
        let section = section_of(rule);
        let new = section != last;
        last = section;
        new.then_some(section)
    })
}

/// The names that may stand in a section, as a list.
fn names_in(section: &str) -> String {
    let mut names: Vec<String> = RULES
        .iter()
        .filter(|rule| section_of(rule) == section)
        .map(|rule| rule.key.rsplit('.').next().unwrap_or(rule.key).to_owned())
        .collect();
    if section.is_empty() {
        names.extend(sections().map(|section| format!("[{section}]")));
    }
    names.join(", ")
}

/// The names that may stand where `key` was sought.
fn names_near(key: &str) -> String {
    match key.split_once('.') {
        Some((section, _)) if is_section(section) => names_in(section),
        _ => names_in(""),
    }
}

/// What was probably meant by an unknown key; `name` says how a setting is called there.
fn hint(key: &str, name: impl Fn(&Rule) -> String) -> String {
    let lower = key.to_lowercase();
    if ["password", "passwd", "secret", "token"]
        .iter()
        .any(|word| lower.contains(word))
    {
        return "a secret is read from a file: name the file in mqtt.password_file".to_owned();
    }
    // A name that only one section has was probably put into the wrong one.
    let last = |key: &str| key.rsplit('.').next().map(str::to_owned);
    let mut elsewhere = RULES.iter().filter(|rule| last(rule.key) == last(&lower));
    let meant = match (elsewhere.next(), elsewhere.next()) {
        (Some(rule), None) => Some(rule),
        _ => nearest(key, RULES.iter().map(|rule| rule.key))
            .and_then(|key| RULES.iter().find(|rule| rule.key == key)),
    };
    meant.map_or_else(String::new, |rule| format!("did you mean {}?", name(rule)))
}

/// What was probably meant by an unknown section.
fn section_hint(section: &str) -> String {
    nearest(section, sections()).map_or_else(String::new, |section| format!("did you mean [{section}]?"))
}

/// The place of a line of the file `path`.
pub fn in_file(path: &Path) -> impl Fn(usize) -> Place {
    |line| Place::File(path.to_owned(), line)
}

//! The layers that settings come from: each is read into allowed values and a list of diagnostics.

use toml::de::DeValue;

use super::{
    constraint::Constraint,
    diagnostic::{Diagnostic, Origin},
    document::Document,
    rules::{RULES, Rule},
    suggest::suggest,
    value::Value,
};
use crate::text::quoted;

/// An allowed value, and where it was found.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The setting.
    pub rule: &'static Rule,
    /// Its value.
    pub value: Value,
    /// Where the value was found.
    pub origin: Origin,
}

/// The allowed values of one layer.
#[derive(Debug, Clone, Default)]
pub struct Layer(pub Vec<Entry>);

impl Layer {
    /// The entry of a setting.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Entry> {
        self.0.iter().find(|entry| entry.rule.key == key)
    }

    /// Checks a value given as text, which then replaces any earlier one.
    pub(super) fn set_text(
        &mut self,
        rule: &'static Rule,
        text: &str,
        origin: Origin,
    ) -> Result<(), Diagnostic> {
        let value = rule.constraint.parse(text);
        if rule.constraint.accepts(&value) {
            self.0.retain(|entry| entry.rule.key != rule.key);
            self.0.push(Entry { rule, value, origin });
            return Ok(());
        }
        let hint = match rule.constraint {
            Constraint::List => "written like [\"program\", \"argument\"]",
            _ => "",
        };
        Err(Diagnostic {
            origin,
            key: rule.key.to_owned(),
            found: rule.show(&value),
            allowed: rule.constraint.to_string(),
            hint: hint.into(),
        })
    }
}

/// A command line option that sets a setting.
#[derive(Debug, Clone)]
pub struct Override {
    /// The option as written, e.g. `--set`.
    pub option: String,
    /// The setting's dotted key.
    pub key: String,
    /// Its value, written as in the environment.
    pub value: String,
}

/// Reads the settings given on the command line; the last value for a key wins.
pub fn from_options(options: &[Override], diagnostics: &mut Vec<Diagnostic>) -> Layer {
    let mut layer = Layer::default();
    for Override { option, key, value } in options {
        let origin = Origin::Option(option.clone());
        let result = match Rule::of(key) {
            Some(rule) => layer.set_text(rule, value, origin),
            None => Err(Diagnostic {
                origin,
                key: legible(key),
                found: UNKNOWN_KEY.to_owned(),
                allowed: names_near(key),
                hint: hint(key, |rule| rule.key.to_owned()),
            }),
        };
        diagnostics.extend(result.err());
    }
    layer
}

/// Reads a TOML text.
pub fn from_toml(origin: Origin, text: &str, diagnostics: &mut Vec<Diagnostic>) -> Layer {
    let document = match Document::parse_from(origin, text) {
        Ok(document) => document,
        Err(errors) => {
            diagnostics.extend(errors);
            return Layer::default();
        }
    };
    let mut reader = TomlReader {
        document: &document,
        layer: Layer::default(),
        found: Vec::new(),
        hints: 0,
    };
    reader.root();
    reader.found.sort_by_key(|(offset, _)| *offset);
    diagnostics.extend(reader.found.into_iter().map(|(_, diagnostic)| diagnostic));
    reader.layer
}

/// Maximum number of unknown keys for which a suggestion is sought: the search dominates the run time, and
/// further errors are only counted.
const MAX_HINTS: usize = 100;

/// The `found` text of a diagnostic about an unknown key.
pub(super) const UNKNOWN_KEY: &str = "an unknown key";

/// Reads the values of a configuration file.
struct TomlReader<'a> {
    document: &'a Document<'a>,
    layer: Layer,
    /// Diagnostics with their byte offsets, by which they are sorted: the parser sorts keys by name.
    found: Vec<(usize, Diagnostic)>,
    hints: usize,
}

impl TomlReader<'_> {
    fn root(&mut self) {
        for (name, value) in self.document.entries() {
            let key_at = name.span().start;
            match value.get_ref() {
                DeValue::Table(table) if is_section(name.get_ref()) => {
                    for (inner, value) in table {
                        let positions = (inner.span().start, value.span().start);
                        self.setting(name.get_ref(), inner.get_ref(), positions, value.get_ref());
                    }
                }
                other if is_section(name.get_ref()) => {
                    let found = Value::from_toml(other).to_string();
                    let allowed = format!("a section [{}]", name.get_ref());
                    self.report(key_at, name.get_ref(), &found, &allowed);
                }
                other => self.setting("", name.get_ref(), (key_at, value.span().start), other),
            }
        }
    }

    /// Takes one setting, with the byte offsets of its key and its value.
    fn setting(
        &mut self,
        section: &str,
        name: &str,
        (key_at, value_at): (usize, usize),
        value: &DeValue<'_>,
    ) {
        let key = match section {
            "" => name.to_owned(),
            section => format!("{section}.{name}"),
        };
        // A quoted name that contains a dot is still not a path.
        let Some(rule) = Rule::of(&key).filter(|_| !name.contains('.')) else {
            return self.unknown(section, &key, key_at, matches!(value, DeValue::Table(_)));
        };
        let value = Value::from_toml(value);
        if rule.constraint.accepts(&value) {
            let origin = self.document.origin(value_at);
            self.layer.0.push(Entry { rule, value, origin });
        } else {
            self.report(value_at, &key, &rule.show(&value), &rule.constraint.to_string());
        }
    }

    fn unknown(&mut self, section: &str, key: &str, key_at: usize, is_table: bool) {
        let found = if is_table {
            "an unknown section"
        } else {
            UNKNOWN_KEY
        };
        self.report(key_at, &legible(key), found, &names_in(section));
        self.hints += 1;
        if self.hints <= MAX_HINTS
            && let Some((_, diagnostic)) = self.found.last_mut()
        {
            diagnostic.hint = if is_table {
                section_hint(key)
            } else {
                hint(key, |rule| rule.key.to_owned())
            };
        }
    }

    fn report(&mut self, offset: usize, key: &str, found: &str, allowed: &str) {
        self.found
            .push((offset, self.document.diagnostic(offset, key, found, allowed)));
    }
}

/// A key as shown in a message.
pub(super) fn legible(key: &str) -> String {
    quoted(key).trim_matches('"').to_owned()
}

/// Whether there is a section `[name]`.
pub(super) fn is_section(name: &str) -> bool {
    !name.is_empty() && RULES.iter().any(|rule| rule.section() == name)
}

/// The sections, each once.
fn sections() -> impl Iterator<Item = &'static str> {
    RULES
        .chunk_by(|a, b| a.section() == b.section())
        .map(|rules| rules[0].section())
        .filter(|section| !section.is_empty())
}

/// The names allowed in a section, as a list.
fn names_in(section: &str) -> String {
    let names = RULES
        .iter()
        .filter(|rule| rule.section() == section)
        .map(|rule| rule.name().to_owned());
    let sections = sections()
        .filter(|_| section.is_empty())
        .map(|section| format!("[{section}]"));
    names.chain(sections).collect::<Vec<_>>().join(", ")
}

/// The names allowed where `key` was found.
pub(super) fn names_near(key: &str) -> String {
    match key.split_once('.') {
        Some((section, _)) if is_section(section) => names_in(section),
        _ => names_in(""),
    }
}

/// The hint for an unknown key; `name` returns a setting's name in that layer.
pub(super) fn hint(key: &str, name: impl Fn(&Rule) -> String) -> Box<str> {
    let lower = key.to_lowercase();
    if ["password", "passwd", "secret", "token"]
        .iter()
        .any(|word| lower.contains(word))
    {
        let is_token = lower.starts_with("http") || lower.contains("token");
        let setting = if is_token {
            "http.token_file"
        } else {
            "mqtt.password_file"
        };
        return format!("a secret is read from a file: name the file in {setting}").into();
    }
    similar(&lower).map_or_else(Box::default, |rule| {
        format!("did you mean {}?", name(rule)).into()
    })
}

/// The setting with a similar key, or with the same name in another section if there is only one.
fn similar(key: &str) -> Option<&'static Rule> {
    let name = key.rsplit('.').next().unwrap_or(key);
    let mut elsewhere = RULES.iter().filter(|rule| rule.name() == name);
    match (elsewhere.next(), elsewhere.next()) {
        (Some(rule), None) => Some(rule),
        _ => suggest(key, RULES.iter().map(|rule| rule.key)).and_then(Rule::of),
    }
}

/// The hint for an unknown section.
fn section_hint(section: &str) -> Box<str> {
    suggest(section, sections()).map_or_else(Box::default, |section| {
        format!("did you mean [{section}]?").into()
    })
}

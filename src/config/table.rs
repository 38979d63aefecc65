//! A strict reader for TOML tables: every diagnostic names the file, the line, the key, what was found and
//! what is allowed.

use std::ops::RangeInclusive;

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{constraint::Constraint, diagnostic::Diagnostic, document::Document, value::Value};
use crate::text;

/// A table of a [`Document`]. Every requested key becomes known; [`Table::finish`] rejects all others.
#[derive(Debug)]
pub struct Table<'a> {
    document: &'a Document<'a>,
    /// `input.` for the keys of `[input]`, empty at the top.
    prefix: String,
    /// The byte offset of the table, for diagnostics about missing keys.
    offset: usize,
    entries: &'a DeTable<'a>,
    known: Vec<&'static str>,
}

/// A value and its position.
type Item<'a> = &'a Spanned<DeValue<'a>>;

impl<'a> Table<'a> {
    /// The table of the keys above all sections.
    #[must_use]
    pub fn root(document: &'a Document<'a>) -> Self {
        Self::new(document, String::new(), 0, document.entries())
    }

    fn new(document: &'a Document<'a>, prefix: String, offset: usize, entries: &'a DeTable<'a>) -> Self {
        Self {
            document,
            prefix,
            offset,
            entries,
            known: Vec::new(),
        }
    }

    /// A diagnostic about `key`, for errors that involve several keys.
    #[must_use]
    pub fn diagnostic(&self, key: &str, found: &str, allowed: &str) -> Diagnostic {
        let offset = self
            .entries
            .get(key)
            .map_or(self.offset, |value| value.span().start);
        self.at(offset, key, found, allowed)
    }

    /// Whether the table has this key, which becomes known.
    pub fn has(&mut self, key: &'static str) -> bool {
        self.get(key).is_some()
    }

    /// An optional table within this one.
    ///
    /// # Errors
    /// [`Diagnostic`], as for all methods below.
    pub fn optional_table(&mut self, key: &'static str) -> Result<Option<Table<'a>>, Diagnostic> {
        let Some(item) = self.get(key) else {
            return Ok(None);
        };
        let entries = item
            .get_ref()
            .as_table()
            .ok_or_else(|| self.refuse(key, item, &format!("a table [{key}]")))?;
        Ok(Some(self.child(key, item, entries)))
    }

    /// A table within this one.
    ///
    /// # Errors
    /// [`Diagnostic`].
    pub fn table(&mut self, key: &'static str) -> Result<Table<'a>, Diagnostic> {
        self.optional_table(key)?
            .ok_or_else(|| self.missing(key, &format!("a table [{key}]")))
    }

    /// A list of at least one table within this one.
    ///
    /// # Errors
    /// [`Diagnostic`].
    pub fn tables(&mut self, key: &'static str) -> Result<Vec<Table<'a>>, Diagnostic> {
        let allowed = format!("tables [[{key}]]");
        let list = self.need(key, &allowed)?;
        let items = list
            .get_ref()
            .as_array()
            .filter(|items| items.iter().len() > 0)
            .ok_or_else(|| self.refuse(key, list, &allowed))?;
        items
            .iter()
            .map(|item| {
                let entries = item.get_ref().as_table();
                let entries = entries.ok_or_else(|| self.refuse(key, item, &allowed))?;
                Ok(self.child(key, item, entries))
            })
            .collect()
    }

    /// A text that `read` accepts.
    ///
    /// # Errors
    /// [`Diagnostic`].
    pub fn parsed<T>(
        &mut self,
        key: &'static str,
        allowed: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, Diagnostic> {
        let item = self.need(key, allowed)?;
        item.get_ref()
            .as_str()
            .and_then(read)
            .ok_or_else(|| self.refuse(key, item, allowed))
    }

    /// Human-readable text: not empty, at most `max` characters, and none that a terminal may interpret.
    ///
    /// # Errors
    /// [`Diagnostic`].
    pub fn text(&mut self, key: &'static str, max: usize) -> Result<String, Diagnostic> {
        let allowed = format!("a string of 1 to {max} characters, without control characters");
        self.parsed(key, &allowed, |text| {
            let is_fine =
                !text.trim().is_empty() && text.chars().count() <= max && !text.contains(text::is_unsafe);
            is_fine.then(|| text.to_owned())
        })
    }

    /// One of a few words.
    ///
    /// # Errors
    /// [`Diagnostic`].
    pub fn choice<T: Copy>(&mut self, key: &'static str, words: &[(&str, T)]) -> Result<T, Diagnostic> {
        let allowed: Vec<String> = words.iter().map(|(word, _)| format!("{word:?}")).collect();
        self.parsed(key, &allowed.join(", "), |text| {
            let found = words.iter().find(|(word, _)| *word == text);
            found.map(|(_, meaning)| *meaning)
        })
    }

    /// An integer within a range.
    ///
    /// # Errors
    /// [`Diagnostic`].
    pub fn integer(&mut self, key: &'static str, range: RangeInclusive<u32>) -> Result<usize, Diagnostic> {
        let constraint = Constraint::Integer {
            min: i64::from(*range.start()),
            max: i64::from(*range.end()),
            unit: "",
        };
        match self.constrained(key, &constraint)? {
            Value::Integer(number) if let Ok(number) = usize::try_from(number) => Ok(number),
            other => Err(self.diagnostic(key, &other.to_string(), &constraint.to_string())),
        }
    }

    /// A number within a range.
    ///
    /// # Errors
    /// [`Diagnostic`].
    pub fn float(&mut self, key: &'static str, range: RangeInclusive<f64>) -> Result<f64, Diagnostic> {
        let constraint = Constraint::Float {
            min: *range.start(),
            max: *range.end(),
            unit: "",
        };
        let value = self.constrained(key, &constraint)?;
        float(&value).ok_or_else(|| self.diagnostic(key, &value.to_string(), &constraint.to_string()))
    }

    /// A number within a range, if the key is present.
    ///
    /// # Errors
    /// [`Diagnostic`].
    pub fn optional_float(
        &mut self,
        key: &'static str,
        range: RangeInclusive<f64>,
    ) -> Result<Option<f64>, Diagnostic> {
        if self.has(key) {
            self.float(key, range).map(Some)
        } else {
            Ok(None)
        }
    }

    /// `true` or `false`; false if the key is missing.
    ///
    /// # Errors
    /// [`Diagnostic`].
    pub fn flag(&mut self, key: &'static str) -> Result<bool, Diagnostic> {
        match self.get(key) {
            None => Ok(false),
            Some(item) => item
                .get_ref()
                .as_bool()
                .ok_or_else(|| self.refuse(key, item, &Constraint::Bool.to_string())),
        }
    }

    /// A list of `lengths` values, each of which `read` accepts.
    ///
    /// # Errors
    /// [`Diagnostic`].
    pub fn list<T>(
        &mut self,
        key: &'static str,
        lengths: RangeInclusive<usize>,
        allowed: &str,
        read: impl Fn(&Value) -> Option<T>,
    ) -> Result<Vec<T>, Diagnostic> {
        let list = self.need(key, allowed)?;
        let items = list
            .get_ref()
            .as_array()
            .filter(|items| lengths.contains(&items.iter().len()))
            .ok_or_else(|| self.refuse(key, list, allowed))?;
        items
            .iter()
            .map(|item| {
                read(&Value::from_toml(item.get_ref())).ok_or_else(|| self.refuse(key, item, allowed))
            })
            .collect()
    }

    /// Rejects every key that was not requested.
    ///
    /// # Errors
    /// [`Diagnostic`] for the first unknown key.
    pub fn finish(self) -> Result<(), Diagnostic> {
        let unknown = self
            .entries
            .iter()
            .map(|(key, _)| key)
            .find(|key| !self.known.contains(&key.get_ref().as_ref()));
        let Some(key) = unknown else {
            return Ok(());
        };
        let allowed = format!("only {}", self.known.join(", "));
        let name = text::sanitized(key.get_ref(), 60);
        Err(self.at(key.span().start, &name, "an unknown key", &allowed))
    }

    fn child(&self, key: &str, item: Item<'a>, entries: &'a DeTable<'a>) -> Table<'a> {
        let prefix = format!("{}{key}.", self.prefix);
        Table::new(self.document, prefix, item.span().start, entries)
    }

    fn get(&mut self, key: &'static str) -> Option<Item<'a>> {
        self.known.push(key);
        self.entries.get(key)
    }

    fn need(&mut self, key: &'static str, allowed: &str) -> Result<Item<'a>, Diagnostic> {
        self.get(key).ok_or_else(|| self.missing(key, allowed))
    }

    fn constrained(&mut self, key: &'static str, constraint: &Constraint) -> Result<Value, Diagnostic> {
        let allowed = constraint.to_string();
        let item = self.need(key, &allowed)?;
        let value = Value::from_toml(item.get_ref());
        if constraint.accepts(&value) {
            Ok(value)
        } else {
            Err(self.refuse(key, item, &allowed))
        }
    }

    fn missing(&self, key: &str, allowed: &str) -> Diagnostic {
        self.at(self.offset, key, "nothing", allowed)
    }

    fn refuse(&self, key: &str, item: Item<'_>, allowed: &str) -> Diagnostic {
        let found = Value::from_toml(item.get_ref()).to_string();
        self.at(item.span().start, key, &found, allowed)
    }

    fn at(&self, offset: usize, key: &str, found: &str, allowed: &str) -> Diagnostic {
        let key = format!("{}{key}", self.prefix);
        self.document.diagnostic(offset, &key, found, allowed)
    }
}

/// A finite number, written with or without a decimal point.
#[must_use]
pub fn float(value: &Value) -> Option<f64> {
    match value {
        Value::Integer(number) => Some(*number as f64),
        Value::Float(number) => Some(*number).filter(|number| number.is_finite()),
        _ => None,
    }
}

//! Reading a TOML table strictly: every refusal names the file, the line, the key, what was found and what is
//! allowed.

use std::{ops::RangeInclusive, path::Path};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::error::ModelError;

/// One table of a file. Each key that is asked for is known; [`Table::finish`] refuses the others.
pub(super) struct Table<'a> {
    path: &'a Path,
    text: &'a str,
    /// `input.` for the keys of `[input]`, empty at the top.
    prefix: String,
    /// Where the table stands, for a key that is missing.
    offset: usize,
    entries: &'a DeTable<'a>,
    asked: Vec<&'static str>,
}

/// A value and where it stands.
type Found<'a> = &'a Spanned<DeValue<'a>>;

impl<'a> Table<'a> {
    /// Parses a whole file's text.
    pub(super) fn parse(path: &Path, text: &'a str) -> Result<Spanned<DeTable<'a>>, ModelError> {
        DeTable::parse(text).map_err(|error| ModelError::Syntax {
            path: path.to_owned(),
            line: line_of(text, error.span().map_or(0, |span| span.start)),
            message: error.message().to_owned(),
        })
    }

    /// The file's top table.
    pub(super) fn top(path: &'a Path, text: &'a str, parsed: &'a Spanned<DeTable<'a>>) -> Self {
        Self {
            path,
            text,
            prefix: String::new(),
            offset: 0,
            entries: parsed.get_ref(),
            asked: Vec::new(),
        }
    }

    fn get(&mut self, key: &'static str) -> Option<Found<'a>> {
        self.asked.push(key);
        self.entries.get(key)
    }

    fn need(&mut self, key: &'static str, allowed: &str) -> Result<Found<'a>, ModelError> {
        self.get(key)
            .ok_or_else(|| self.error(self.offset, key, "nothing", allowed))
    }

    fn error(&self, offset: usize, key: &str, found: &str, allowed: &str) -> ModelError {
        ModelError::Manifest {
            path: self.path.to_owned(),
            line: line_of(self.text, offset),
            key: format!("{}{key}", self.prefix),
            found: found.to_owned(),
            allowed: allowed.to_owned(),
        }
    }

    fn refuse_value(&self, key: &str, value: Found<'_>, allowed: &str) -> ModelError {
        let found: String = self
            .text
            .get(value.span())
            .unwrap_or_default()
            .chars()
            .take(60)
            .collect();
        self.error(value.span().start, key, &found, allowed)
    }

    /// An error about `key` as a whole, for what only several keys together show to be wrong.
    pub(super) fn refuse(&self, key: &str, found: &str, allowed: &str) -> ModelError {
        let offset = self
            .entries
            .get(key)
            .map_or(self.offset, |value| value.span().start);
        self.error(offset, key, found, allowed)
    }

    /// Whether the file has this key; asking makes it a known one.
    pub(super) fn has(&mut self, key: &'static str) -> bool {
        self.get(key).is_some()
    }

    /// A table within this one that may be missing.
    pub(super) fn optional_table(&mut self, key: &'static str) -> Result<Option<Table<'a>>, ModelError> {
        let Some(value) = self.get(key) else {
            return Ok(None);
        };
        let entries = value
            .get_ref()
            .as_table()
            .ok_or_else(|| self.refuse_value(key, value, &format!("a table [{key}]")))?;
        Ok(Some(Table {
            path: self.path,
            text: self.text,
            prefix: format!("{}{key}.", self.prefix),
            offset: value.span().start,
            entries,
            asked: Vec::new(),
        }))
    }

    /// A table within this one.
    pub(super) fn table(&mut self, key: &'static str) -> Result<Table<'a>, ModelError> {
        match self.optional_table(key)? {
            Some(table) => Ok(table),
            None => Err(self.error(self.offset, key, "nothing", &format!("a table [{key}]"))),
        }
    }

    /// Text that `read` understands.
    pub(super) fn parsed<T>(
        &mut self,
        key: &'static str,
        allowed: &str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, ModelError> {
        let value = self.need(key, allowed)?;
        value
            .get_ref()
            .as_str()
            .and_then(read)
            .ok_or_else(|| self.refuse_value(key, value, allowed))
    }

    /// Text that is not empty.
    pub(super) fn text(&mut self, key: &'static str) -> Result<String, ModelError> {
        self.parsed(key, "a text that is not empty", |text| {
            (!text.trim().is_empty()).then(|| text.to_owned())
        })
    }

    /// One of a few words.
    pub(super) fn choice<T: Copy>(
        &mut self,
        key: &'static str,
        words: &[(&str, T)],
    ) -> Result<T, ModelError> {
        let allowed = words
            .iter()
            .map(|(word, _)| format!("{word:?}"))
            .collect::<Vec<_>>()
            .join(", ");
        self.parsed(key, &allowed, |text| {
            words
                .iter()
                .find(|(word, _)| *word == text)
                .map(|(_, meaning)| *meaning)
        })
    }

    /// A whole number within a range.
    pub(super) fn integer(
        &mut self,
        key: &'static str,
        range: RangeInclusive<usize>,
    ) -> Result<usize, ModelError> {
        let allowed = format!("a whole number from {} to {}", range.start(), range.end());
        let value = self.need(key, &allowed)?;
        integer(value.get_ref(), &range).ok_or_else(|| self.refuse_value(key, value, &allowed))
    }

    /// A number within a range.
    pub(super) fn number(
        &mut self,
        key: &'static str,
        range: RangeInclusive<f32>,
    ) -> Result<f32, ModelError> {
        let allowed = format!("a number from {} to {}", range.start(), range.end());
        let value = self.need(key, &allowed)?;
        float(value.get_ref())
            .filter(|number| range.contains(number))
            .ok_or_else(|| self.refuse_value(key, value, &allowed))
    }

    /// A number within a range, where there is one.
    pub(super) fn optional_number(
        &mut self,
        key: &'static str,
        range: RangeInclusive<f32>,
    ) -> Result<Option<f32>, ModelError> {
        if self.has(key) {
            self.number(key, range).map(Some)
        } else {
            Ok(None)
        }
    }

    /// `true` or `false`; false where there is nothing.
    pub(super) fn flag(&mut self, key: &'static str) -> Result<bool, ModelError> {
        match self.get(key) {
            None => Ok(false),
            Some(value) => value
                .get_ref()
                .as_bool()
                .ok_or_else(|| self.refuse_value(key, value, "true or false")),
        }
    }

    /// A list of `lengths` values, each of which `read` understands.
    pub(super) fn list<T>(
        &mut self,
        key: &'static str,
        lengths: RangeInclusive<usize>,
        allowed: &str,
        read: impl Fn(&DeValue<'_>) -> Option<T>,
    ) -> Result<Vec<T>, ModelError> {
        let value = self.need(key, allowed)?;
        let items = value
            .get_ref()
            .as_array()
            .filter(|items| lengths.contains(&items.iter().len()))
            .ok_or_else(|| self.refuse_value(key, value, allowed))?;
        items
            .iter()
            .map(|item| read(item.get_ref()).ok_or_else(|| self.refuse_value(key, item, allowed)))
            .collect()
    }

    /// Refuses every key that nobody asked for.
    pub(super) fn finish(self) -> Result<(), ModelError> {
        match self
            .entries
            .iter()
            .find(|(key, _)| !self.asked.contains(&key.get_ref().as_ref()))
        {
            None => Ok(()),
            Some((key, _)) => {
                let allowed = format!("only {}", self.asked.join(", "));
                Err(self.error(key.span().start, key.get_ref(), "an unknown key", &allowed))
            }
        }
    }
}

/// A whole number within `range`.
pub(super) fn integer(value: &DeValue<'_>, range: &RangeInclusive<usize>) -> Option<usize> {
    let integer = value.as_integer()?;
    usize::from_str_radix(integer.as_str(), integer.radix())
        .ok()
        .filter(|number| range.contains(number))
}

/// A number, written with a point or without; infinities and NaN lie in no range.
pub(super) fn float(value: &DeValue<'_>) -> Option<f32> {
    let text = match value {
        DeValue::Float(float) => float.as_str(),
        DeValue::Integer(integer) if integer.radix() == 10 => integer.as_str(),
        _ => return None,
    };
    text.parse().ok()
}

fn line_of(text: &str, offset: usize) -> usize {
    text.as_bytes()
        .iter()
        .take(offset)
        .filter(|byte| **byte == b'\n')
        .count()
        + 1
}

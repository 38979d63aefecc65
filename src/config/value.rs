//! A value as found, before it is checked.

use std::fmt;

use toml::de::DeValue;

use crate::text::{is_unsafe, quoted, redacted, redacted_arguments};

/// A value as found.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `true` or `false`.
    Bool(bool),
    /// An integer.
    Integer(i64),
    /// Any other number, including infinities and NaN.
    Float(f64),
    /// A string.
    String(String),
    /// A list of strings.
    List(Vec<String>),
    /// A type that no setting takes, in words.
    Other(&'static str),
}

impl Value {
    /// A value in a TOML file.
    #[must_use]
    pub fn from_toml(value: &DeValue<'_>) -> Self {
        match value {
            DeValue::Boolean(value) => Self::Bool(*value),
            DeValue::Integer(digits) => i64::from_str_radix(digits.as_str(), digits.radix())
                .map_or(Self::Other("a number of more than 64 bits"), Self::Integer),
            DeValue::Float(digits) => digits
                .as_str()
                .parse()
                .map_or(Self::Other("an unreadable number"), Self::Float),
            DeValue::String(text) => Self::String(text.to_string()),
            DeValue::Array(items) => items
                .iter()
                .map(|item| item.get_ref().as_str().map(str::to_owned))
                .collect::<Option<_>>()
                .map_or(Self::Other("a list with an item of another type"), Self::List),
            DeValue::Datetime(_) => Self::Other("a date or time"),
            DeValue::Table(_) => Self::Other("a table"),
        }
    }

    /// The value as TOML, without credentials: printed settings are often shared.
    #[must_use]
    pub fn to_toml(&self) -> String {
        match self {
            Self::Bool(value) => value.to_string(),
            Self::Integer(number) => number.to_string(),
            Self::Float(number) => format!("{number:?}"),
            Self::String(text) => string(&redacted(text)),
            Self::List(items) => {
                let items = redacted_arguments(items);
                let items: Vec<_> = items.iter().map(|item| string(item)).collect();
                format!("[{}]", items.join(", "))
            }
            Self::Other(words) => (*words).to_owned(),
        }
    }
}

/// A TOML string without unsafe characters, see [`is_unsafe`].
fn string(text: &str) -> String {
    if !text.contains(is_unsafe) {
        return toml::Value::from(text).to_string();
    }
    let mut string = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => string.extend(['\\', c]),
            '\n' | '\r' | '\t' => string.extend(c.escape_default()),
            c if is_unsafe(c) => string.push_str(&format!("\\U{:08X}", u32::from(c))),
            c => string.push(c),
        }
    }
    string + "\""
}

/// As shown in messages, see [`quoted`].
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::String(text) => f.write_str(&quoted(text)),
            Self::List(items) => {
                let items = redacted_arguments(&items[..items.len().min(4)]);
                let items: Vec<_> = items.iter().map(|item| quoted(item)).collect();
                write!(f, "[{}]", items.join(", "))
            }
            other => f.write_str(&other.to_toml()),
        }
    }
}

impl From<Value> for config::ValueKind {
    fn from(value: Value) -> Self {
        match value {
            Value::Bool(value) => value.into(),
            Value::Integer(number) => number.into(),
            Value::Float(number) => number.into(),
            Value::String(text) => text.into(),
            Value::List(items) => items.into(),
            Value::Other(_) => Self::Nil,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_not_printed() {
        let command = ["ffmpeg", "-i", "rtsp://admin:gartenzwerg@192.0.2.7/stream"].map(str::to_owned);
        assert_eq!(
            Value::List(command.to_vec()).to_toml(),
            r#"["ffmpeg", "-i", "rtsp://***@192.0.2.7/stream"]"#
        );
        let command = ["camera", "--password", "gartenzwerg"].map(str::to_owned);
        let value = Value::List(command.to_vec());
        assert_eq!(value.to_toml(), r#"["camera", "--password", "***"]"#);
        assert_eq!(value.to_string(), r#"["camera", "--password", "***"]"#);
    }

    #[test]
    fn unsafe_characters_are_printed_as_toml_escapes() {
        let text = "a\n\u{61c}\u{1fffe}\"\\'";
        let printed = Value::String(text.to_owned()).to_toml();
        assert_eq!(printed, r#""a\n\U0000061C\U0001FFFE\"\\'""#);
        let table: toml::Table = toml::from_str(&format!("x = {printed}")).unwrap_or_default();
        assert_eq!(table.get("x").and_then(toml::Value::as_str), Some(text));
    }
}

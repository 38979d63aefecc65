//! A value as found, before it is checked.

use std::fmt;

use toml::de::DeValue;

use crate::text::{quoted, redacted};

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
                .map_or(Self::Other("a list that holds more than texts"), Self::List),
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
            Self::String(text) => toml::Value::from(redacted(text)).to_string(),
            Self::List(items) => {
                let items: Vec<String> = items.iter().map(|item| redacted(item)).collect();
                toml::Value::from(items).to_string()
            }
            Self::Other(words) => (*words).to_owned(),
        }
    }
}

/// As shown in messages, see [`quoted`].
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::String(text) => f.write_str(&quoted(text)),
            Self::List(items) => {
                let items: Vec<_> = items.iter().take(4).map(|item| quoted(item)).collect();
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
    }
}

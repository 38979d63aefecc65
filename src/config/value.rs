//! A setting's value as found, before it is known to be allowed.

use std::fmt;

use toml::de::DeValue;

use super::rules::Allowed;

/// What was found.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `true` or `false`.
    Flag(bool),
    /// An integer.
    Whole(i64),
    /// Any other number, also one that is not finite.
    Number(f64),
    /// A text.
    Text(String),
    /// A list of texts.
    List(Vec<String>),
    /// What no setting is, in words.
    Other(&'static str),
}

impl Value {
    /// A value in a TOML file.
    #[must_use]
    pub fn from_toml(value: &DeValue<'_>) -> Self {
        match value {
            DeValue::Boolean(flag) => Self::Flag(*flag),
            DeValue::Integer(digits) => i64::from_str_radix(digits.as_str(), digits.radix())
                .map_or(Self::Other("a number of more than 64 bits"), Self::Whole),
            DeValue::Float(digits) => digits
                .as_str()
                .parse()
                .map_or(Self::Other("an unreadable number"), Self::Number),
            DeValue::String(text) => Self::Text(text.to_string()),
            DeValue::Array(items) => items
                .iter()
                .map(|item| item.get_ref().as_str().map(str::to_owned))
                .collect::<Option<_>>()
                .map_or(Self::Other("a list of other things than texts"), Self::List),
            DeValue::Datetime(_) => Self::Other("a date or time"),
            DeValue::Table(_) => Self::Other("a table"),
        }
    }

    /// A value in the environment or on the command line: a text is taken as it stands, anything else is written as in
    /// TOML.
    #[must_use]
    pub fn from_text(text: &str, allowed: &Allowed) -> Self {
        match allowed {
            Allowed::OneOf(_) | Allowed::Text(..) | Allowed::NumberOrText(..) => Self::Text(text.to_owned()),
            Allowed::Flag | Allowed::Whole(..) | Allowed::Number(..) | Allowed::List => {
                DeValue::parse(text.trim()).map_or_else(
                    |_| Self::Text(text.to_owned()),
                    |value| Self::from_toml(value.get_ref()),
                )
            }
        }
    }

    /// The value as TOML.
    #[must_use]
    pub fn to_toml(&self) -> String {
        match self {
            Self::Flag(flag) => flag.to_string(),
            Self::Whole(number) => number.to_string(),
            Self::Number(number) => format!("{number:?}"),
            Self::Text(text) => toml::Value::from(text.as_str()).to_string(),
            Self::List(items) => toml::Value::from(items.clone()).to_string(),
            Self::Other(words) => (*words).to_owned(),
        }
    }
}

/// As it is shown in messages: on one line, not too long, without control characters and without the
/// user and password of an address.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(&shown(text)),
            Self::List(items) => {
                let items: Vec<_> = items.iter().take(4).map(|item| shown(item)).collect();
                write!(f, "[{}]", items.join(", "))
            }
            other => f.write_str(&other.to_toml()),
        }
    }
}

/// Longest part of a text that a message shows.
const MAX_SHOWN: usize = 60;

/// A text, quoted for a message.
pub fn shown(text: &str) -> String {
    let (hidden, text) = match text.rsplit_once('@') {
        Some((_, rest)) if text.contains("://") || text.contains(':') => ("…@", rest),
        _ => ("", text),
    };
    let cut: String = text.chars().take(MAX_SHOWN).collect();
    let more = if cut.len() < text.len() { "…" } else { "" };
    format!("\"{hidden}{}{more}\"", cut.escape_debug())
}

impl From<Value> for config::ValueKind {
    fn from(value: Value) -> Self {
        match value {
            Value::Flag(flag) => flag.into(),
            Value::Whole(number) => number.into(),
            Value::Number(number) => number.into(),
            Value::Text(text) => text.into(),
            Value::List(items) => items.into(),
            Value::Other(_) => Self::Nil,
        }
    }
}

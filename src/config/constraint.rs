//! The type and range of a value, checked and described in one place.

use std::fmt;

use toml::de::DeValue;

use super::value::Value;

/// What a value may be.
#[derive(Debug)]
pub enum Constraint {
    /// `true` or `false`.
    Bool,
    /// An integer from `min` to `max`.
    Integer {
        /// The smallest.
        min: i64,
        /// The largest.
        max: i64,
        /// E.g. `in pixels`; may be empty.
        unit: &'static str,
    },
    /// A finite number from `min` to `max`.
    Float {
        /// The smallest.
        min: f64,
        /// The largest.
        max: f64,
        /// E.g. `in seconds`; may be empty.
        unit: &'static str,
    },
    /// One of a few words.
    OneOf(&'static [&'static str]),
    /// A string that passes a test.
    String {
        /// The test.
        is_valid: fn(&str) -> bool,
        /// The test in words.
        allowed: &'static str,
    },
    /// A string that passes a test, or an integer that passes it in decimal digits.
    IntegerOrString {
        /// The test.
        is_valid: fn(&str) -> bool,
        /// The test in words.
        allowed: &'static str,
    },
    /// A string that passes a test, or a list of at least one such string.
    StringOrList {
        /// The test; an empty string in a list never passes.
        is_valid: fn(&str) -> bool,
        /// The test in words.
        allowed: &'static str,
    },
    /// A list of strings.
    List,
}

impl Constraint {
    /// Parses a value of the environment or the command line: a string is taken literally, anything else is
    /// written as in TOML.
    #[must_use]
    pub fn parse(&self, text: &str) -> Value {
        let literal = || Value::String(text.to_owned());
        match self {
            Self::StringOrList { .. } if !text.trim_start().starts_with('[') => literal(),
            Self::OneOf(_) | Self::String { .. } | Self::IntegerOrString { .. } => literal(),
            Self::Bool
            | Self::Integer { .. }
            | Self::Float { .. }
            | Self::List
            | Self::StringOrList { .. } => DeValue::parse(text.trim())
                .map_or_else(|_| literal(), |value| Value::from_toml(value.get_ref())),
        }
    }

    /// Whether `value` has this type and lies in this range. An integer is also a number.
    #[must_use]
    pub fn accepts(&self, value: &Value) -> bool {
        match (self, value) {
            (Self::Bool, Value::Bool(_)) | (Self::List, Value::List(_)) => true,
            (Self::Integer { min, max, .. }, Value::Integer(found)) => (min..=max).contains(&found),
            (Self::Float { min, max, .. }, Value::Integer(found)) => (*min..=*max).contains(&(*found as f64)),
            (Self::Float { min, max, .. }, Value::Float(found)) => (min..=max).contains(&found),
            (Self::OneOf(words), Value::String(found)) => words.contains(&found.as_str()),
            (
                Self::String { is_valid, .. }
                | Self::IntegerOrString { is_valid, .. }
                | Self::StringOrList { is_valid, .. },
                Value::String(found),
            ) => is_valid(found),
            (Self::StringOrList { is_valid, .. }, Value::List(found)) => {
                !found.is_empty() && found.iter().all(|item| !item.is_empty() && is_valid(item))
            }
            (Self::IntegerOrString { is_valid, .. }, Value::Integer(found)) => is_valid(&found.to_string()),
            _ => false,
        }
    }
}

impl fmt::Display for Constraint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let with_unit = |f: &mut fmt::Formatter<'_>, unit: &str| match unit {
            "" => Ok(()),
            unit => write!(f, ", {unit}"),
        };
        match self {
            Self::Bool => f.write_str("true or false"),
            Self::Integer { min, max, unit } => {
                write!(f, "a whole number from {min} to {max}")?;
                with_unit(f, unit)
            }
            Self::Float { min, max, unit } => {
                write!(f, "a number from {min} to {max}")?;
                with_unit(f, unit)
            }
            Self::OneOf(words) => write!(f, "one of {}", words.join(", ")),
            Self::String { allowed, .. }
            | Self::IntegerOrString { allowed, .. }
            | Self::StringOrList { allowed, .. } => f.write_str(allowed),
            Self::List => f.write_str("a list of strings"),
        }
    }
}

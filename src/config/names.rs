//! Names that are checked once, when they enter the program.

use std::{fmt, ops::Deref, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::text::{is_noncharacter, quoted};

/// A name that is not allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("found {found}; allowed: {allowed}")]
pub struct InvalidName {
    /// The name, quoted.
    found: String,
    /// What is allowed, in words.
    allowed: &'static str,
}

/// A type for strings that pass a test.
macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $is_valid:ident, $allowed:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
        #[serde(try_from = "String")]
        pub struct $name(String);

        impl $name {
            /// What is allowed, in words.
            pub const ALLOWED: &str = $allowed;

            /// Whether `text` is such a name.
            #[must_use]
            pub fn is_valid(text: &str) -> bool {
                $is_valid(text)
            }

            /// The name as a string.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidName;

            fn try_from(text: String) -> Result<Self, InvalidName> {
                if Self::is_valid(&text) {
                    Ok(Self(text))
                } else {
                    Err(InvalidName { found: quoted(&text), allowed: Self::ALLOWED })
                }
            }
        }

        impl FromStr for $name {
            type Err = InvalidName;

            fn from_str(text: &str) -> Result<Self, InvalidName> {
                text.to_owned().try_into()
            }
        }

        impl Deref for $name {
            type Target = str;

            fn deref(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name!(
    /// The device's name: one level of an MQTT topic, and an identifier to Home Assistant.
    DeviceId,
    is_device_id,
    "up to 64 letters, digits, - and _, the first a letter or digit"
);

name!(
    /// The first levels of MQTT topics (MQTT 5, sections 1.5.4 and 4.7).
    TopicPrefix,
    is_topic_prefix,
    "up to 128 characters: levels separated by single slashes, no +, #, leading $ or control character"
);

name!(
    /// A model's name, which is also the file name of its manifest without `.toml`, so it cannot lead out of
    /// the folder.
    ModelName,
    is_model_name,
    "1 to 64 letters, digits, - _ and dots, the first a letter or digit"
);

/// Maximum number of characters in a device's or a model's name.
const MAX_NAME: usize = 64;

/// Maximum number of characters in a topic prefix.
const MAX_PREFIX: usize = 128;

impl DeviceId {
    /// Derives a device's name from a host's name: every run of disallowed characters becomes one `-`, and a
    /// long name is truncated. `affectd` if nothing is left.
    #[must_use]
    pub fn from_host_name(host: &str) -> Self {
        let mut name = String::with_capacity(MAX_NAME);
        for c in host.chars() {
            let c = if is_word(c) { c } else { '-' };
            let is_leading = name.is_empty() && !c.is_ascii_alphanumeric();
            if is_leading || (c == '-' && name.ends_with('-')) {
                continue;
            }
            if name.len() == MAX_NAME {
                break;
            }
            name.push(c);
        }
        name.truncate(name.trim_end_matches('-').len());
        if name.is_empty() {
            name.push_str("affectd");
        }
        Self(name)
    }
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '-' || c == '_'
}

fn is_name(text: &str, is_allowed: impl Fn(char) -> bool) -> bool {
    text.len() <= MAX_NAME
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.chars().all(is_allowed)
}

fn is_device_id(text: &str) -> bool {
    is_name(text, is_word)
}

fn is_model_name(text: &str) -> bool {
    is_name(text, |c| is_word(c) || c == '.')
}

fn is_topic_prefix(text: &str) -> bool {
    text.chars().count() <= MAX_PREFIX
        && !text.starts_with('$')
        && text.split('/').all(|level| !level.is_empty())
        && !text.contains(|c: char| c == '+' || c == '#' || c.is_control() || is_noncharacter(c))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn device_ids_begin_with_a_letter_or_digit() {
        for text in ["a", "hall-2", "A_b", "7", &"x".repeat(64)] {
            assert!(DeviceId::is_valid(text), "{text}");
        }
        for text in [
            "",
            "--help",
            "-a",
            "_a",
            "a b",
            "a/b",
            "ä",
            "a.b",
            &"x".repeat(65),
        ] {
            assert!(!DeviceId::is_valid(text), "{text}");
        }
        let error = "--help".parse::<DeviceId>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "found \"--help\"; allowed: up to 64 letters, digits, - and _, the first a letter or digit"
        );
    }

    #[test]
    fn topic_prefixes_have_no_empty_level_and_no_forbidden_character() {
        for text in [
            "affectd",
            "site/floor 1/affectd",
            "größe",
            "a/$b",
            &"ä".repeat(128),
        ] {
            assert!(TopicPrefix::is_valid(text), "{text}");
        }
        for text in [
            "",
            "/",
            "/a",
            "a/",
            "a//b",
            "a/+",
            "a/#",
            "#",
            "$SYS",
            "a\0b",
            "a\u{7f}",
            "a\u{85}b",
            "a\u{fffe}",
            "\u{fdd0}",
            "a\u{1ffff}",
            &"a".repeat(129),
        ] {
            assert!(!TopicPrefix::is_valid(text), "{text:?}");
        }
    }

    #[test]
    fn model_names_contain_no_path() {
        for text in ["maxvit-s", "v1.2", "a..b"] {
            assert!(ModelName::is_valid(text), "{text}");
        }
        for text in ["", "../x", "a/b", ".hidden", "..", "-x", "a\0"] {
            assert!(!ModelName::is_valid(text), "{text:?}");
        }
    }

    #[test]
    fn host_names_become_device_ids() {
        for (host, name) in [
            ("kiosk-3", "kiosk-3"),
            ("kiosk.example.org", "kiosk-example-org"),
            ("Hall_2", "Hall_2"),
            ("Foyer / Süd #1", "Foyer-S-d-1"),
            ("--_x", "x"),
            (".", "affectd"),
            ("", "affectd"),
        ] {
            assert_eq!(DeviceId::from_host_name(host).as_str(), name, "{host}");
        }
        assert_eq!(DeviceId::from_host_name(&"x".repeat(300)).len(), 64);
    }

    proptest! {
        #[test]
        fn every_host_name_gives_a_device_id(host in ".*") {
            let name = DeviceId::from_host_name(&host);
            prop_assert!(DeviceId::is_valid(&name), "{}", name);
            prop_assert_eq!(DeviceId::from_host_name(&name), name);
        }
    }
}

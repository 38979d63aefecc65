//! Settings from the environment, which is shared: platforms add their own variables to it.
//!
//! - `AFFECTD_<SECTION>__<NAME>`, with two underscores and a section that exists, is a setting, as are
//!   `AFFECTD_DEVICE` and `AFFECTD_MODELS`. A wrong name or value there is an error.
//! - Any other name that begins with `AFFECTD_` is not a setting, e.g. `AFFECTD_PORT=tcp://10.0.0.1:1883`,
//!   which Kubernetes and Docker set for a service of this name. It is ignored, whatever its value, and
//!   reported once.
//! - An empty variable is treated as if it were not set.

use std::{ffi::OsString, time::Duration};

use super::{
    diagnostic::{Diagnostic, Origin},
    layer::{Layer, UNKNOWN_KEY, hint, is_section, legible, names_near},
    rules::{RULES, Rule},
    suggest::suggest,
};

/// The process's environment variables.
pub type Variables = [(OsString, OsString)];

/// The prefix of all settings' variables.
const PREFIX: &str = "AFFECTD_";

/// Variables with that prefix that other parts of the program read.
const RESERVED: &[&str] = &["AFFECTD_LOG"];

/// Reads the settings among the variables. Also returns the variables that have the prefix but are not
/// settings, each with a similar setting if there is one.
pub fn from_environment(variables: &Variables, diagnostics: &mut Vec<Diagnostic>) -> (Layer, Vec<String>) {
    let mut layer = Layer::default();
    let mut ignored = Vec::new();
    let mut ours: Vec<_> = variables
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| (name.to_string_lossy(), value))
        .filter(|(name, _)| name.starts_with(PREFIX) && !RESERVED.contains(&name.as_ref()))
        .collect();
    ours.sort();
    for (name, value) in ours {
        let origin = Origin::Variable(legible(&name));
        let Some(rule) = RULES.iter().find(|rule| rule.variable() == name) else {
            let key = name[PREFIX.len()..].to_lowercase().replace("__", ".");
            if key
                .split_once('.')
                .is_some_and(|(section, _)| is_section(section))
            {
                diagnostics.push(Diagnostic {
                    origin,
                    key: legible(&key),
                    found: UNKNOWN_KEY.to_owned(),
                    allowed: names_near(&key),
                    hint: hint(&key, Rule::variable),
                });
            } else {
                ignored.push(ignored_variable(&name, &key));
            }
            continue;
        };
        let result = match value.to_str() {
            Some(text) => layer.set_text(rule, text, origin),
            None => Err(Diagnostic {
                origin,
                key: rule.key.to_owned(),
                found: "bytes that are not UTF-8".to_owned(),
                allowed: rule.constraint.to_string(),
                hint: Box::default(),
            }),
        };
        diagnostics.extend(result.err());
    }
    (layer, ignored)
}

/// An ignored variable as named in a message; `key` is the key that it would set if it were a setting.
fn ignored_variable(name: &str, key: &str) -> String {
    let similar = suggest(key, RULES.iter().map(|rule| rule.key)).and_then(Rule::of);
    match similar {
        Some(rule) => format!("{} (did you mean {}?)", legible(name), rule.variable()),
        None => legible(name),
    }
}

/// The interval within which systemd expects a keep-alive from this process, if any: `WATCHDOG_USEC`, unless
/// `WATCHDOG_PID` names another process (sd_watchdog_enabled(3)).
pub fn watchdog(variables: &Variables) -> Option<Duration> {
    let number = |name: &str| -> Option<u64> {
        let (_, value) = variables.iter().find(|(variable, _)| variable == name)?;
        value.to_str()?.parse().ok()
    };
    let is_other = number("WATCHDOG_PID").is_some_and(|pid| pid != u64::from(std::process::id()));
    number("WATCHDOG_USEC")
        .filter(|micros| *micros > 0 && !is_other)
        .map(Duration::from_micros)
}

//! Credentials in the arguments of a program.

use std::{ops::Range, path::Path};

use super::{
    fields::Open,
    secrets::{replaced, secrets},
    urls,
};

/// The arguments of a program, each without credentials, also where an argument names what the next one
/// holds.
#[must_use]
pub fn redacted_arguments(arguments: &[String]) -> Vec<String> {
    arguments
        .iter()
        .zip(argument_secrets(arguments))
        .map(|(argument, spans)| replaced(argument, 0, &spans))
        .collect()
}

/// The secrets in each of these arguments of a program, as [`secrets`].
pub(super) fn argument_secrets(arguments: &[String]) -> impl Iterator<Item = Vec<Range<usize>>> {
    let mut next = Open::Nothing;
    let mut previous = "";
    arguments.iter().enumerate().map(move |(index, argument)| {
        let length = argument.len();
        if let Some(from) = urls::joined_option(argument, std::mem::replace(&mut previous, argument)) {
            let value = from..length;
            return vec![value];
        }
        let is_secret = match next {
            Open::Nothing => is_password_after_user(&arguments[..index], argument),
            Open::Value | Open::Rest => true,
            Open::Login => argument.contains(':'),
            Open::Password => !urls::is_port(argument) || is_run_by(&arguments[..index], "sshpass"),
        };
        if is_secret && !argument.is_empty() {
            if next != Open::Rest {
                next = Open::Nothing;
            }
            let value = 0..length;
            return vec![value];
        }
        // In `password=my hunter2`, the value ends with the argument.
        if let Some((name, _)) = argument.split_once(['=', ':'])
            && !name.contains(char::is_whitespace)
        {
            let separated = &argument[..=name.len()];
            let open = secrets(separated, false, &[]).1;
            if open == Open::Value || (open == Open::Rest && separated.ends_with('=')) {
                next = Open::Nothing;
                let value = separated.len()..length;
                return vec![value];
            }
        }
        let (spans, open) = secrets(argument, false, &[]);
        next = open;
        spans
    })
}

/// Whether `argument` is the password in live555's `openRTSP -u user password`.
pub(super) fn is_password_after_user(before: &[String], argument: &str) -> bool {
    matches!(before, [.., option, _] if option == "-u")
        && is_run_by(before, "openRTSP")
        && !argument.contains("://")
}

/// Whether one of these arguments is this program: others may run it, such as nice(1).
pub(super) fn is_run_by(arguments: &[String], program: &str) -> bool {
    let mut names = arguments
        .iter()
        .filter_map(|argument| Path::new(argument).file_name());
    names.any(|name| name.eq_ignore_ascii_case(program))
}

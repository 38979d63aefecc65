//! Credentials that a program was given: its messages may repeat them in any words.

use std::path::Path;

use super::{
    arguments::argument_secrets,
    names::{self, Kind},
    repeats::MIN_LENGTH,
    view,
    words::is_quote,
};

/// The credentials in the command and the environment of a program.
#[derive(Default)]
pub struct KnownSecrets {
    /// In plain text and percent-encoded, the longest first.
    values: Vec<String>,
}

impl KnownSecrets {
    /// The credentials in `command`, a program and its arguments, and in the variables of its environment,
    /// each written `NAME=value`.
    #[must_use]
    pub fn new(command: &[String], environment: impl IntoIterator<Item = String>) -> Self {
        let mut known = Self::default();
        known.add_all(command);
        for variable in environment {
            known.add_all(&[variable]);
        }
        known
            .values
            .sort_unstable_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        known.values.dedup();
        known
    }

    fn add_all(&mut self, arguments: &[String]) {
        for (argument, spans) in arguments.iter().zip(argument_secrets(arguments)) {
            for span in spans {
                self.add(&argument[span]);
            }
        }
    }

    /// Adds a value, and the password in it if it may consist of user name and password, or of an
    /// authentication scheme and a token.
    fn add(&mut self, value: &str) {
        let value = value.trim_matches(|c: char| is_quote(c) || c.is_whitespace());
        // PWD=/root, and the names of files that hold passwords, which a person must see.
        let path = Path::new(value);
        if path.is_absolute() && path.exists() {
            return;
        }
        let after_user = value.split_once(':').map(|(_, password)| password);
        let after_scheme = value
            .split_once(' ')
            .filter(|(scheme, _)| names::kind(scheme, "") == Some(Kind::Scheme))
            .map(|(_, token)| token);
        for value in [Some(value), after_user, after_scheme].into_iter().flatten() {
            let decoded = view::decoded(value);
            let values = [Some(value.to_owned()), decoded].into_iter().flatten();
            self.values
                .extend(values.filter(|value| value.chars().count() >= MIN_LENGTH));
        }
    }

    /// The credentials, the longest first.
    pub(super) fn values(&self) -> &[String] {
        &self.values
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::redacted_line;

    fn known(command: &[&str], environment: &[&str]) -> KnownSecrets {
        let command: Vec<String> = command.iter().map(|&argument| argument.to_owned()).collect();
        KnownSecrets::new(&command, environment.iter().map(|&variable| variable.to_owned()))
    }

    #[track_caller]
    fn assert_shown(known: &KnownSecrets, cases: &[(&str, &str)]) {
        for (line, shown) in cases {
            assert_eq!(&redacted_line("", line, false, known), shown, "{line}");
        }
    }

    #[test]
    fn a_password_of_the_command_is_hidden_in_any_words() {
        let known = known(&["cam", "--password", "hunter2", "--user", "admin"], &[]);
        assert_shown(
            &known,
            &[
                ("not accepted by cam: hunter2", "not accepted by cam: ***"),
                (
                    "Applying option password with argument hunter2",
                    "Applying option password with argument ***",
                ),
                (
                    "error: invalid value 'hunter2' for '--password <PASSWORD>'",
                    "error: invalid value '***' for '--password ***",
                ),
                ("xhunter2x", "x***x"),
                ("401 for admin", "401 for admin"),
            ],
        );
    }

    #[test]
    fn passwords_in_urls_headers_and_properties_are_known() {
        let in_url = known(&["ffmpeg", "-i", "rtsp://admin:p%40ssw0rd@cam/1"], &[]);
        assert_shown(
            &in_url,
            &[
                ("tried p%40ssw0rd", "tried ***"),
                ("tried p@ssw0rd", "tried ***"),
                ("tried admin", "tried admin"),
            ],
        );
        let in_header = known(&["curl", "-H", "Authorization: Bearer abc.def"], &[]);
        assert_shown(&in_header, &[("rejected: abc.def", "rejected: ***")]);
        let property = known(&["gst-launch-1.0", "rtspsrc", "user-pw=two words"], &[]);
        assert_shown(
            &property,
            &[(
                r#"could not set property "user-pw" in element "rtspsrc0" to "two words""#,
                r#"could not set property "user-pw" in element "rtspsrc0" to "***""#,
            )],
        );
        let positional = known(
            &["/usr/bin/openRTSP", "-u", "admin", "hunter2", "rtsp://cam/1"],
            &[],
        );
        assert_shown(
            &positional,
            &[(
                "Failed with admin hunter2 at rtsp://cam/1",
                "Failed with admin *** at rtsp://cam/1",
            )],
        );
    }

    #[test]
    fn variables_with_the_names_of_secrets_are_known() {
        let known = known(
            &["cam.sh"],
            &["CAM_PASSWORD=hunter2", "CAM=rtsp://a:12345@cam", "PWD=/usr/lib"],
        );
        assert_shown(&known, &[("hunter2 12345 /usr/lib/x", "*** *** /usr/lib/x")]);
    }

    #[test]
    fn short_values_are_hidden_as_words_only() {
        let known = known(&["cam", "--password", "cam1", "--token", "25"], &[]);
        assert_shown(&known, &[("cam1 and cam10 at 25 fps", "*** and cam10 at 25 fps")]);
    }

    #[test]
    fn a_value_that_the_limit_cuts_is_hidden() {
        let known = known(&["cam", "--password", "hunter2"], &[]);
        assert_eq!(redacted_line("", "wrong: hunt", true, &known), "wrong: ***");
        assert_eq!(redacted_line("", "wrong: hu", true, &known), "wrong: hu");
    }
}

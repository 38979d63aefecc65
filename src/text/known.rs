//! Credentials that a program was given: its messages may repeat them in any words.

use std::ops::Range;

use percent_encoding::percent_decode_str;

use super::{
    arguments::{argument_secrets, is_password_after_user, is_run_by},
    names::{self, Kind},
    repeats::MIN_LENGTH,
    secrets::secrets,
    words::is_quote,
};

/// Fewest digits of a number that is hidden: shorter ones are sizes, rates and ports.
const MIN_DIGITS: usize = 5;

/// Fewest bytes of a line of a secret of several lines.
const MIN_LINE: usize = 8;

/// Values of settings whose names suggest a secret, in lower case.
const ORDINARY_VALUES: &str =
    "any auto basic default digest disabled enabled false no none null off on prompt stdin true yes";

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
        for (index, (argument, spans)) in arguments.iter().zip(argument_secrets(arguments)).enumerate() {
            let before = &arguments[..index];
            let announced = spans
                .into_iter()
                .filter(|span| *span != (0..argument.len()) || is_announced(before, argument));
            // The argument may be a script, in which a value ends with the word.
            for span in announced.chain(secrets(argument, false, &[]).0) {
                self.add_span(argument, span);
            }
        }
    }

    fn add_span(&mut self, text: &str, span: Range<usize>) {
        let (before, value, after) = (&text[..span.start], &text[span.clone()], &text[span.end..]);
        let option = before.trim_end();
        let is_directory_or_port = option.ends_with("-p") || option.ends_with("-P");
        if is_directory_or_port && !before.contains("sshpass") {
            return;
        }
        match value.split_once(':') {
            // rtsp://user:password@camera/
            Some((_, password)) if after.starts_with('@') => self.add(password),
            None if after.starts_with('@') && before.ends_with("://") => {}
            _ => self.add(value),
        }
    }

    /// Adds a value, its beginning if more than the secret follows, and the secret in it if it consists of user
    /// name and password, of an authentication scheme and a token, or of lines.
    fn add(&mut self, value: &str) {
        let value = untyped(value);
        let start = value.split(is_end).next().unwrap_or_default();
        let start = start.split("\\r").next().unwrap_or_default();
        let lines = value
            .lines()
            .filter(|line| line.len() >= MIN_LINE && !line.starts_with("-----"));
        for value in [value, start].into_iter().chain(lines) {
            let after_user = value.split_once(':').map(|(_, password)| password);
            let after_scheme = value
                .split_once(' ')
                .filter(|(scheme, _)| names::kind(scheme, "") == Some(Kind::Scheme))
                .map(|(_, token)| token);
            for value in [Some(value), after_user, after_scheme].into_iter().flatten() {
                let value = value.trim_matches(|c: char| is_quote(c) || c.is_whitespace());
                let decoded = percent_decode_str(value).decode_utf8();
                let values = [Some(value), decoded.as_deref().ok()].into_iter().flatten();
                self.values
                    .extend(values.filter(|value| is_secret(value)).map(str::to_owned));
            }
        }
    }

    /// The credentials, the longest first.
    pub(super) fn values(&self) -> &[String] {
        &self.values
    }
}

/// Whether an argument that is a secret as a whole follows the name of one. After a file or an ordinary word,
/// such as `basic`, it is more likely something else.
fn is_announced(before: &[String], argument: &str) -> bool {
    let Some(previous) = before.last() else {
        return false;
    };
    match previous.as_str() {
        "-p" | "-P" => is_run_by(before, "sshpass"),
        name => {
            name.starts_with('-') || name.ends_with([':', '=']) || is_password_after_user(before, argument)
        }
    }
}

/// The value in GStreamer's `(string)value`.
fn untyped(value: &str) -> &str {
    let rest = value.strip_prefix('(').and_then(|rest| rest.split_once(')'));
    rest.map_or(value, |(_, value)| value)
}

/// Whether a secret in a URL, a list or a shell script may end before this character.
fn is_end(c: char) -> bool {
    matches!(c, '&' | ',' | ';' | '|' | '<' | '>' | ')' | '\r' | '\n')
}

/// Whether a value may be hidden wherever it occurs: it is neither short, nor an ordinary word or number, nor an
/// option, nor a path, which a person must see.
fn is_secret(value: &str) -> bool {
    let is_option = value
        .strip_prefix('-')
        .is_some_and(|name| name.starts_with(|c: char| c.is_alphabetic() || c == '-'));
    let is_number = value.chars().all(|c| c.is_ascii_digit() || ":,.x*+-".contains(c));
    let is_long_number = value.len() >= MIN_DIGITS && value.bytes().all(|byte| byte.is_ascii_digit());
    let is_ordinary = ORDINARY_VALUES
        .split(' ')
        .any(|word| value.eq_ignore_ascii_case(word));
    value.chars().count() >= MIN_LENGTH
        && !value.starts_with('/')
        && !is_option
        && !is_ordinary
        && (!is_number || is_long_number)
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
            &[
                "CAM_PASSWORD=hunter2",
                "CAM=rtsp://a:12345@cam",
                "PWD=/usr/lib",
                "XDG_SESSION_ID=123",
                "X_AUTH=true",
            ],
        );
        assert_shown(
            &known,
            &[("hunter2 12345 /usr/lib/x 123 true", "*** *** /usr/lib/x 123 true")],
        );
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

    #[test]
    fn a_secret_ends_where_the_list_or_the_script_goes_on() {
        for command in [
            &["sh", "-c", "CAM_PASSWORD=hunter2 exec cam"][..],
            &["sh", "-c", "cam --password hunter2; sleep 1"],
            &["sh", "-c", "curl -u admin:hunter2; true"],
            &["ffmpeg", "-i", "http://cam/cgi?user=admin&pwd=hunter2&res=640"],
            &[
                "ffmpeg",
                "-i",
                "rtsp://192.0.2.7:554/user=admin&password=hunter2&stream=0.sdp",
            ],
            &["cam", "user=admin,password=hunter2,x=y"],
            &["gst-launch-1.0", "rtspsrc", "user-pw=(string)hunter2"],
            &["ffmpeg", "-headers", r"Authorization: Basic hunter2\r\nX: y"],
            &["nice", "openRTSP", "-u", "admin", "hunter2", "rtsp://cam/1"],
        ] {
            let known = known(command, &[]);
            assert_shown(&known, &[("rejected: hunter2", "rejected: ***")]);
        }
        let known = known(
            &["cam"],
            &["CAM_KEY=-----BEGIN KEY-----\nMIIEabcdefgh1\n-----END KEY-----"],
        );
        assert_shown(&known, &[("loaded MIIEabcdefgh1", "loaded ***")]);
    }

    #[test]
    fn values_beyond_ascii_are_known_in_both_forms_and_cut() {
        let in_url = known(&["ffmpeg", "-i", "rtsp://admin:caf%C3%A9x1@cam/1"], &[]);
        assert_shown(&in_url, &[("rejected: café\u{78}1", "rejected: ***")]);
        let option = known(&["cam", "--password", "пароль12345"], &[]);
        assert_eq!(
            redacted_line("", "wrong: парол\u{fffd}", true, &option),
            "wrong: ***\u{fffd}"
        );
        let number = known(&["sshpass", "-p", "12345", "ssh", "cam"], &[]);
        assert_shown(&number, &[("rejected: 12345", "rejected: ***")]);
    }

    #[test]
    fn ordinary_arguments_are_not_secrets() {
        for (command, line) in [
            (
                &["cam", "--no-auth", "--codec", "mjpeg"][..],
                "unrecognised option --codec",
            ),
            (
                &["cam", "--password-file", "/nonexistent/pw"],
                "/nonexistent/pw: No such file",
            ),
            (
                &["sshpass", "-f", "/etc/cam/password", "ssh", "cam"],
                "ssh: connect to host cam",
            ),
            (&["cam", "--auth", "digest"], "digest authentication failed"),
            (&["cam", "--user", "1000:1000"], "uid 1000"),
            (&["ffmpeg", "-i", "rtsp://camera@cam1/1"], "no camera found"),
            (&["rpicam-vid", "-p", "0,0,640,480"], "preview 0,0,640,480"),
            (&["fswebcam", "-p", "YUYV"], "no YUYV here"),
            (&["sh", "-c", "mkdir -p cam && cam"], "cam: cannot open"),
            (
                &["curl", "--cookies=", "http://cam", "--verbose"],
                "http://cam --verbose",
            ),
        ] {
            assert_shown(&known(command, &[]), &[(line, line)]);
        }
    }
}

//! A log message, and its format on a terminal, in a file and in a journal's stream.

use std::fmt::{self, Write as _};

use jiff::{Timestamp, Unit};
use tracing::{
    Event, Level,
    field::{Field, Visit},
};

use super::{escape::escape, stderr::StderrKind};

/// A log message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) level: Level,
    /// Message and fields, `message field=value`, without control characters.
    pub(super) text: String,
    /// File and line of the statement in the source code.
    pub(super) source: Option<(&'static str, u32)>,
    /// Names and values of the fields.
    pub(super) fields: Vec<(&'static str, String)>,
}

impl Entry {
    /// The message of a `tracing` event.
    pub(super) fn new(event: &Event<'_>) -> Self {
        let mut text = Text::default();
        event.record(&mut text);
        let mut fields = Fields::default();
        event.record(&mut fields);
        let metadata = event.metadata();
        Self {
            level: *metadata.level(),
            text: escape(&text.0).into_owned(),
            source: metadata.file().zip(metadata.line()),
            fields: fields.0,
        }
    }

    /// A message from the log about itself.
    pub(super) fn internal(level: Level, text: String) -> Self {
        Self {
            level,
            text,
            source: None,
            fields: Vec::new(),
        }
    }

    /// States that this message represents `count` messages of its kind, of which it is the newest.
    pub(super) fn repeated(mut self, count: u64) -> Self {
        if count > 1 {
            // Writing to a String cannot fail.
            let _ = write!(self.text, " [{count} messages of this kind; this is the last]");
        }
        self.fields.push(("repeated", count.to_string()));
        self
    }

    /// One line for standard error: `TIME LEVEL text`, or `<N>text` for the journal.
    pub(super) fn line(&self, kind: StderrKind, colours: bool) -> String {
        let Self { level, text, .. } = self;
        if kind == StderrKind::Journal {
            return format!("<{}>{text}\n", priority(*level));
        }
        let now = Timestamp::now();
        let now = now.round(Unit::Second).unwrap_or(now);
        if !colours {
            return format!("{now} {level:>5} {text}\n");
        }
        // ECMA-48: red, yellow, green, blue.
        let colour = match *level {
            Level::ERROR => 31,
            Level::WARN => 33,
            Level::INFO => 32,
            Level::DEBUG | Level::TRACE => 34,
        };
        format!("{now} \x1b[{colour}m{level:>5}\x1b[0m {text}\n")
    }
}

/// The journal's number for a level, sd-daemon(3).
pub(super) fn priority(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        Level::DEBUG | Level::TRACE => 7,
    }
}

/// Collects the message of an event and its fields, `message field=value`. Texts are in quotation marks.
/// Backslashes are not doubled: what was escaped before stays legible.
#[derive(Default)]
struct Text(String);

impl Text {
    fn push(&mut self, field: &Field, value: fmt::Arguments<'_>) {
        if !self.0.is_empty() {
            self.0.push(' ');
        }
        // Writing to a String cannot fail.
        let _ = match field.name() {
            "message" => self.0.write_fmt(value),
            name => write!(self.0, "{name}={value}"),
        };
    }
}

impl Visit for Text {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.push(field, format_args!("{value}"));
        } else {
            self.push(field, format_args!("\"{}\"", value.replace('"', "\\\"")));
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.push(field, format_args!("{value:?}"));
    }
}

/// Collects the fields of an event except the message.
#[derive(Default)]
struct Fields(Vec<(&'static str, String)>);

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() != "message" {
            self.0.push((field.name(), value.to_owned()));
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() != "message" {
            self.0.push((field.name(), format!("{value:?}")));
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn entry(text: &str) -> Entry {
        Entry::internal(Level::WARN, text.to_owned())
    }

    #[test]
    fn a_file_gets_time_and_level_and_the_journal_its_prefix() {
        let line = entry("lost").line(StderrKind::Other, false);
        let (time, rest) = line.split_once(' ').unwrap();
        assert!(time.parse::<Timestamp>().is_ok(), "{time}");
        assert_eq!(rest, " WARN lost\n");
        assert_eq!(entry("lost").line(StderrKind::Journal, false), "<4>lost\n");
        let coloured = entry("lost").line(StderrKind::Terminal, true);
        assert!(coloured.ends_with(" \x1b[33m WARN\x1b[0m lost\n"), "{coloured:?}");
    }

    #[test]
    fn a_repeated_message_shows_its_count() {
        assert_eq!(entry("lost").repeated(1).text, "lost");
        assert_eq!(
            entry("lost").repeated(46).text,
            "lost [46 messages of this kind; this is the last]"
        );
    }
}

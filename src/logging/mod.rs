//! Logging, in the format of its destination: the systemd journal, a terminal, or a file.

mod journal;
mod output;
mod progress;

use std::{
    env, fmt,
    fs::File,
    io::{self, IsTerminal as _},
    os::{fd::AsFd as _, unix::fs::MetadataExt as _},
};

use anyhow::anyhow;
use clap::ValueEnum;
use jiff::{Timestamp, Unit};
use tracing::{Event, Level, Subscriber, level_filters::LevelFilter};
use tracing_subscriber::{
    filter::Targets,
    fmt::{FmtContext, FormatEvent, FormatFields, format::Writer},
    layer::SubscriberExt as _,
    registry::LookupSpan,
    util::SubscriberInitExt as _,
};

pub use output::Output;
pub use progress::progress;

use journal::Journal;

use crate::error::{Exit, Failure};

/// The environment variable that sets the level if no option does.
const VARIABLE: &str = "AFFECTD_LOG";

/// The least severe level that is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogLevel {
    /// Failures that end the process.
    Error,
    /// Also problems.
    Warn,
    /// Also changes of state.
    Info,
    /// Also decisions.
    Debug,
    /// Everything, including the libraries.
    Trace,
}

impl LogLevel {
    /// Filters for the program's own code and for libraries.
    fn filters(self) -> (LevelFilter, LevelFilter) {
        match self {
            Self::Error => (LevelFilter::ERROR, LevelFilter::ERROR),
            Self::Warn => (LevelFilter::WARN, LevelFilter::WARN),
            Self::Info => (LevelFilter::INFO, LevelFilter::WARN),
            Self::Debug => (LevelFilter::DEBUG, LevelFilter::INFO),
            Self::Trace => (LevelFilter::TRACE, LevelFilter::DEBUG),
        }
    }
}

/// What standard error is connected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Destination {
    /// The systemd journal, which adds the time and reads the level from a prefix.
    Journal,
    /// A terminal.
    Terminal,
    /// A file or another program.
    Other,
}

impl Destination {
    /// Determined as in systemd.exec(5): `JOURNAL_STREAM` holds device and inode of the journal's socket. They must be
    /// compared, because programs whose standard error was redirected inherit the variable too.
    pub fn of_stderr() -> Self {
        if io::stderr().is_terminal() {
            return Self::Terminal;
        }
        let stderr = || {
            File::from(io::stderr().as_fd().try_clone_to_owned().ok()?)
                .metadata()
                .ok()
        };
        match env::var("JOURNAL_STREAM").ok().zip(stderr()) {
            Some((stream, stderr)) if stream == format!("{}:{}", stderr.dev(), stderr.ino()) => Self::Journal,
            _ => Self::Other,
        }
    }
}

/// The journal's number for a level, sd-daemon(3).
pub fn priority(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        Level::DEBUG | Level::TRACE => 7,
    }
}

/// Starts logging, for the rest of the process.
///
/// # Errors
/// [`Exit::Config`] if the environment variable names an unknown level.
pub fn start(option: Option<LogLevel>) -> Result<(), Failure> {
    let level = match (option, env::var_os(VARIABLE)) {
        (Some(level), _) => level,
        // As for settings, an empty variable counts as not set.
        (None, Some(value)) if !value.is_empty() => parse(&value.to_string_lossy())?,
        (None, _) => LogLevel::Info,
    };
    let destination = Destination::of_stderr();
    let colours =
        destination == Destination::Terminal && env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
    let journal = match destination {
        Destination::Journal => Journal::connect().ok(),
        Destination::Terminal | Destination::Other => None,
    };
    // In a container, standard error may lead to a journal whose socket is not reachable.
    let lines = journal.is_none().then(|| {
        tracing_subscriber::fmt::layer()
            .with_ansi(colours)
            // By default, tracing-subscriber reports write errors with `eprintln!`, which panics.
            .log_internal_errors(false)
            .with_writer(io::stderr)
            .event_format(Line { destination })
    });
    tracing_subscriber::registry()
        .with(journal)
        .with(lines)
        .with(targets(level))
        .try_init()
        .map_err(|error| Failure::new(Exit::Software, error))
}

fn parse(text: &str) -> Result<LogLevel, Failure> {
    LogLevel::from_str(text, true).map_err(|_| {
        let error = anyhow!(
            "environment {VARIABLE}: found {text:?}; allowed: one of error, warn, info, debug, trace"
        );
        Failure::new(Exit::Config, error)
    })
}

fn targets(level: LogLevel) -> Targets {
    let (own, libraries) = level.filters();
    Targets::new()
        .with_default(libraries)
        .with_target(env!("CARGO_CRATE_NAME"), own)
        // It warns about every operator set newer than it knows; the golden vectors are the better check.
        .with_target("tract_onnx", tracing::level_filters::LevelFilter::ERROR)
}

/// Formats an event as one line: `TIME LEVEL message field=value`, or `<N>message field=value` for the journal.
struct Line {
    destination: Destination,
}

impl<S, N> FormatEvent<S, N> for Line
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let level = *event.metadata().level();
        match self.destination {
            Destination::Journal => write!(writer, "<{}>", priority(level))?,
            Destination::Terminal | Destination::Other => {
                let now = Timestamp::now();
                write!(writer, "{} ", now.round(Unit::Second).unwrap_or(now))?;
                // ECMA-48: red, yellow, green, blue.
                let colour = match level {
                    Level::ERROR => 31,
                    Level::WARN => 33,
                    Level::INFO => 32,
                    Level::DEBUG | Level::TRACE => 34,
                };
                if writer.has_ansi_escapes() {
                    write!(writer, "\x1b[{colour}m{level:>5}\x1b[0m ")?;
                } else {
                    write!(writer, "{level:>5} ")?;
                }
            }
        }
        context.format_fields(writer.by_ref(), event)?;
        writeln!(writer)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::{Arc, Mutex};

    use super::*;

    /// What is logged for `destination` at `level`.
    fn logged(destination: Destination, level: LogLevel, log: impl FnOnce()) -> String {
        let text = Arc::new(Mutex::new(Vec::new()));
        let writer = text.clone();
        let layer = tracing_subscriber::fmt::layer()
            .with_ansi(false)
            .with_writer(move || Shared(writer.clone()))
            .event_format(Line { destination });
        let subscriber = tracing_subscriber::registry().with(layer).with(targets(level));
        tracing::subscriber::with_default(subscriber, log);
        let text = text.lock().unwrap().clone();
        String::from_utf8(text).unwrap()
    }

    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn the_journal_gets_levels_and_no_times() {
        let text = logged(Destination::Journal, LogLevel::Debug, || {
            tracing::error!("one");
            tracing::warn!(camera = "/dev/video0", "two");
            tracing::info!("three");
            tracing::debug!("four");
            tracing::trace!("five");
        });
        assert_eq!(text, "<3>one\n<4>two camera=\"/dev/video0\"\n<6>three\n<7>four\n");
    }

    #[test]
    fn a_file_gets_times_and_levels() {
        let text = logged(Destination::Other, LogLevel::Info, || {
            tracing::warn!("lost");
            tracing::debug!("hidden");
        });
        let (time, rest) = text.split_once(' ').unwrap();
        assert!(time.parse::<Timestamp>().is_ok(), "{time}");
        assert_eq!(rest, " WARN lost\n");
    }

    #[test]
    fn libraries_are_quieter() {
        let text = logged(Destination::Journal, LogLevel::Info, || {
            tracing::info!(target: "rumqttc", "hidden");
            tracing::warn!(target: "rumqttc", "shown");
        });
        assert_eq!(text, "<4>shown\n");
    }

    #[test]
    fn levels_are_words() {
        assert_eq!(parse("Debug").unwrap(), LogLevel::Debug);
        let failure = parse("loud").unwrap_err();
        assert_eq!(failure.exit, Exit::Config);
        assert!(
            failure.to_string().contains("AFFECTD_LOG: found \"loud\""),
            "{failure}"
        );
    }
}

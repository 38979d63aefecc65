//! Logging, in the format of its destination: the systemd journal, a terminal, or a file.
//!
//! A log without a reader never blocks the program: messages wait in a bounded queue for a thread that writes
//! them. If the queue is full, messages are dropped and counted.

mod entry;
mod escape;
mod journal;
mod layer;
mod limit;
mod output;
mod progress;
mod queue;
mod stderr;
mod writer;

use std::{
    env,
    io::{self, Write as _},
    panic,
    sync::{Arc, OnceLock},
    time::Duration,
};

use anyhow::anyhow;
use clap::ValueEnum;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::{
    filter::Targets, layer::SubscriberExt as _, registry::Registry, util::SubscriberInitExt as _,
};

pub use output::Output;
pub use progress::progress;

use crate::error::{Exit, Failure};
use escape::escape;
use layer::{Log, LogLayer};
use writer::{Record, Writer};

/// The environment variable that sets the level if no option does.
const VARIABLE: &str = "AFFECTD_LOG";

/// How long the end of the process may wait for the log.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

/// The log of this process.
static LOG: OnceLock<Arc<Log>> = OnceLock::new();

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

/// How much a process may log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Volume {
    /// A few lines per minute for each kind of message, for a process that runs for years.
    Limited,
    /// Everything, for a command that ends.
    Unlimited,
}

/// Starts logging, for the rest of the process.
///
/// # Errors
/// [`Exit::Config`] if the environment variable names an unknown level, [`Exit::Software`] if no thread can
/// be started.
pub fn start(option: Option<LogLevel>, volume: Volume) -> Result<(), Failure> {
    let level = match (option, env::var_os(VARIABLE)) {
        (Some(level), _) => level,
        // As for settings, an empty variable counts as not set.
        (None, Some(value)) if !value.is_empty() => parse(&value.to_string_lossy())?,
        (None, _) => LogLevel::Info,
    };
    let software = |error: anyhow::Error| Failure::new(Exit::Software, error);
    let writer = Writer::for_stderr().map_err(|error| software(error.into()))?;
    let log = Log::start(writer, volume).map_err(|error| software(error.into()))?;
    subscriber(log.clone(), level)
        .try_init()
        .map_err(|error| software(error.into()))?;
    // Only this function sets it, and a second subscriber is refused above.
    let _ = LOG.set(log);
    // The standard hook writes to standard error, which may block and then hold up all other threads.
    panic::set_hook(Box::new(|info| {
        tracing::error!("{info}");
        flush();
    }));
    Ok(())
}

fn subscriber(log: Arc<Log>, level: LogLevel) -> impl Into<tracing::Dispatch> {
    Registry::default().with(LogLayer(log)).with(targets(level))
}

/// Waits until everything is written, but at most one second: the log may have no reader.
pub fn flush() {
    if let Some(log) = LOG.get() {
        log.flush(FLUSH_TIMEOUT);
    }
}

/// Writes the reason why the process ends to standard error, after everything that was logged.
pub fn report(failure: &Failure) {
    for line in format!("affectd: {failure}").lines() {
        let line = escape(line).into_owned();
        match LOG.get() {
            Some(log) => log.push(Record::Failure(line)),
            // There is nowhere else to report that standard error cannot be written.
            None => drop(writeln!(io::stderr(), "{line}")),
        }
    }
    flush();
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
        // It warns about every operator set newer than those it knows; the golden vectors are the better
        // check.
        .with_target("tract_onnx", LevelFilter::ERROR)
        // It warns about every message that the broker does not accept; the publisher does so once per topic.
        .with_target("rumqttc", LevelFilter::ERROR)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::{fs::File, io::Read as _, thread};

    use super::{stderr::StderrKind, *};

    /// Everything that `log` writes to a journal's stream at `level`.
    fn logged(level: LogLevel, volume: Volume, log: impl FnOnce()) -> String {
        let (mut reader, writer) = io::pipe().unwrap();
        let reader = thread::spawn(move || {
            let mut text = String::new();
            reader.read_to_string(&mut text).unwrap();
            text
        });
        let file = File::from(std::os::fd::OwnedFd::from(writer));
        let writer = Writer::new(file, StderrKind::Journal, false, None);
        let shared = Log::start(writer, volume).unwrap();
        tracing::dispatcher::with_default(&subscriber(shared.clone(), level).into(), log);
        shared.flush(Duration::from_secs(60));
        shared.stop();
        reader.join().unwrap()
    }

    #[test]
    fn the_journal_gets_levels_and_no_times() {
        let text = logged(LogLevel::Debug, Volume::Unlimited, || {
            tracing::error!("one");
            tracing::warn!(camera = "/dev/video0", "two");
            tracing::info!("three");
            tracing::debug!("four");
            tracing::trace!("five");
        });
        assert_eq!(text, "<3>one\n<4>two camera=\"/dev/video0\"\n<6>three\n<7>four\n");
    }

    #[test]
    fn libraries_are_quieter() {
        let text = logged(LogLevel::Info, Volume::Unlimited, || {
            tracing::info!(target: "hyper", "hidden");
            tracing::warn!(target: "hyper", "shown");
            tracing::warn!(target: "rumqttc", "hidden");
        });
        assert_eq!(text, "<4>shown\n");
    }

    #[test]
    fn control_characters_are_escaped_in_messages_and_fields() {
        let text = logged(LogLevel::Info, Volume::Unlimited, || {
            let name = "HD\x1b[2J\nCam";
            tracing::info!(name, other = %name, "{name}");
        });
        assert_eq!(text.lines().count(), 1, "{text:?}");
        assert!(text.trim_end().chars().all(|c| !c.is_control()), "{text:?}");
        let text = logged(LogLevel::Info, Volume::Unlimited, || {
            tracing::info!(reason = "a \"b\" \\u{2028}", count = 2, "unusable");
        });
        assert_eq!(text, "<6>unusable reason=\"a \\\"b\\\" \\u{2028}\" count=2\n");
    }

    #[test]
    fn a_flood_is_counted_and_debug_messages_are_not_limited() {
        let text = logged(LogLevel::Debug, Volume::Limited, || {
            for number in 0..200 {
                tracing::warn!(number, "flood");
            }
            for _ in 0..5 {
                tracing::debug!("detail");
            }
        });
        assert_eq!(
            text,
            "<4>flood number=0\n<4>flood number=1\n<4>flood number=2\n\
             <7>detail\n<7>detail\n<7>detail\n<7>detail\n<7>detail\n\
             <4>flood number=199 [197 messages of this kind; this is the last]\n"
        );
    }

    #[test]
    fn levels_are_parsed_without_regard_to_case() {
        assert_eq!(parse("Debug").unwrap(), LogLevel::Debug);
        let failure = parse("loud").unwrap_err();
        assert_eq!(failure.exit, Exit::Config);
        assert!(
            failure.to_string().contains("AFFECTD_LOG: found \"loud\""),
            "{failure}"
        );
    }
}

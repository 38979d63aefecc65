//! The command line: the options shared by all subcommands, and one module for each subcommand.

pub mod aim;
pub mod analyze;
pub mod bench;
pub mod check;
pub mod demo;
mod exit;
pub mod forget;
mod in_use;
pub mod latency;
pub mod model;
pub mod probe;
pub mod run;
pub mod top;

use std::{
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
};

use clap::{Args, Parser, Subcommand};
use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

use crate::{
    config::{self, Loaded, Override, Settings, Sources},
    error::{Exit, Failure},
    logging::{self, LogLevel, Output, Volume},
    model::{Manifest, Registry},
    sense::{Sensor, engine},
    shutdown::Shutdown,
    text,
};

/// The longest line of a usage error, in characters.
const MAX_ERROR_LINE: usize = 1000;

/// The command line of `affectd`.
#[derive(Debug, Parser)]
#[command(
    name = "affectd",
    version,
    about = "Facial expression, valence and arousal from a camera, published over MQTT",
    long_about = ABOUT,
    after_long_help = MANUAL,
    subcommand_required = true,
    arg_required_else_help = true,
    max_term_width = 100
)]
pub struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// Options of every subcommand.
#[derive(Debug, Args)]
#[command(next_help_heading = "Options of every command")]
pub struct Global {
    /// Configuration file [default: /etc/affectd/affectd.toml, if it exists]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Overrides one setting; can be repeated
    ///
    /// Takes precedence over the file and the environment. Strings are written without quotes, lists as in
    /// TOML: --set 'camera.command=["rpicam-vid", "-n"]'.
    #[arg(long, global = true, value_name = "KEY=VALUE", value_parser = key_and_value)]
    set: Vec<(String, String)>,

    /// Least severe messages to log [default: AFFECTD_LOG, or info]
    #[arg(long, global = true, value_name = "LEVEL")]
    log_level: Option<LogLevel>,
}

/// To add a subcommand: its module above, its variant here, its call in [`Cli::dispatch`].
#[derive(Debug, Subcommand)]
enum Command {
    Run(run::Arguments),
    Check(check::Arguments),
    Probe(probe::Arguments),
    Analyze(analyze::Arguments),
    Bench(bench::Arguments),
    Latency(latency::Arguments),
    Forget(forget::Arguments),
    Top(top::Arguments),
    Model(model::Arguments),
    Demo(demo::Arguments),
    Aim(aim::Arguments),
}

impl Cli {
    /// Runs the subcommand.
    ///
    /// # Errors
    /// [`Failure`] with the process's exit code.
    pub fn run(self) -> Result<(), Failure> {
        let volume = match self.command {
            Command::Run(_) => Volume::Limited,
            _ => Volume::Unlimited,
        };
        logging::start(self.global.log_level, volume)?;
        forbid_core_dumps();
        let mut output = Output::new(io::stdout());
        let result = self.dispatch(&mut output);
        // A reader of standard output may close it early (`| head`); that is not a failure.
        if output.reader_left() { Ok(()) } else { result }
    }

    fn dispatch(self, out: &mut dyn io::Write) -> Result<(), Failure> {
        let Self { global, command } = self;
        match command {
            Command::Run(arguments) => arguments.run(&global),
            Command::Check(arguments) => arguments.run(&global, out),
            Command::Probe(arguments) => arguments.run(&global, out),
            Command::Analyze(arguments) => arguments.run(&global, out),
            Command::Bench(arguments) => arguments.run(&global, out),
            Command::Latency(arguments) => arguments.run(&global, out),
            Command::Forget(arguments) => arguments.run(&global, out),
            Command::Top(arguments) => arguments.run(&global),
            Command::Model(arguments) => arguments.run(&global, out),
            Command::Demo(arguments) => arguments.run(&global),
            Command::Aim(arguments) => arguments.run(out),
        }
    }
}

/// Opens the models that the settings name.
fn open_sensor(settings: &Settings) -> Result<(Sensor, Manifest), Failure> {
    let registry = Registry::open(&settings.models_dir()?)?;
    Ok(engine::open(settings, &registry)?)
}

/// A core dump would contain camera pictures and the broker's password; one of a camera program would contain
/// pictures too.
fn forbid_core_dumps() {
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    if let Err(error) = setrlimit(Resource::Core, none) {
        tracing::warn!(%error, "core dumps of camera programs cannot be forbidden");
    }
    if let Err(error) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
        tracing::warn!(%error, "core dumps cannot be forbidden");
    }
}

fn stop_on_signals() -> Result<Shutdown, Failure> {
    Shutdown::on_signals().map_err(|error| Failure::new(Exit::Software, error))
}

impl Global {
    /// The settings in force for this command line, with their origins.
    fn load(&self) -> Result<Loaded, Failure> {
        let sources = Sources {
            file: self.config.clone(),
            environment: std::env::vars_os().collect(),
            options: self
                .set
                .iter()
                .map(|(key, value)| Override {
                    option: "--set".to_owned(),
                    key: key.clone(),
                    value: value.clone(),
                })
                .collect(),
        };
        let loaded = config::load(&sources)?;
        let ignored = &loaded.ignored_variables;
        if !ignored.is_empty() {
            let first = ignored.iter().take(MAX_IGNORED).map(String::as_str);
            tracing::warn!(
                count = ignored.len(),
                variables = first.collect::<Vec<_>>().join(", "),
                "environment variables that name no setting are ignored"
            );
        }
        Ok(loaded)
    }

    /// The settings in force for this command line.
    fn settings(&self) -> Result<Settings, Failure> {
        self.load().map(|loaded| loaded.settings)
    }
}

/// Maximum number of ignored environment variables that the log names: a platform may set dozens.
const MAX_IGNORED: usize = 8;

/// Splits the argument of `--set`.
fn key_and_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) => Ok((key.trim().to_owned(), value.to_owned())),
        None => Err("allowed: KEY=VALUE, e.g. mqtt.host=broker".to_owned()),
    }
}

/// Prints clap's output: help and version to standard output, a usage error to standard error.
#[must_use]
pub fn print_clap_output(output: &clap::Error) -> ExitCode {
    // If it cannot be printed, the exit code still shows what happened.
    if output.use_stderr() {
        let message = output.to_string();
        // It quotes the arguments.
        for line in message.lines() {
            let _ = writeln!(io::stderr(), "{}", text::sanitized(line, MAX_ERROR_LINE));
        }
        ExitCode::from(Exit::Usage as u8)
    } else {
        let _ = output.print();
        ExitCode::SUCCESS
    }
}

const ABOUT: &str = "\
affectd reads frames from a camera, finds and follows the faces in them, and publishes their expressions over \
MQTT: one of eight categories with probabilities, and valence and arousal. No picture leaves the process, unless \
`affectd aim --preview` is run on the board.";

const MANUAL: &str = "\
Configuration:
  Precedence, lowest to highest: built-in defaults, configuration file, environment, --set.
  `affectd check --defaults` prints the built-in file, which documents every setting;
  `affectd check --print` prints the settings in force and the origin of each.

Environment:
  AFFECTD_SECTION__NAME   a setting, with two underscores after its section:
                          AFFECTD_MQTT__HOST=broker sets mqtt.host. Strings are taken literally,
                          lists are written as in TOML or JSON. An empty variable counts as not
                          set. Other names that begin with AFFECTD_ are ignored, with a warning.
  AFFECTD_LOG             log level: error, warn, info, debug or trace
  NO_COLOR                no colours on the terminal

Files:
  /etc/affectd/affectd.toml    configuration
  /usr/share/affectd/models    models and their manifests
  /usr/share/doc/affectd       documentation and examples
  /run/affectd/control         socket of `affectd aim`; of an instance /run/affectd@NAME/control

Exit codes:
   0  success, or stopped by SIGTERM, SIGINT or SIGHUP
  64  usage error
  66  a model or an input file is missing, corrupt or of the wrong kind
  69  the broker refused the credentials, or, with check and forget, cannot be reached or refuses
      the request; with aim, top and check --running, the daemon cannot be reached or refuses the request
  70  an internal failure of affectd
  74  the camera cannot be used
  78  configuration error; all errors are listed

Examples:
  affectd probe                                list the cameras and which would be chosen
  affectd check                                check that everything is ready
  affectd check --running                      ask the running daemon whether it works
  affectd check --print --set mqtt.tls=true    print the settings that would be in force
  affectd check --defaults > affectd.toml      write a configuration file to start from
  affectd model verify                         verify and time the models
  affectd forget lobby                         remove a retired board from the broker
";

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn no_core_dump_is_written() {
        forbid_core_dumps();
        let behavior = rustix::process::dumpable_behavior().unwrap();
        assert_eq!(behavior, DumpableBehavior::NotDumpable);
    }
}

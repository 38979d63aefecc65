//! The command line: what every subcommand has in common, and the way to each.

pub mod check;
pub mod demo;
pub mod probe;
pub mod run;

use std::{
    io::{self, Write as _},
    path::PathBuf,
    process::ExitCode,
};

use clap::{Args, Parser, Subcommand};

use crate::{
    analyze,
    config::{self, Loaded, Override, Settings, Sources},
    error::{Exit, Failure},
    logging::{self, Destination, LogLevel, Output},
    measure::{bench, evaluation, latency, profile, verify},
    model::{Catalogue, Manifest},
    sense::{Sensor, engine},
    shutdown::Shutdown,
};

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
struct Global {
    /// Configuration file [default: /etc/affectd/affectd.toml, if it exists]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Sets one setting, before file and environment; can be repeated
    ///
    /// Texts are written without quotes, lists as in TOML: --set 'camera.command=["rpicam-vid", "-n"]'.
    #[arg(long, global = true, value_name = "KEY=VALUE", value_parser = key_and_value)]
    set: Vec<(String, String)>,

    /// What is logged to standard error [default: AFFECTD_LOG, or info]
    #[arg(long, global = true, value_name = "LEVEL")]
    log_level: Option<LogLevel>,
}

/// A new subcommand takes three lines: its module above, its variant here, its call in [`Cli::run`].
#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the daemon
    ///
    /// Publishes what the camera's faces show, to the broker of mqtt.host or, without one, to standard output as JSON lines, until
    /// SIGTERM or SIGINT. A camera or a broker that goes is waited for.
    Run,
    Check(check::Arguments),
    /// Lists cameras, what they offer, and what would be chosen and why
    Probe {
        /// Prints one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Tells what the faces of photographs show
    ///
    /// Prints one JSON object a line for each face: file, faces (how many the picture shows), face (its number, the largest
    /// first), box (left, top, width, height in pixels), score, quality, category, probabilities, valence and arousal, of
    /// this one picture alone. A picture without a face is one line with "faces":0. Pictures that cannot be read are named
    /// on standard error, and the exit code is then 66.
    Analyze {
        /// Photographs: JPEG, PNG, WebP, BMP or PNM
        #[arg(required = true, value_name = "PICTURE")]
        pictures: Vec<PathBuf>,
        /// Draws boxes, landmarks and results: a .png or .jpg file for one picture, or a folder
        #[arg(long, value_name = "OUT")]
        annotate: Option<PathBuf>,
    },
    /// Measures what each stage of a frame's way takes on this machine
    ///
    /// The bundled clip goes through decoding and sensing in one thread as fast as it can, once as YUYV and once as MJPEG,
    /// the layouts that cameras deliver most. Where there is a budget for this board, the figures are compared with it. With
    /// minutes instead of seconds it also shows whether the board gets too hot to stay as fast as it began.
    Bench {
        /// Measures each layout for so many seconds
        #[arg(long, default_value_t = 10.0, value_parser = seconds)]
        seconds: f32,
        /// Reads so many faces at the same time, as expression.threads does
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=8))]
        threads: Option<u8>,
        /// Shows instead where the networks' time goes: time, operations and share of the machine's peak by kind of
        /// operator
        #[arg(long, conflicts_with_all = ["seconds", "threads"])]
        profile: bool,
        /// Prints one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Measures how old the results are: from the camera to a subscriber
    ///
    /// Runs like the daemon, with the configured camera and broker, while a second client subscribes to the state. The stages
    /// tell from the capture of a frame to its report; the subscriber's figures add the rate of publishing and the way through
    /// the broker. Without mqtt.host there are only the stages. The daemon must be stopped: both need the camera.
    Latency {
        /// Measures for so many seconds, 1 to 120
        #[arg(long, default_value_t = 30.0, value_parser = measuring_time)]
        seconds: f32,
        /// Prints one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Proves models and measures their accuracy
    #[command(subcommand)]
    Model(Model),
    /// Plays the bundled clip through the whole line
    ///
    /// Thirteen seconds of two public-domain portraits in front of a wall, with what affectd makes of them, and a closing table.
    /// Needs no camera and no broker.
    Demo,
}

#[derive(Debug, Subcommand)]
enum Model {
    /// Proves models by checksum and golden vectors and times them
    Verify {
        /// Manifest names [default: all]
        names: Vec<String>,
    },
    /// Measures a model on pictures of cropped faces
    ///
    /// The file's first line is path,category or path,category,valence,arousal. Paths are relative to the file; categories
    /// are neutral, happiness, sadness, surprise, fear, disgust, anger and contempt; valence and arousal lie between -1 and 1
    /// or are both empty.
    Eval {
        /// Manifest name
        name: String,
        /// CSV file of pictures
        csv: PathBuf,
        /// Prints one JSON object: accuracy, macro_f1, ece, ece_unscaled, va_rmse, va_ccc, n and categories
        #[arg(long)]
        json: bool,
    },
}

impl Cli {
    /// Runs the subcommand.
    ///
    /// # Errors
    /// [`Failure`] with the process's exit code.
    pub fn run(self) -> Result<(), Failure> {
        logging::start(self.global.log_level)?;
        let mut output = Output::new(io::stdout());
        let result = self.dispatch(&mut output);
        // Whoever reads the output may leave early (`| head`): that is no failure.
        if output.reader_left() { Ok(()) } else { result }
    }

    fn dispatch(self, out: &mut dyn io::Write) -> Result<(), Failure> {
        let Self { global, command } = self;
        match command {
            Command::Run => {
                let settings = global.settings()?;
                let (sensor, manifest) = open_sensor(&settings)?;
                run::run(&settings, sensor, &manifest, stop_on_signals()?)
            }
            Command::Check(arguments) => check::check(global.load(), &arguments, out),
            Command::Probe { json } => probe::probe(&global.settings()?, json, out)
                .map_err(|error| Failure::new(Exit::Camera, error)),
            Command::Analyze { pictures, annotate } => {
                analyze::analyze(&global.settings()?, &pictures, annotate.as_deref(), out)
            }
            Command::Bench {
                seconds,
                threads,
                profile,
                json,
            } => {
                let mut settings = global.settings()?;
                if profile {
                    return profile::profile(&settings, json, out);
                }
                if let Some(threads) = threads {
                    settings.expression.threads = threads.into();
                }
                let (sensor, _) = open_sensor(&settings)?;
                bench::bench(&settings, sensor, seconds, json, out)
            }
            Command::Latency { seconds, json } => {
                let settings = global.settings()?;
                let (sensor, manifest) = open_sensor(&settings)?;
                let stop = stop_on_signals()?;
                latency::latency(&settings, sensor, &manifest, stop, (seconds, json), out)
            }
            Command::Demo => {
                let settings = global.settings()?;
                let (sensor, _) = open_sensor(&settings)?;
                demo::demo(&settings, sensor, stop_on_signals()?)
            }
            Command::Model(Model::Verify { names }) => {
                verify::verify(&global.settings()?.models_dir()?, &names, out)
            }
            Command::Model(Model::Eval { name, csv, json }) => {
                evaluation::eval(&global.settings()?.models_dir()?, &name, &csv, json, out)
            }
        }
    }
}

/// Opens the models that the settings name.
fn open_sensor(settings: &Settings) -> Result<(Sensor, Manifest), Failure> {
    let catalogue =
        Catalogue::open(&settings.models_dir()?).map_err(|error| Failure::new(Exit::Input, error))?;
    engine::open(settings, &catalogue).map_err(|error| Failure::new(Exit::Input, error))
}

fn stop_on_signals() -> Result<Shutdown, Failure> {
    Shutdown::on_signals().map_err(|error| Failure::new(Exit::Software, error))
}

/// A measuring time that ends.
fn seconds(text: &str) -> Result<f32, String> {
    match text.parse::<f32>() {
        Ok(seconds) if (0.0..=3600.0).contains(&seconds) => Ok(seconds),
        _ => Err("allowed: a number from 0 to 3600, in seconds".to_owned()),
    }
}

/// A time that the latency figures of a run cover as a whole.
fn measuring_time(text: &str) -> Result<f32, String> {
    match text.parse::<f32>() {
        Ok(seconds) if (1.0..=120.0).contains(&seconds) => Ok(seconds),
        _ => Err("allowed: a number from 1 to 120, in seconds".to_owned()),
    }
}

impl Global {
    /// The settings in force for this command line.
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
        Ok(config::load(&sources)?)
    }

    /// The same without where they come from.
    fn settings(&self) -> Result<Settings, Failure> {
        self.load().map(|loaded| loaded.settings)
    }
}

/// Splits the argument of `--set`.
fn key_and_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) => Ok((key.trim().to_owned(), value.to_owned())),
        None => Err("allowed: KEY=VALUE, e.g. mqtt.host=broker".to_owned()),
    }
}

/// Prints what clap has to say: help and version to standard output, a usage error to standard error.
#[must_use]
pub fn answer(answer: &clap::Error) -> ExitCode {
    // Where it cannot be printed, the exit code still tells.
    let _ = answer.print();
    if answer.use_stderr() {
        ExitCode::from(Exit::Usage as u8)
    } else {
        ExitCode::SUCCESS
    }
}

/// Says why the process ends, on standard error.
pub fn report(failure: &Failure) {
    let priority = match Destination::of_stderr() {
        Destination::Journal => format!("<{}>", logging::priority(tracing::Level::ERROR)),
        Destination::Terminal | Destination::Other => String::new(),
    };
    let mut stderr = io::stderr().lock();
    for line in format!("affectd: {failure}").lines() {
        // There is nobody left to tell that standard error is gone.
        let _ = writeln!(stderr, "{priority}{line}");
    }
}

const ABOUT: &str = "\
affectd reads the frames of a camera, finds and follows the faces in them, and publishes over MQTT what they show: one of \
eight expression categories with its probabilities, and valence and arousal. Pictures never leave the process.";

const MANUAL: &str = "\
Configuration:
  Built-in defaults, then the configuration file, then the environment, then --set; the later
  goes before the earlier. `affectd check --defaults` prints the built-in file, which describes
  every setting; `affectd check --print` prints what is in force and where it comes from.

Environment:
  AFFECTD_SECTION__NAME   a setting, two underscores after its section: AFFECTD_MQTT__HOST=broker
                          sets mqtt.host. Texts are taken as they stand, lists are written as in
                          TOML or JSON.
  AFFECTD_LOG             what is logged: error, warn, info, debug or trace
  NO_COLOR                no colours on the terminal

Files:
  /etc/affectd/affectd.toml    configuration
  /usr/share/affectd/models    models and their manifests

Exit codes:
   0  done, or stopped by SIGTERM or SIGINT
  64  the command line is wrong
  66  a model or an input file is missing, corrupt or of the wrong kind
  69  the broker refused the credentials, or with check cannot be reached
  70  something in affectd itself failed
  74  the camera cannot be used
  78  the configuration is wrong; all that is wrong is listed

Examples:
  affectd probe                                which cameras are there, and what would be chosen?
  affectd check                                is everything ready?
  affectd check --print --set mqtt.tls=true    which settings would be in force?
  affectd check --defaults > affectd.toml      a file to begin with
  affectd model verify                         are the models intact, and how fast are they?
";

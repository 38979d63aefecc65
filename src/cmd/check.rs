//! `affectd check`: checks everything that `affectd run` needs.

use std::{
    fs,
    io::Write,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::anyhow;
use clap::Args;

use super::{Global, in_use};
use crate::{
    capture::{self, CaptureError, CaptureKind, Decoder, Frame},
    clock::SystemClock,
    config::{self, Camera, DEFAULT_TOML, Gpio, Loaded, Settings, SourceKind},
    error::{Exit, Failure, Unwritable},
    gpio::{self, GpioError},
    http::{self, Client, Part, Verdict},
    interrupt::Interrupt,
    model::Registry,
    picture::Picture,
    publish,
    sense::engine::{NetworkClassifier, NetworkDetector},
    text,
};

/// The longest `camera.timeout_s` that the packaged unit allows: half of the WatchdogSec in
/// systemd/daemon.conf.
const UNIT_TIMEOUT: Duration = Duration::from_secs(15);

/// Checks everything that `run` needs
///
/// Reads the configuration, verifies the checksums of the models and the golden vectors of the expression
/// model, takes one frame from the camera, reads the privacy switch, and verifies that this device may
/// publish to the broker and receive from it. A camera or GPIO lines that the running daemon uses are
/// skipped. Prints one line for each check. Every check runs even if an earlier one fails; the exit code is
/// that of the first failure.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Prints the settings in force as TOML, each with its origin, and checks nothing else
    #[arg(long)]
    print: bool,

    /// Prints the built-in configuration, which documents every setting, and checks nothing
    #[arg(long, conflicts_with = "print")]
    defaults: bool,

    /// Asks the running daemon whether it makes progress and whether its results reach the broker, and
    /// checks nothing else; needs http.listen
    #[arg(long, conflicts_with_all = ["print", "defaults"])]
    running: bool,
}

impl Arguments {
    pub(super) fn run(&self, global: &Global, out: &mut dyn Write) -> Result<(), Failure> {
        check(global.load(), self, out)
    }
}

/// Runs every check and writes a line for each.
///
/// # Errors
/// With the exit code of the first failure.
fn check(loaded: Result<Loaded, Failure>, arguments: &Arguments, out: &mut dyn Write) -> Result<(), Failure> {
    if arguments.defaults {
        return Ok(out.write_all(DEFAULT_TOML.as_bytes()).map_err(Unwritable)?);
    }
    let loaded = loaded?;
    if arguments.print {
        return Ok(out.write_all(loaded.to_toml().as_bytes()).map_err(Unwritable)?);
    }
    let settings = &loaded.settings;
    let mut findings = Findings { out, failed: None };
    if arguments.running {
        running(&loaded.settings, &mut findings)?;
        return findings.finish("the daemon does not work as it should");
    }
    findings.add("configuration", Ok(configuration(&loaded)))?;
    findings.add("detector", detector(settings, &settings.detect.model))?;
    findings.add("follower", detector(settings, &settings.detect.follow_model))?;
    findings.add("expression", expression(settings))?;
    findings.add("camera", camera(&settings.camera))?;
    findings.add("gpio", gpio(&settings.gpio))?;
    findings.add("broker", broker(settings))?;
    findings.add("http", http(&settings.http))?;
    findings.finish("not ready")
}

/// The result of a check that did not fail.
enum Finding {
    Ok(String),
    /// Not checked, for this reason.
    Skipped(String),
}

impl From<String> for Finding {
    fn from(text: String) -> Self {
        Self::Ok(text)
    }
}

/// Writes the lines and records the failures.
struct Findings<'a> {
    out: &'a mut dyn Write,
    /// The exit code of the first failure, and the names of all failed checks.
    failed: Option<(Exit, String)>,
}

impl Findings<'_> {
    /// The failure of all checks together.
    fn finish(self, what: &str) -> Result<(), Failure> {
        match self.failed {
            None => Ok(()),
            Some((exit, names)) => Err(Failure::new(exit, anyhow!("{what}: {names}"))),
        }
    }

    fn add(&mut self, what: &str, found: Result<impl Into<Finding>, Failure>) -> Result<(), Failure> {
        let (word, text) = match found.map(Into::into) {
            Ok(Finding::Ok(text)) => ("ok", text),
            Ok(Finding::Skipped(text)) => ("skipped", text),
            Err(failure) => {
                match &mut self.failed {
                    Some((_, names)) => {
                        names.push_str(", ");
                        names.push_str(what);
                    }
                    None => self.failed = Some((failure.exit, what.to_owned())),
                }
                ("FAILED", failure.to_string())
            }
        };
        writeln!(self.out, "{what:<14} {word:<7} {text}").map_err(Unwritable)?;
        Ok(())
    }
}

/// Queries the running daemon.
fn running(settings: &Settings, findings: &mut Findings<'_>) -> Result<(), Failure> {
    let Some(client) = Client::open(&settings.http)? else {
        let reason =
            anyhow!("http.listen is empty; a running daemon can be asked only with an address there");
        return Err(Failure::new(Exit::Config, reason));
    };
    findings.add("progress", verdict(&client, "/healthz"))?;
    findings.add("results", verdict(&client, "/readyz"))
}

/// One verdict of the running daemon; its first fault determines the exit code.
fn verdict(client: &Client, path: &str) -> Result<String, Failure> {
    let answer = client.get(path)?;
    let verdict: Verdict = serde_json::from_str(&answer.body)
        .map_err(|_| Failure::new(Exit::Unavailable, anyhow!("{path} answers {}", answer.status)))?;
    let Some(first) = verdict.faults.first() else {
        return Ok(path.to_owned());
    };
    let exit = match first.part {
        Part::Pipeline => Exit::Software,
        Part::Camera => Exit::Camera,
        Part::Broker => Exit::Unavailable,
    };
    let reasons: Vec<_> = verdict.faults.iter().map(|fault| fault.reason.as_str()).collect();
    Err(Failure::new(exit, anyhow!("{}", reasons.join("; "))))
}

fn configuration(loaded: &Loaded) -> String {
    let file = loaded.file.as_ref().map_or_else(
        || "no file, built-in defaults".to_owned(),
        |file| text::path(file),
    );
    let device = loaded.settings.device_id();
    let timeout = loaded.settings.camera.timeout;
    if timeout > UNIT_TIMEOUT {
        let (found, allowed) = (timeout.as_secs_f32(), UNIT_TIMEOUT.as_secs());
        format!(
            "{file}; device {device}; camera.timeout_s: found {found}, but the packaged unit allows at most {allowed}, \
             half of its WatchdogSec"
        )
    } else {
        format!("{file}; device {device}")
    }
}

/// Loads and verifies a detector.
fn detector(settings: &Settings, name: &str) -> Result<String, Failure> {
    let begun = Instant::now();
    let manifest = registry(settings)?.find(name)?;
    NetworkDetector::open(&manifest, settings.detect.min_score)?;
    Ok(verified(name, &manifest.version, begun))
}

/// Loads and verifies the expression model.
fn expression(settings: &Settings) -> Result<String, Failure> {
    let begun = Instant::now();
    let name = &settings.expression.model;
    let manifest = registry(settings)?.find(name)?;
    NetworkClassifier::open(&manifest)?;
    Ok(verified(name, &manifest.version, begun))
}

fn registry(settings: &Settings) -> Result<Registry, Failure> {
    Ok(Registry::open(&settings.models_dir()?)?)
}

fn verified(name: &str, version: &str, begun: Instant) -> String {
    format!(
        "{name} {version}, loaded and verified in {:.1} s",
        begun.elapsed().as_secs_f32()
    )
}

/// Opens the camera, takes and decodes one frame, and closes the camera.
fn camera(settings: &Camera) -> Result<Finding, Failure> {
    let interrupt = Interrupt::new().map_err(|error| Failure::new(Exit::Software, error))?;
    let frame = || {
        let begun = Instant::now();
        let mut source = capture::opener(settings, Arc::new(SystemClock::new()))?.open(&interrupt)?;
        let mut frame = Frame::default();
        source.next(&mut frame, &interrupt)?;
        let took = begun.elapsed().as_secs_f32();
        Decoder::new().decode(&frame, &mut Picture::default())?;
        Ok(Finding::Ok(format!(
            "{}, first frame after {took:.1} s",
            source.stream()
        )))
    };
    frame().or_else(|error: CaptureError| {
        let Some(pid) = camera_user(settings, error.kind) else {
            return Err(error.into());
        };
        Ok(Finding::Skipped(format!(
            "affectd runs and uses it (process {pid}); stop it to check the camera"
        )))
    })
}

/// The running daemon, if it uses the camera that cannot be opened.
fn camera_user(settings: &Camera, kind: CaptureKind) -> Option<u32> {
    let proc = Path::new(in_use::PROC);
    match settings.source {
        SourceKind::V4l2 if kind == CaptureKind::Busy => {
            // Names such as those in /dev/v4l/by-id are links.
            let device = fs::canonicalize(&settings.device).ok();
            in_use::holder(proc, |file| {
                let is_camera = file.to_string_lossy().starts_with("/dev/video");
                device.as_deref().map_or(is_camera, |device| device == file)
            })
        }
        SourceKind::Pipe => in_use::runner(proc, &settings.command),
        _ => None,
    }
}

/// Reads the switch and turns the LED off, if they are configured.
fn gpio(settings: &Gpio) -> Result<Finding, Failure> {
    let Some(mut gpio) = gpio::open_gpio(settings) else {
        return Ok(Finding::Ok("no LED and no switch".to_owned()));
    };
    // Setting the LED would disturb the daemon where the lines are not exclusive.
    let is_gpio = |file: &Path| file.to_string_lossy().contains("gpio");
    if let Some(pid) = in_use::holder(Path::new(in_use::PROC), is_gpio) {
        return Ok(Finding::Skipped(format!(
            "affectd runs and uses the lines (process {pid}); stop it to check them"
        )));
    }
    let mut look = || {
        let switch = match gpio.debounce {
            None => "no switch",
            Some(_) if gpio.io.is_private()? => "the switch is on: nothing would be sensed",
            Some(_) => "the switch is off",
        };
        let led = if gpio.has_led {
            gpio.io.set_led(false)?;
            "the LED can be set"
        } else {
            "no LED"
        };
        Ok(Finding::Ok(format!("{switch}; {led}")))
    };
    look().map_err(|error: GpioError| error.into())
}

/// Connects to every broker, and verifies that this device may publish and receive.
fn broker(settings: &Settings) -> Result<String, Failure> {
    if settings.mqtt.host.is_empty() {
        return Ok("none (mqtt.host is empty); messages go to standard output".to_owned());
    }
    let probe = publish::probe_broker(&settings.mqtt, &settings.device_id())?;
    let warning = publish::readable_by_others(&settings.mqtt);
    Ok(warning.map_or_else(|| probe.to_string(), |warning| format!("{probe}; {warning}")))
}

/// Reads the files of the HTTP server.
fn http(settings: &config::Http) -> Result<String, Failure> {
    let server = http::Server::open(settings, None)?;
    Ok(server.map_or_else(
        || "no server (http.listen is empty)".to_owned(),
        |server| server.to_string(),
    ))
}

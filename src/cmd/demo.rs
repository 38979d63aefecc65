//! `affectd demo`: runs the bundled clip through the whole pipeline and shows the results on the terminal.

use std::{
    fmt::Write as _,
    io::{IsTerminal, Write},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use clap::Args;

use super::{Global, open_sensor, stop_on_signals};
use crate::{
    capture::CameraStatus,
    clock::{Clock, SystemClock},
    config::Settings,
    error::{Exit, Failure},
    health::{Board, Governor, Health, Stage},
    measure::{clip::ClipOpener, table},
    pipeline::{self, Deps, Metrics, SensorSource, Sink},
    preview::Preview,
    privacy::{Input, PrivacyGate},
    sense::{
        Sensor,
        face::TrackedFace,
        report::{Event, Report},
    },
    shutdown::Shutdown,
};

/// Runs the bundled clip through the whole pipeline
///
/// Shows thirteen seconds of two public-domain portraits in front of a wall, with the recognized expressions,
/// and ends with a table of timings. Needs no camera and no broker.
#[derive(Debug, Args)]
pub struct Arguments {}

impl Arguments {
    pub(super) fn run(&self, global: &Global) -> Result<(), Failure> {
        let settings = global.settings()?;
        let (sensor, _) = open_sensor(&settings)?;
        demo(&settings, sensor, stop_on_signals()?)
    }
}

/// Plays the clip once and ends with a table of timings.
///
/// # Errors
/// [`Failure`] if a model cannot be used or standard output cannot be written.
fn demo(settings: &Settings, sensor: Sensor, shutdown: Shutdown) -> Result<(), Failure> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let screen = Arc::new(Screen::default());
    let metrics = Arc::new(Metrics::new());
    let gate = PrivacyGate::new().map_err(|error| Failure::new(Exit::Software, error))?;
    // There is no broker that could command privacy.
    gate.set_command(Input::Off);
    let model = &settings.expression.model;
    print(&format!(
        "The bundled clip, 13 seconds of two public-domain portraits, through {model}:\n"
    ));
    let deps = Deps {
        opener: Box::new(ClipOpener::new(clock.clone())),
        sensor: SensorSource::Loaded(Box::new(sensor)),
        gpio: None,
        preview: Preview::new(&gate),
        gate,
        requests: Arc::default(),
        sink: screen.clone(),
        clock: clock.clone(),
        shutdown,
        governor: Governor::new(settings.health),
        health_interval: Duration::from_secs(3600),
    };
    let start = clock.now();
    pipeline::run(deps, &metrics)?;
    let seconds = clock.now().saturating_sub(start).as_secs_f32();
    screen.clear();
    summarize(&metrics, clock.now(), seconds).map_err(|error| Failure::new(Exit::Software, error))
}

fn summarize(metrics: &Metrics, now: Duration, seconds: f32) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    let frames = metrics.sensed_frames();
    let rss = Board::read().peak_rss_bytes.unwrap_or(0) as f64 / 1e6;
    writeln!(
        out,
        "\nframes {frames}   faces {}   fps {:.1}   peak RSS {rss:.0} MB",
        metrics.faces(),
        frames as f32 / seconds
    )?;
    let mut times = metrics.stages();
    let rows: Vec<_> = Stage::ALL
        .into_iter()
        .filter_map(|stage| Some((stage, times.summary(now, stage)?)))
        .collect();
    table::stages(&mut out, &rows)
}

/// On a terminal, a few lines redrawn with every frame; otherwise, a line for each event.
#[derive(Default)]
struct Screen {
    drawn: Mutex<usize>,
}

impl Screen {
    fn draw(&self, lines: &str) {
        let mut drawn = self.drawn.lock().unwrap_or_else(PoisonError::into_inner);
        if *drawn > 0 {
            // ECMA-48: cursor up, erase to the end of the screen.
            print(&format!("\x1b[{}A\x1b[J", *drawn));
        }
        print(lines);
        *drawn = lines.lines().count();
    }

    fn clear(&self) {
        *self.drawn.lock().unwrap_or_else(PoisonError::into_inner) = 0;
    }
}

impl Sink for Screen {
    fn report(&self, report: &Report) {
        if std::io::stdout().is_terminal() {
            let mut lines = String::new();
            for face in &report.faces {
                describe(face, &mut lines);
            }
            if report.captured.is_none() {
                lines.push_str("  no picture\n");
            } else if report.faces.is_empty() {
                lines.push_str("  no face\n");
            }
            self.draw(&lines);
            return;
        }
        let mut lines = String::new();
        for event in &report.events {
            // Writing to a String cannot fail.
            let _ = match event {
                Event::Appeared { track, .. } => writeln!(lines, "face {track} appeared"),
                Event::Present { track, seconds } => {
                    writeln!(lines, "face {track} has stayed for {seconds:.1} s")
                }
                Event::Left { track, visit } => {
                    writeln!(lines, "face {track} left after {:.1} s", visit.seconds)
                }
                Event::Changed { track, from, to } => {
                    writeln!(lines, "face {track}: {} -> {}", from.name(), to.name())
                }
            };
        }
        print(&lines);
    }

    fn camera(&self, _status: CameraStatus, _reason: &str) {}

    fn health(&self, _health: &Health) {}
}

/// Writes and flushes. Errors are ignored: the measurement continues without a reader.
fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// One line for a face: label, highest probability with a bar, valence, arousal, width.
fn describe(face: &TrackedFace, line: &mut String) {
    let Some(smoothed) = face.smoothed else { return };
    let best = smoothed
        .prediction
        .probabilities
        .map_or(0.0, |probabilities| probabilities.argmax().1);
    let bar = "█".repeat((best * 20.0).round() as usize);
    // Writing to a String cannot fail.
    let _ = write!(
        line,
        "  face {:<3} {:<10} {best:.2} {bar:<20}",
        face.track,
        smoothed.label.name()
    );
    for (name, value) in [
        ("valence", smoothed.prediction.valence),
        ("arousal", smoothed.prediction.arousal),
    ] {
        if let Some(value) = value {
            let _ = write!(line, "  {name} {value:+.2}");
        }
    }
    let _ = writeln!(line, "  {:.0} px", face.detection.rect.width);
}

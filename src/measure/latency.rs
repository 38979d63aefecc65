//! `affectd latency`: how old the results of this camera are, when they are made and when a subscriber has them.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use anyhow::anyhow;
use serde_json::{Value, json};

use super::{
    budgets::{Comparison, Figure},
    table,
};
use crate::{
    capture,
    clock::{Clock, SystemClock},
    cmd::run::identity,
    config::Settings,
    error::{Exit, Failure},
    gpio,
    health::{Board, Governor, Machine, Stage, Summary},
    model::Manifest,
    pipeline::{self, Figures, Parts, Sink},
    privacy::{Privacy, Switch},
    publish::{
        self, Heard, Listener, Publisher,
        payload::{CameraStatus, HealthPayload},
    },
    sense::{Sensor, face::Report},
    shutdown::Shutdown,
};

/// What was measured.
struct Outcome {
    /// What the camera delivers.
    camera: String,
    frames: u64,
    faces: u64,
    seconds: f32,
    stages: Vec<(Stage, Summary)>,
    /// `None` without a broker.
    heard: Option<Heard>,
}

/// Runs camera and broker as `run` does, for `seconds`, beside a subscriber, and writes text or one JSON object to `out`.
///
/// # Errors
/// [`Failure`]: a broker that cannot be reached, a camera that gives no frame, or what ends `run`.
pub fn latency(
    settings: &Settings,
    sensor: Sensor,
    manifest: &Manifest,
    shutdown: Shutdown,
    (seconds, json): (f32, bool),
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let outcome = measure(settings, sensor, manifest, shutdown, seconds)?;
    let machine = Machine::read();
    let software = |error: anyhow::Error| Failure::new(Exit::Software, error);
    let budget =
        Comparison::new(&machine, settings, &figures(&outcome)).map_err(|error| software(error.into()))?;
    let written = if json {
        write_json(out, &outcome, &machine, &budget)
    } else {
        write_text(out, &outcome, &budget)
    };
    written.map_err(|error| software(error.into()))
}

fn measure(
    settings: &Settings,
    sensor: Sensor,
    manifest: &Manifest,
    shutdown: Shutdown,
    seconds: f32,
) -> Result<Outcome, Failure> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let opener = capture::opener(&settings.camera, clock.clone())
        .map_err(|error| Failure::new(Exit::Config, error))?;
    let identity = identity(settings, manifest)?;
    let mqtt = &settings.mqtt;
    let (listener, publisher) = if mqtt.host.is_empty() {
        (None, None)
    } else {
        // `run` waits for a broker, a measurement need not.
        publish::contact(mqtt, &identity.device)?;
        let listener = Listener::start(mqtt, &identity, clock.clone())?;
        let publisher = Publisher::start(mqtt, identity, clock.clone())?;
        (Some(listener), Some(publisher))
    };
    let (publisher, thread) = publisher.unzip();
    let sink = Arc::new(Watched {
        publisher,
        camera: Mutex::default(),
        privacy: Mutex::default(),
    });
    let figures = Arc::new(Figures::new());
    end_after(Duration::from_secs_f32(seconds), shutdown.clone())?;
    let begun = clock.now();
    let parts = Parts {
        opener,
        sensor,
        fittings: gpio::fittings(&settings.gpio),
        sink: sink.clone(),
        clock: clock.clone(),
        shutdown,
        governor: Governor::new(settings.health),
        health_every: mqtt.health,
    };
    let result = pipeline::run(parts, &figures);
    let heard = listener.map(Listener::stop);
    if let Some(thread) = thread {
        thread.stop();
    }
    result?;
    let now = clock.now();
    let mut times = figures.stages();
    let stages = Stage::ALL
        .into_iter()
        .filter_map(|stage| Some((stage, times.summary(now, stage)?)))
        .collect();
    let camera = sink.camera.lock().unwrap_or_else(PoisonError::into_inner).clone();
    if figures.sensed_frames() == 0 {
        return Err(Failure::new(
            Exit::Camera,
            anyhow!("no frame in {seconds} s: {camera}"),
        ));
    }
    Ok(Outcome {
        camera,
        frames: figures.sensed_frames(),
        faces: figures.faces(),
        seconds: now.saturating_sub(begun).as_secs_f32(),
        stages,
        heard,
    })
}

/// Raises `shutdown` when `time` is over. The thread ends with the process at the latest.
fn end_after(time: Duration, shutdown: Shutdown) -> Result<(), Failure> {
    thread::Builder::new()
        .name("timer".into())
        .spawn(move || {
            if !shutdown.wait(time) {
                shutdown.raise();
            }
        })
        .map(drop)
        .map_err(|error| Failure::new(Exit::Software, error))
}

/// Publishes where there is a broker, and remembers what the camera said of itself.
struct Watched {
    publisher: Option<Publisher>,
    camera: Mutex<String>,
    /// The switch on the device holds without a broker too.
    privacy: Mutex<Privacy>,
}

impl Watched {
    fn privacy(&self) -> MutexGuard<'_, Privacy> {
        self.privacy.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sink for Watched {
    fn report(&self, report: &Report) {
        if let Some(publisher) = &self.publisher {
            publisher.report(report);
        }
    }

    fn camera(&self, status: CameraStatus, reason: &str) {
        reason.clone_into(&mut self.camera.lock().unwrap_or_else(PoisonError::into_inner));
        if let Some(publisher) = &self.publisher {
            publisher.camera(status, reason);
        }
    }

    fn health(&self, health: &HealthPayload) {
        if let Some(publisher) = &self.publisher {
            publisher.health(health);
        }
    }

    fn switch(&self, switch: &Switch) {
        self.privacy().switch = switch.clone();
        if let Some(publisher) = &self.publisher {
            publisher.switch(switch);
        }
    }

    fn is_private(&self) -> bool {
        self.privacy().is_on() || self.publisher.as_ref().is_some_and(Publisher::is_private)
    }

    fn privacy_reason(&self) -> Option<String> {
        match &self.publisher {
            Some(publisher) => publisher.privacy_reason(),
            None => self.privacy().reason(),
        }
    }

    fn failure(&self) -> Option<Failure> {
        let error = self.publisher.as_ref()?.fatal()?;
        Some(error.into())
    }
}

/// What has a budget.
fn figures(outcome: &Outcome) -> Vec<(Figure, f64)> {
    let heard = outcome.heard.as_ref().and_then(|heard| heard.percentile(95));
    let mut figures: Vec<_> = heard
        .map(|time| (Figure::Latency, table::milliseconds(time)))
        .into_iter()
        .collect();
    let peak = Board::read().peak_rss_bytes;
    figures.extend(peak.map(|bytes| (Figure::Rss, bytes as f64 / 1e6)));
    figures
}

fn write_text(out: &mut dyn Write, outcome: &Outcome, budget: &Result<Comparison, String>) -> io::Result<()> {
    writeln!(
        out,
        "{}\n{} frames, {:.1} a second, {} faces\n",
        outcome.camera,
        outcome.frames,
        outcome.frames as f32 / outcome.seconds,
        outcome.faces
    )?;
    table::stages(out, &outcome.stages)?;
    match &outcome.heard {
        None => writeln!(out, "\nno broker (mqtt.host is empty): total ends at the report")?,
        Some(heard) => {
            let milliseconds = |percent| heard.percentile(percent).map_or(f64::NAN, table::milliseconds);
            writeln!(
                out,
                "\nfrom capture to a subscriber of the state: {} messages, p50 {:.1} ms, p95 {:.1} ms, at most {:.1} ms, {} lost",
                heard.ages.len(),
                milliseconds(50),
                milliseconds(95),
                milliseconds(100),
                heard.lost
            )?;
        }
    }
    match budget {
        Ok(comparison) => comparison.text(out),
        Err(why) => writeln!(out, "{why}"),
    }
}

fn write_json(
    out: &mut dyn Write,
    outcome: &Outcome,
    machine: &Machine,
    budget: &Result<Comparison, String>,
) -> io::Result<()> {
    let subscriber = outcome.heard.as_ref().map_or(Value::Null, |heard| {
        let milliseconds = |percent| heard.percentile(percent).map(table::milliseconds);
        json!({
            "messages": heard.ages.len(),
            "lost": heard.lost,
            "p50_ms": milliseconds(50),
            "p95_ms": milliseconds(95),
            "max_ms": milliseconds(100),
        })
    });
    let object = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "machine": machine,
        "camera": outcome.camera,
        "seconds": outcome.seconds,
        "frames": outcome.frames,
        "faces": outcome.faces,
        "stages": table::json(&outcome.stages),
        "subscriber": subscriber,
        "budget": budget.as_ref().ok(),
        "no_budget": budget.as_ref().err(),
    });
    writeln!(out, "{object}")
}

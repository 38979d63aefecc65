//! The age of this camera's results, both when they are produced and when a subscriber receives them.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use anyhow::anyhow;
use serde_json::{Value, json};

use super::{
    budgets::{Comparison, Metric, NoBudget},
    table,
};
use crate::{
    capture::{self, CameraStatus},
    clock::{Clock, SystemClock},
    config::Settings,
    error::{Exit, Failure, Unwritable},
    gpio,
    health::{Board, Governor, Health, Machine, Stage, Summary},
    model::Manifest,
    pipeline::{self, Deps, Metrics, SensorSource, Sink},
    preview::Preview,
    privacy::{Input, PrivacyGate},
    publish::{Environment, Identity, LatencySamples, LatencySubscriber, Publisher, probe_broker},
    sense::{Sensor, report::Report},
    shutdown::Shutdown,
};

/// The result of a measurement.
struct Measurement {
    /// Name and format of the camera.
    camera: String,
    frames: u64,
    faces: u64,
    seconds: f32,
    stages: Vec<(Stage, Summary)>,
    /// `None` without a broker.
    samples: Option<LatencySamples>,
}

/// How to measure.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// For how long.
    pub time: Duration,
    /// Write one JSON object instead of text.
    pub json: bool,
}

/// Runs like the daemon for the planned time, with an additional subscriber, and writes text or one JSON
/// object to `out`.
///
/// # Errors
/// [`Failure`] if the broker cannot be reached, if the camera delivers no frame, or for anything that would
/// end `run`.
pub fn latency(
    settings: &Settings,
    sensor: Sensor,
    manifest: &Manifest,
    shutdown: Shutdown,
    plan: Plan,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    let measurement = measure(settings, sensor, manifest, shutdown, plan.time)?;
    let machine = Machine::read();
    let software = |error: anyhow::Error| Failure::new(Exit::Software, error);
    let budget = Comparison::new(&machine, settings, &metrics(&measurement))
        .map_err(|error| software(error.into()))?;
    if plan.json {
        write_json(out, &measurement, &machine, &budget)
    } else {
        write_text(out, &measurement, &budget)
    }
    .map_err(Unwritable)?;
    Ok(())
}

fn measure(
    settings: &Settings,
    sensor: Sensor,
    manifest: &Manifest,
    shutdown: Shutdown,
    time: Duration,
) -> Result<Measurement, Failure> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let opener = capture::opener(&settings.camera, clock.clone())
        .map_err(|error| Failure::new(Exit::Config, error))?;
    let gate = PrivacyGate::new().map_err(|error| Failure::new(Exit::Software, error))?;
    let identity = Identity::of(settings.device_id(), manifest)?;
    let mqtt = &settings.mqtt;
    let requests = Arc::default();
    let (subscriber, publisher) = if mqtt.host.is_empty() {
        gate.set_command(Input::Off);
        (None, None)
    } else {
        // Unlike `run`, a measurement does not wait for a broker.
        probe_broker(mqtt, &identity.device)?;
        let subscriber = LatencySubscriber::start(mqtt, &identity, clock.clone())?;
        let environment = Environment {
            clock: clock.clone(),
            gate: gate.clone(),
            requests: Arc::clone(&requests),
            shutdown: shutdown.clone(),
        };
        let publisher = Publisher::start(mqtt, identity, environment)?;
        (Some(subscriber), Some(publisher))
    };
    let (publisher, thread) = publisher.unzip();
    let sink = Arc::new(ObservedPublisher {
        publisher,
        camera: Mutex::default(),
    });
    let metrics = Arc::new(Metrics::new());
    end_after(time, shutdown.clone())?;
    let begun = clock.now();
    let deps = Deps {
        opener,
        sensor: SensorSource::Loaded(Box::new(sensor)),
        gpio: gpio::open_gpio(&settings.gpio),
        preview: Preview::new(&gate),
        gate,
        requests,
        sink: sink.clone(),
        clock: clock.clone(),
        shutdown,
        governor: Governor::new(settings.health),
        health_interval: mqtt.health,
    };
    let result = pipeline::run(deps, &metrics);
    let samples = subscriber.map(LatencySubscriber::stop);
    let published = thread.map_or(Ok(()), |thread| thread.stop().map_err(Failure::from));
    result.and(published)?;
    let now = clock.now();
    let mut times = metrics.stages();
    let stages = Stage::ALL
        .into_iter()
        .filter_map(|stage| Some((stage, times.summary(now, stage)?)))
        .collect();
    let camera = sink.camera.lock().unwrap_or_else(PoisonError::into_inner).clone();
    if metrics.sensed_frames() == 0 {
        return Err(Failure::new(
            Exit::Camera,
            anyhow!("no frame in {} s: {camera}", time.as_secs_f32()),
        ));
    }
    Ok(Measurement {
        camera,
        frames: metrics.sensed_frames(),
        faces: metrics.faces(),
        seconds: now.saturating_sub(begun).as_secs_f32(),
        stages,
        samples,
    })
}

/// Raises `shutdown` after `time`, in a thread that ends when `shutdown` is raised.
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

/// Publishes if there is a broker, and records the camera's last status text.
struct ObservedPublisher {
    publisher: Option<Publisher>,
    camera: Mutex<String>,
}

impl Sink for ObservedPublisher {
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

    fn health(&self, health: &Health) {
        if let Some(publisher) = &self.publisher {
            publisher.health(health);
        }
    }
}

/// The metrics that have a budget.
fn metrics(measurement: &Measurement) -> Vec<(Metric, f64)> {
    let samples = measurement.samples.as_ref();
    let mut metrics: Vec<_> = samples
        .and_then(|samples| samples.percentile(95))
        .map(|time| (Metric::Latency, table::milliseconds(time)))
        .into_iter()
        .collect();
    let peak = Board::read().peak_rss_bytes;
    metrics.extend(peak.map(|bytes| (Metric::Rss, bytes as f64 / 1e6)));
    metrics
}

fn write_text(
    out: &mut dyn Write,
    measurement: &Measurement,
    budget: &Result<Comparison, NoBudget>,
) -> io::Result<()> {
    writeln!(
        out,
        "{}\n{} frames, {:.1} a second, {} faces\n",
        measurement.camera,
        measurement.frames,
        measurement.frames as f32 / measurement.seconds,
        measurement.faces
    )?;
    table::stages(out, &measurement.stages)?;
    match &measurement.samples {
        None => writeln!(
            out,
            "\nno broker (mqtt.host is empty): the total ends with the report"
        )?,
        Some(samples) => {
            let milliseconds = |percent| samples.percentile(percent).map_or(f64::NAN, table::milliseconds);
            writeln!(
                out,
                "\nfrom capture to a subscriber of the state: {} messages, p50 {:.1} ms, p95 {:.1} ms, \
                 max {:.1} ms, {} lost",
                samples.ages.len(),
                milliseconds(50),
                milliseconds(95),
                milliseconds(100),
                samples.lost
            )?;
        }
    }
    match budget {
        Ok(comparison) => comparison.write_text(out),
        Err(reason) => writeln!(out, "{reason}"),
    }
}

fn write_json(
    out: &mut dyn Write,
    measurement: &Measurement,
    machine: &Machine,
    budget: &Result<Comparison, NoBudget>,
) -> io::Result<()> {
    let subscriber = measurement.samples.as_ref().map_or(Value::Null, |samples| {
        let milliseconds = |percent| samples.percentile(percent).map(table::milliseconds);
        json!({
            "messages": samples.ages.len(),
            "lost": samples.lost,
            "p50_ms": milliseconds(50),
            "p95_ms": milliseconds(95),
            "max_ms": milliseconds(100),
        })
    });
    let object = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "machine": machine,
        "camera": measurement.camera,
        "seconds": measurement.seconds,
        "frames": measurement.frames,
        "faces": measurement.faces,
        "stages": table::json(&measurement.stages),
        "subscriber": subscriber,
        "budget": budget.as_ref().ok(),
        "no_budget": budget.as_ref().err().map(ToString::to_string),
    });
    writeln!(out, "{object}")
}

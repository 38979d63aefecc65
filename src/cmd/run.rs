//! `affectd run`: the daemon.

use std::sync::Arc;

use clap::Args;

use super::{Global, open_sensor, stop_on_signals};
use crate::{
    capture,
    clock::{Clock, SystemClock},
    config::{Line, Settings, SourceKind},
    error::{Exit, Failure},
    gpio,
    health::{Governor, Hardware},
    http::{self, Live, Server, aim},
    model::Registry,
    pipeline::{self, Deps, FanOut, Metrics, SensorSource, Sink},
    preview::Preview,
    privacy::PrivacyGate,
    publish::{Environment, Identity, Publisher},
    requests::{self, Requests},
    sense::engine,
    shutdown::Shutdown,
};

/// Runs the daemon
///
/// Publishes the expressions of the faces in view until SIGTERM, SIGINT or SIGHUP: to the broker in
/// mqtt.host, or to standard output as JSON lines if there is none. If the camera or the broker fails, it
/// waits for it to return.
#[derive(Debug, Args)]
pub struct Arguments {}

impl Arguments {
    pub(super) fn run(&self, global: &Global) -> Result<(), Failure> {
        let settings = global.settings()?;
        // Registered before the models are loaded, so a signal during that time causes a clean stop too.
        let shutdown = stop_on_signals()?;
        run(&settings, shutdown)
    }
}

/// Runs until a signal arrives or a finite source ends.
///
/// # Errors
/// [`Failure`] with the documented exit code: configuration, camera, broker credentials.
fn run(settings: &Settings, shutdown: Shutdown) -> Result<(), Failure> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let opener = capture::opener(&settings.camera, clock.clone())
        .map_err(|error| Failure::new(Exit::Config, error))?;
    let server = Server::open(&settings.http, aim::protocol::socket_of_this_daemon())?;
    // Loading takes seconds on a slow board, so everything that can fail without the networks comes first.
    let registry = Registry::open(&settings.models_dir()?)?;
    let manifest = engine::manifest(settings, &registry)?;
    let identity = Identity {
        hardware: Hardware::read(),
        page: settings.page_url(),
        ..Identity::of(settings.device_id(), &manifest)?
    };
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        device = %identity.device,
        model = identity.model,
        boot = identity.boot,
        "starting"
    );
    let gate = PrivacyGate::new().map_err(|error| Failure::new(Exit::Software, error))?;
    let has_led = settings.gpio.led != Line::Unused;
    let requests = Arc::new(Requests::new(has_led, requests::is_supervised()));
    let environment = Environment {
        clock: clock.clone(),
        gate: gate.clone(),
        requests: requests.clone(),
        shutdown: shutdown.clone(),
    };
    let sensor = sensor_source(settings)?;
    let preview = Preview::new(&gate);
    let metrics = Arc::new(Metrics::new());
    let (publisher, thread) = Publisher::start(&settings.mqtt, identity.clone(), environment)?;
    let link = publisher.link();
    let mut sinks: Vec<Arc<dyn Sink>> = vec![Arc::new(publisher)];
    let server = match server {
        None => None,
        Some(server) => {
            let live = Live::new(&gate);
            sinks.push(live.clone());
            let shared = http::Shared {
                live,
                metrics: metrics.clone(),
                broker: link,
                gate: gate.clone(),
                clock: clock.clone(),
                identity,
                facts: http::Facts::new(settings, &manifest),
            };
            Some(server.start(shared, preview.clone())?)
        }
    };
    let deps = Deps {
        opener,
        sensor,
        gpio: gpio::open_gpio(&settings.gpio),
        preview,
        gate,
        requests,
        sink: Arc::new(FanOut(sinks)),
        clock,
        shutdown,
        governor: Governor::new(settings.health),
        health_interval: settings.mqtt.health,
    };
    let result = pipeline::run(deps, &metrics);
    if let Some(server) = server {
        server.stop();
    }
    // Whatever ended the run, notify the subscribers.
    result.and(thread.stop().map_err(Failure::from))
}

/// A camera may fail to open, and a broker may command privacy, so the networks are loaded only after both
/// have been queried. Neither applies to files, and a recording is sensed from its first frame.
fn sensor_source(settings: &Settings) -> Result<SensorSource, Failure> {
    if settings.camera.source == SourceKind::Files {
        return Ok(SensorSource::Loaded(Box::new(open_sensor(settings)?.0)));
    }
    let later = settings.clone();
    Ok(SensorSource::OnceOpen {
        lost_after: settings.detect.lost,
        load: Box::new(move || Ok(open_sensor(&later)?.0)),
    })
}

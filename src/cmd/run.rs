//! `affectd run`: the daemon.

use std::sync::Arc;

use crate::{
    capture,
    category::Category,
    clock::{Clock, SystemClock},
    config::Settings,
    error::{Exit, Failure},
    gpio,
    health::Governor,
    model::Manifest,
    pipeline::{self, Figures, Parts, Sink},
    privacy::Switch,
    publish::{
        Identity, Publisher,
        payload::{CameraStatus, HealthPayload},
    },
    sense::{Sensor, face::Report},
    shutdown::Shutdown,
};

/// Runs until a signal or the end of a finite source.
///
/// # Errors
/// [`Failure`] with the documented exit code: configuration, camera, broker credentials.
pub fn run(
    settings: &Settings,
    sensor: Sensor,
    manifest: &Manifest,
    shutdown: Shutdown,
) -> Result<(), Failure> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let opener = capture::opener(&settings.camera, clock.clone())
        .map_err(|error| Failure::new(Exit::Config, error))?;
    let identity = identity(settings, manifest)?;
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        device = %identity.device,
        model = identity.model,
        boot = identity.boot,
        "starting"
    );
    let (publisher, thread) = Publisher::start(&settings.mqtt, identity, clock.clone())?;
    let parts = Parts {
        opener,
        sensor,
        fittings: gpio::fittings(&settings.gpio),
        sink: Arc::new(publisher),
        clock,
        shutdown,
        governor: Governor::new(settings.health),
        health_every: settings.mqtt.health,
    };
    let result = pipeline::run(parts, &Arc::new(Figures::new()));
    // Whatever ended the run: subscribers hear of it.
    thread.stop();
    result
}

/// Who publishes: this device with this model.
pub(crate) fn identity(settings: &Settings, manifest: &Manifest) -> Result<Identity, Failure> {
    let expression = manifest.expression()?;
    let categories: Vec<Category> = expression.logits.iter().map(|(category, _)| *category).collect();
    let sha256 = manifest.sha256.to_string();
    Ok(Identity::new(
        settings.device_id(),
        &manifest.name,
        &sha256,
        &categories,
        expression.va_origin(),
    ))
}

impl Sink for Publisher {
    fn report(&self, report: &Report) {
        Publisher::report(self, report);
    }

    fn camera(&self, status: CameraStatus, reason: &str) {
        Publisher::camera(self, status, reason);
    }

    fn health(&self, health: &HealthPayload) {
        Publisher::health(self, health);
    }

    fn switch(&self, switch: &Switch) {
        Publisher::switch(self, switch);
    }

    fn is_private(&self) -> bool {
        Publisher::is_private(self)
    }

    fn privacy_reason(&self) -> Option<String> {
        Publisher::privacy_reason(self)
    }

    fn failure(&self) -> Option<Failure> {
        self.fatal().map(Failure::from)
    }
}

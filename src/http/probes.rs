//! Health and readiness, for programs that monitor the daemon.

use std::time::Duration;

use axum::{extract::State, http::StatusCode, response::Response};
use serde::{Deserialize, Serialize};

use super::{answer::json, shared::Shared, site::SharedSite};
use crate::{capture::CameraStatus, privacy::Input};

/// A daemon that has work but finishes none of it for this long is stuck. systemd restarts it after twice
/// this time.
const STUCK: Duration = Duration::from_secs(15);

/// The answer of `/healthz` and `/readyz`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// Whether there are no faults.
    pub ok: bool,
    /// The faults found.
    pub faults: Vec<Fault>,
}

/// Something that does not work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// The part of the daemon.
    pub part: Part,
    /// Human-readable description.
    pub reason: String,
}

/// A part of the daemon that may fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// The threads that process frames.
    Pipeline,
    /// The camera.
    Camera,
    /// The connection to the broker.
    Broker,
}

impl Verdict {
    fn of(faults: Vec<Fault>) -> Self {
        Self {
            ok: faults.is_empty(),
            faults,
        }
    }

    fn respond(&self) -> Response {
        let status = if self.ok {
            StatusCode::OK
        } else {
            StatusCode::SERVICE_UNAVAILABLE
        };
        json(status, self)
    }
}

/// `GET /healthz`: whether the process makes progress.
pub async fn healthz(State(site): SharedSite) -> Response {
    health(&site.shared).respond()
}

/// `GET /readyz`: whether results reach their subscribers.
pub async fn readyz(State(site): SharedSite) -> Response {
    readiness(&site.shared).respond()
}

fn health(shared: &Shared) -> Verdict {
    let stuck = shared.metrics.stuck_for(shared.clock.now());
    let fault = (stuck >= STUCK).then(|| Fault {
        part: Part::Pipeline,
        reason: format!("no frame was finished for {} s", stuck.as_secs()),
    });
    Verdict::of(fault.into_iter().collect())
}

/// The camera must be ok, unless privacy was requested; the broker must be connected, unless none is
/// configured.
fn readiness(shared: &Shared) -> Verdict {
    let mut faults = Vec::new();
    let mut add = |part, reason| faults.push(Fault { part, reason });
    let newest = shared.live.newest();
    let privacy = shared.gate.privacy();
    let is_unwanted = privacy.command == Input::On || privacy.switch == Input::On;
    if newest.status != CameraStatus::Ok && !is_unwanted {
        add(
            Part::Camera,
            format!("{}: {}", newest.status.name(), newest.reason),
        );
    }
    let link = shared.broker.state();
    if !link.address.is_empty() && link.connected.is_none() {
        let why = if link.reason.is_empty() {
            "not connected yet"
        } else {
            &link.reason
        };
        add(Part::Broker, format!("{}: {why}", link.address));
    }
    Verdict::of(faults)
}

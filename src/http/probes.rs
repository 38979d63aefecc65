//! Whether the daemon works, for programs that watch it.

use std::time::Duration;

use axum::{
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse as _, Response},
};
use serde::{Deserialize, Serialize};

use super::{events::json, routes::SharedSite, shared::Shared};
use crate::{capture::CameraStatus, privacy::Input};

/// A daemon that has work and finishes none for this long is stuck. systemd restarts it after twice as long.
const STUCK: Duration = Duration::from_secs(15);

/// The answer of `/healthz` and `/readyz`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// Whether everything is as it should be.
    pub ok: bool,
    /// What is not, for a person.
    pub reasons: Vec<String>,
}

impl Verdict {
    fn of(reasons: Vec<String>) -> Self {
        Self {
            ok: reasons.is_empty(),
            reasons,
        }
    }

    fn respond(&self) -> Response {
        let status = if self.ok {
            StatusCode::OK
        } else {
            StatusCode::SERVICE_UNAVAILABLE
        };
        (status, [(header::CONTENT_TYPE, "application/json")], json(self)).into_response()
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
    let reason = (stuck >= STUCK).then(|| format!("no frame was finished for {} s", stuck.as_secs()));
    Verdict::of(reason.into_iter().collect())
}

/// The camera must be ok, unless somebody asked for privacy; the broker must be connected, unless there is
/// none.
fn readiness(shared: &Shared) -> Verdict {
    let mut reasons = Vec::new();
    let newest = shared.live.newest();
    let privacy = shared.gate.privacy();
    let is_unwanted = privacy.command == Input::On || privacy.switch == Input::On;
    if newest.status != CameraStatus::Ok && !is_unwanted {
        reasons.push(format!("camera {}: {}", newest.status.name(), newest.reason));
    }
    let link = shared.broker.state();
    if !link.address.is_empty() && link.connected.is_none() {
        let why = if link.reason.is_empty() {
            "not connected yet"
        } else {
            &link.reason
        };
        reasons.push(format!("broker {}: {why}", link.address));
    }
    Verdict::of(reasons)
}

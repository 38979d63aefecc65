//! `GET /metrics`: what a monitoring system collects from many boards.
//!
//! The cardinality of labels is bounded: neither tracks nor free-text reasons are labels.

mod exposition;
mod results;
mod system;

use axum::{
    extract::State,
    http::header,
    response::{IntoResponse as _, Response},
};

use self::exposition::{Exposition, Kind};
use super::{shared::Shared, site::SharedSite};

const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// All metrics as they are now.
pub async fn metrics(State(site): SharedSite) -> Response {
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], render(&site.shared)).into_response()
}

fn render(shared: &Shared) -> String {
    let mut text = Exposition::default();
    build(&mut text, shared);
    system::process(&mut text, shared);
    system::board(&mut text, &shared.metrics.reading());
    system::broker(&mut text, &shared.broker);
    let newest = shared.live.newest();
    results::camera(&mut text, shared, &newest);
    results::stages(&mut text, &shared.metrics);
    results::faces(&mut text, &newest);
    text.finish()
}

fn build(text: &mut Exposition, shared: &Shared) {
    let identity = &shared.identity;
    text.metric(
        "affectd_build_info",
        Kind::Gauge,
        "Version, device and model; always 1.",
    );
    let labels = [
        ("version", identity.version.as_str()),
        ("device", identity.device.as_str()),
        ("model", identity.model.as_str()),
        ("model_sha256", identity.sha256.as_str()),
    ];
    text.sample(&labels, 1.0);
}

/// 1 or 0.
fn truth(is_true: bool) -> f64 {
    f64::from(u8::from(is_true))
}

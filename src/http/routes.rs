//! The routes of the server.

use std::sync::Arc;

use axum::{
    Router,
    http::StatusCode,
    middleware,
    response::Response,
    routing::{get, post},
};

use super::{
    aim::view::AimView,
    answer::{json, refuse},
    events,
    guard::guard,
    metrics, page, privacy, probes,
    site::Site,
};

/// Every route of the server that `http.listen` configures.
pub fn router(site: Arc<Site>) -> Router {
    paths()
        .route("/metrics", get(metrics::metrics))
        .route("/aim", get(no_code))
        .fallback(not_found)
        .layer(middleware::from_fn_with_state(Arc::clone(&site), guard))
        .with_state(site)
}

/// The routes that the aiming page has too. All of them are read-only, except `/privacy`.
pub fn paths() -> Router<Arc<Site>> {
    page::routes()
        .route("/healthz", get(probes::healthz))
        .route("/readyz", get(probes::readyz))
        .route("/events", get(events::events))
        .route("/privacy", post(privacy::command))
}

/// The response for any other path.
pub async fn not_found() -> Response {
    refuse(StatusCode::NOT_FOUND, "there is nothing at this path")
}

/// `GET /aim`: this server needs no code.
async fn no_code() -> Response {
    let view = AimView {
        needs_code: false,
        opened: None,
    };
    json(StatusCode::OK, &view)
}

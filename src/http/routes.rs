//! The routes of the server.

use std::sync::Arc;

use axum::{
    Router,
    extract::State,
    http::StatusCode,
    middleware,
    response::Response,
    routing::{get, post},
};
use tokio::sync::Semaphore;

use super::{
    aim, answer::refuse, events, guard::guard, hosts::Hosts, metrics, page, privacy, probes, shared::Shared,
    token::Token,
};

/// Maximum number of pages and terminals that follow the events at a time.
const WATCHERS: usize = 8;

/// What the handlers need.
pub struct Site {
    /// The state to show.
    pub shared: Arc<Shared>,
    /// The token that requests must carry; `None` if none is required.
    pub token: Option<Token>,
    /// The names under which the server may be addressed.
    pub hosts: Hosts,
    /// One permit per page or terminal that follows the events.
    pub watchers: Arc<Semaphore>,
}

/// The extractor of [`Site`].
pub type SharedSite = State<Arc<Site>>;

impl Site {
    /// Starts without watchers.
    #[must_use]
    pub fn new(shared: Arc<Shared>, token: Option<Token>, hosts: Hosts) -> Self {
        Self {
            shared,
            token,
            hosts,
            watchers: Arc::new(Semaphore::new(WATCHERS)),
        }
    }
}

/// Every route of the server that `http.listen` configures.
pub fn router(site: Arc<Site>) -> Router {
    paths()
        .route("/metrics", get(metrics::metrics))
        .route("/aim", get(aim::no_code))
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

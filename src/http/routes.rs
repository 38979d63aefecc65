//! Which path is answered by what.

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

/// Most pages and terminals that are shown the events at a time.
const WATCHERS: usize = 8;

/// What the handlers need.
pub struct Site {
    /// What there is to show.
    pub shared: Arc<Shared>,
    /// What requests must know; `None`: nothing.
    pub token: Option<Token>,
    /// Under which names the server may be addressed.
    pub hosts: Hosts,
    /// A permit for each that is shown the events.
    pub watchers: Arc<Semaphore>,
}

/// The extractor of [`Site`].
pub type SharedSite = State<Arc<Site>>;

impl Site {
    /// Nobody watches yet.
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

/// Every path of the server that `http.listen` asks for.
pub fn router(site: Arc<Site>) -> Router {
    paths()
        .route("/metrics", get(metrics::metrics))
        .route("/aim", get(aim::no_code))
        .fallback(not_found)
        .layer(middleware::from_fn_with_state(Arc::clone(&site), guard))
        .with_state(site)
}

/// The paths that the page for aiming has too. All of them only read, except `/privacy`.
pub fn paths() -> Router<Arc<Site>> {
    page::routes()
        .route("/healthz", get(probes::healthz))
        .route("/readyz", get(probes::readyz))
        .route("/events", get(events::events))
        .route("/privacy", post(privacy::command))
}

/// The answer at any other path.
pub async fn not_found() -> Response {
    refuse(StatusCode::NOT_FOUND, "there is nothing at this path")
}

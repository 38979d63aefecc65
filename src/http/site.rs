//! What the handlers of requests share.

use std::sync::Arc;

use axum::extract::State;
use tokio::sync::Semaphore;

use super::{hosts::Hosts, shared::Shared, token::Token};

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

//! The stream of events that the live page and `affectd top` follow.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    extract::State,
    http::StatusCode,
    response::{
        IntoResponse as _, Response,
        sse::{Event, Sse},
    },
};
use futures_util::{Stream, stream};
use tokio::{
    sync::{OwnedSemaphorePermit, watch},
    time::{Instant, sleep_until, timeout},
};

use super::{
    answer::{refuse, text},
    site::{SharedSite, Site},
    view::View,
};

/// At most one event is sent in this time: a person cannot follow more, nor can a slow link carry more.
const INTERVAL: Duration = Duration::from_millis(200);

/// An event is sent at least this often, so a page can tell that the daemon is alive.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// How long a page waits before it reconnects.
const RECONNECT: Duration = Duration::from_secs(1);

/// `GET /events`: a [`View`] as JSON whenever something has changed.
pub async fn events(State(site): SharedSite) -> Response {
    let Ok(permit) = Arc::clone(&site.watchers).try_acquire_owned() else {
        return refuse(
            StatusCode::SERVICE_UNAVAILABLE,
            "too many pages are open; close one",
        );
    };
    let changes = site.shared.live.subscribe();
    Sse::new(views(Watcher {
        site,
        changes,
        next: Instant::now(),
        is_new: true,
        _permit: permit,
    }))
    .into_response()
}

/// One page or terminal that follows the events.
struct Watcher {
    site: Arc<Site>,
    changes: watch::Receiver<u64>,
    /// When the next event may be sent.
    next: Instant,
    is_new: bool,
    _permit: OwnedSemaphorePermit,
}

/// Polled for the next event only once the previous one has been written to the connection, so a slow reader
/// gets fewer, more recent events.
fn views(watcher: Watcher) -> impl Stream<Item = Result<Event, Infallible>> {
    stream::unfold(watcher, |mut watcher| async move {
        sleep_until(watcher.next).await;
        let is_first = std::mem::take(&mut watcher.is_new);
        if !is_first {
            // Send an event whether or not something has changed.
            let _ = timeout(HEARTBEAT, watcher.changes.changed()).await;
        }
        watcher.next = Instant::now() + INTERVAL;
        watcher.changes.mark_unchanged();
        let event = Event::default().data(text(&View::now(&watcher.site.shared)));
        let event = if is_first { event.retry(RECONNECT) } else { event };
        Some((Ok(event), watcher))
    })
}

//! Listens, and serves a bounded number of connections.

use std::{sync::Arc, time::Duration};

use axum::Router;
use tokio::{sync::Semaphore, task::JoinSet, time::sleep};
use tokio_rustls::TlsAcceptor;
use tracing::warn;

use super::{
    connection::{self, Peer},
    listener::Listener,
};
use crate::config::Place;

/// Maximum number of connections served at a time: a few pages, a monitoring system, and room for others that
/// idle until they time out.
const CONNECTIONS: usize = 32;

/// Maximum number of further connections that are told that there are too many; any beyond that are closed.
const REFUSALS: usize = 64;

/// Delay before an address that cannot be used is retried.
const RETRY: Duration = Duration::from_secs(2);

/// Serves the connections of a listener until it is dropped; they end with it.
pub async fn accept(listener: Listener, router: Router, acceptor: Option<TlsAcceptor>) {
    let (served, refused) = (
        Arc::new(Semaphore::new(CONNECTIONS)),
        Arc::new(Semaphore::new(REFUSALS)),
    );
    let mut connections = JoinSet::new();
    let mut fails = false;
    loop {
        let (stream, address) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                if !fails {
                    warn!(%error, "connections cannot be accepted, trying again");
                }
                fails = true;
                sleep(RETRY).await;
                continue;
            }
        };
        fails = false;
        // Remove those that have ended.
        while connections.try_join_next().is_some() {}
        if let Ok(permit) = Arc::clone(&served).try_acquire_owned() {
            let (router, acceptor) = (router.clone(), acceptor.clone());
            connections.spawn(async move {
                connection::serve(stream, Peer(address), acceptor, router).await;
                drop(permit);
            });
        } else if let Ok(permit) = Arc::clone(&refused).try_acquire_owned() {
            let is_plain = acceptor.is_none();
            connections.spawn(async move {
                if is_plain {
                    connection::refuse(stream).await;
                }
                drop(permit);
            });
        }
    }
}

/// Starts listening, and retries until that succeeds.
pub async fn bind(place: &Place) -> Listener {
    let mut is_known = false;
    loop {
        match Listener::bind(place) {
            Ok(listener) => return listener,
            Err(error) => {
                if !is_known {
                    warn!(address = %place, %error, "http.listen cannot be used, trying again");
                }
                is_known = true;
                sleep(RETRY).await;
            }
        }
    }
}

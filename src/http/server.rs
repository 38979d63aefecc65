//! The thread of the server: listens, and serves a bounded number of connections.

use std::{
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};

use tokio::{
    select,
    sync::{Notify, Semaphore},
    time::sleep,
};
use tracing::{info, warn};

use super::{
    connection::{self, Peer},
    error::HttpError,
    hosts::Hosts,
    listener::Listener,
    routes,
    routes::Site,
    shared::Shared,
    tls::Tls,
    token::Token,
};
use crate::config::{self, Place};

/// Most connections that are served at a time: a few pages, a monitoring system, and room for others that
/// idle until their time is up.
const CONNECTIONS: usize = 32;

/// Most further connections that are told that there are too many; beyond that they are closed.
const REFUSALS: usize = 64;

/// Pause before an address that cannot be used is tried again.
const RETRY: Duration = Duration::from_secs(2);

/// A server whose files were read, but which does not listen yet.
pub struct Server {
    place: Place,
    token: Option<Token>,
    tls: Option<Tls>,
}

impl Server {
    /// Reads what the settings name; `None` where `http.listen` is empty.
    ///
    /// # Errors
    /// [`HttpError`] if a file cannot be used.
    pub fn open(settings: &config::Http) -> Result<Option<Self>, HttpError> {
        let Some(place) = settings.listen.place().cloned() else {
            return Ok(None);
        };
        let token = if settings.token_file.as_os_str().is_empty() {
            None
        } else {
            Some(Token::read(&settings.token_file)?)
        };
        let tls = Tls::read(settings)?;
        Ok(Some(Self { place, token, tls }))
    }

    /// Starts the thread. An address that cannot be used now is tried again: a network may come later than the
    /// daemon.
    ///
    /// # Errors
    /// [`HttpError::Start`].
    pub fn start(self, shared: Shared) -> Result<ServerThread, HttpError> {
        let Self { place, token, tls } = self;
        let hosts = Hosts::new(&place, tls.as_ref().map(|tls| tls.certificate.clone()));
        let site = Arc::new(Site::new(shared, token, hosts));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let stop = Arc::new(Notify::new());
        let stopped = Arc::clone(&stop);
        let thread = thread::Builder::new().name("http".into()).spawn(move || {
            runtime.block_on(async {
                select! {
                    () = stopped.notified() => {}
                    () = run(&place, site, tls) => {}
                }
            });
            // Open connections end with the runtime.
        })?;
        Ok(ServerThread { stop, thread })
    }
}

/// The running server, to be stopped at the end.
#[must_use = "stop it, or the socket stays behind"]
pub struct ServerThread {
    stop: Arc<Notify>,
    thread: JoinHandle<()>,
}

impl ServerThread {
    /// Closes every connection and ends the thread.
    pub fn stop(self) {
        self.stop.notify_one();
        if self.thread.join().is_err() {
            warn!("the HTTP thread panicked; see the message above");
        }
    }
}

/// Listens and serves until it is dropped.
async fn run(place: &Place, site: Arc<Site>, tls: Option<Tls>) {
    let listener = bind(place).await;
    info!(address = %place, tls = tls.is_some(), "serving HTTP");
    let acceptor = tls.map(|tls| tls.acceptor);
    let router = routes::router(site);
    let (served, refused) = (
        Arc::new(Semaphore::new(CONNECTIONS)),
        Arc::new(Semaphore::new(REFUSALS)),
    );
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
        if let Ok(seat) = Arc::clone(&served).try_acquire_owned() {
            let (router, acceptor) = (router.clone(), acceptor.clone());
            tokio::spawn(async move {
                connection::serve(stream, Peer(address), acceptor, router).await;
                drop(seat);
            });
        } else if let Ok(seat) = Arc::clone(&refused).try_acquire_owned() {
            let is_plain = acceptor.is_none();
            tokio::spawn(async move {
                if is_plain {
                    connection::refuse(stream).await;
                }
                drop(seat);
            });
        }
    }
}

/// Listens as soon as that is possible.
async fn bind(place: &Place) -> Listener {
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

//! The thread of the server.

use std::{
    fmt, future,
    path::PathBuf,
    sync::Arc,
    thread::{self, JoinHandle},
};

use tokio::{join, select, sync::Notify};
use tracing::{info, warn};

use super::{
    accept::{accept, bind},
    aim::{self, Aim},
    error::HttpError,
    hosts::Hosts,
    routes,
    shared::Shared,
    site::Site,
    tls::Tls,
    token::Token,
};
use crate::{
    config::{self, Place},
    preview::Preview,
};

/// A server whose files were read, but which does not listen yet.
pub struct Server {
    page: Option<Page>,
    control: Option<PathBuf>,
}

/// The server that `http.listen` configures.
struct Page {
    place: Place,
    token: Option<Token>,
    tls: Option<Tls>,
}

impl Page {
    /// Reads the files that the settings name; `None` if `http.listen` is empty.
    fn open(settings: &config::Http) -> Result<Option<Self>, HttpError> {
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
}

impl Server {
    /// Reads the files that the settings name. `control` is the path of the console's control socket. `None`
    /// if there is neither that nor `http.listen`.
    ///
    /// # Errors
    /// [`HttpError`] if a file cannot be used.
    pub fn open(settings: &config::Http, control: Option<PathBuf>) -> Result<Option<Self>, HttpError> {
        let page = Page::open(settings)?;
        Ok((page.is_some() || control.is_some()).then_some(Self { page, control }))
    }

    /// Starts the thread. An address that cannot be used yet is retried, because the network may come up
    /// later than the daemon.
    ///
    /// # Errors
    /// [`HttpError::Start`].
    pub fn start(self, shared: Shared, preview: Preview) -> Result<ServerThread, HttpError> {
        let shared = Arc::new(shared);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let stop = Arc::new(Notify::new());
        let stopped = Arc::clone(&stop);
        let thread = thread::Builder::new().name("http".into()).spawn(move || {
            runtime.block_on(async {
                select! {
                    () = stopped.notified() => {}
                    () = self.run(shared, preview) => {}
                }
            });
            // Open connections end with the runtime.
        })?;
        Ok(ServerThread { stop, thread })
    }

    /// Listens and serves until it is dropped.
    async fn run(self, shared: Arc<Shared>, preview: Preview) {
        let page = async {
            if let Some(page) = self.page {
                serve(page, Arc::clone(&shared)).await;
            }
        };
        let console = async {
            if let Some(path) = self.control {
                aim::listen(path, Aim::new(Arc::clone(&shared), preview)).await;
            }
        };
        join!(page, console);
        // If neither could listen, the thread still ends only with the daemon.
        future::pending::<()>().await;
    }
}

impl fmt::Display for Server {
    /// The address of the live page, and what protects it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(page) = &self.page else {
            return f.write_str("no server (http.listen is empty)");
        };
        let token = page.token.as_ref().map_or("", |_| ", with a token");
        let tls = page.tls.as_ref().map_or("", |_| ", with TLS");
        write!(f, "{}{token}{tls}", page.place)
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

/// Listens at `http.listen` and serves until it is dropped.
async fn serve(page: Page, shared: Arc<Shared>) {
    let Page { place, token, tls } = page;
    let hosts = Hosts::new(&place, tls.as_ref().map(|tls| tls.certificate.clone()));
    let site = Arc::new(Site::new(shared, token, hosts));
    let listener = bind(&place).await;
    info!(address = %place, tls = tls.is_some(), "serving HTTP");
    accept(listener, routes::router(site), tls.map(|tls| tls.acceptor)).await;
}

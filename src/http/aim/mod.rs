//! Aiming the camera: a separate page on the loopback interface, opened from the board's console for ten
//! minutes and entered with a one-time code. Only this page may show the camera's picture.

mod control;
mod jpeg;
pub mod protocol;
mod routes;
mod secret;
mod session;
pub mod view;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{net::TcpListener, task::JoinHandle};

pub use self::control::listen;
use self::{
    secret::{Code, NoRandom, Token},
    session::{End, Refusal, Sessions},
};
use super::{accept::accept, hosts::Hosts, listener::Listener, shared::Shared, site::Site};
use crate::{config::Place, preview::Preview};

/// The session and its page.
pub struct Aim {
    state: Mutex<State>,
    shared: Arc<Shared>,
    preview: Preview,
}

#[derive(Default)]
struct State {
    sessions: Sessions,
    /// Serves the page of the current session.
    server: Option<JoinHandle<()>>,
}

/// What one session hands out.
struct Secrets {
    /// Shown at the board and exchanged for the token.
    code: Code,
    /// Lets the browser see the page.
    token: Token,
}

impl Secrets {
    fn random() -> Result<Self, NoRandom> {
        Ok(Self {
            code: Code::random()?,
            token: Token::random()?,
        })
    }
}

impl Aim {
    /// Starts without a session. The page shows the state in `shared` and the pictures of `preview`.
    #[must_use]
    pub fn new(shared: Arc<Shared>, preview: Preview) -> Self {
        let state = Mutex::default();
        Self {
            state,
            shared,
            preview,
        }
    }

    /// Begins a session and serves its page on `listener` at `place`; any earlier session ends. Returns its
    /// number.
    fn begin(self: &Arc<Self>, secrets: Secrets, preview: bool, listener: TcpListener, place: &Place) -> u64 {
        let site = Site::new(Arc::clone(&self.shared), None, Hosts::new(place, None));
        let router = routes::router(Arc::new(site), Arc::clone(self));
        let server = tokio::spawn(accept(Listener::Tcp(listener), router, None));
        let now = self.shared.clock.now();
        let mut state = self.lock();
        if let Some(earlier) = state.server.replace(server) {
            earlier.abort();
        }
        self.preview.close();
        if preview {
            self.preview.open(now + session::LENGTH);
            // The gate may have closed in the meantime.
            if self.shared.gate.permit().is_none() {
                self.preview.close();
            }
        }
        state.sessions.begin(now, secrets.code, secrets.token)
    }

    /// Ends the session with this number, and returns why it ended.
    fn end(&self, number: u64) -> End {
        let mut state = self.lock();
        let ended = state.sessions.ended(number, self.shared.clock.now());
        let end = ended.unwrap_or(End::Console);
        if end != End::Replaced {
            state.sessions.end(number);
            self.preview.close();
            if let Some(server) = state.server.take() {
                server.abort();
            }
        }
        end
    }

    /// Why the session with this number has ended; `None` while it is active.
    fn ended(&self, number: u64) -> Option<End> {
        self.lock().sessions.ended(number, self.shared.clock.now())
    }

    fn is_entered(&self, number: u64) -> bool {
        self.lock().sessions.is_entered(number)
    }

    /// Exchanges the code for the token, and returns how long it is valid.
    fn redeem(&self, code: &str) -> Result<(Token, Duration), Refusal> {
        let now = self.shared.clock.now();
        let mut state = self.lock();
        let token = state.sessions.redeem(now, code)?;
        let left = state.sessions.time_left(now, token.expose());
        Ok((token, left.unwrap_or_default()))
    }

    /// How much longer the holder of `token` may look; `None` if not at all.
    fn time_left(&self, token: &str) -> Option<Duration> {
        self.lock().sessions.time_left(self.shared.clock.now(), token)
    }

    /// A panic leaves the state consistent.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! Results to the outside: over MQTT, or without a broker as JSON lines on standard output.
//!
//! The way of a message: the pipeline puts the newest values into the `outbox`; one thread asks
//! `dispatch` what is due, which renders a [`payload`] for one of the [`topics`] and gives it to the
//! broker (`client`) or to standard output (`stdout`).

mod backoff;
mod client;
mod contact;
mod discovery;
mod dispatch;
mod listen;
mod loss;
mod options;
mod outbox;
pub mod payload;
mod stdout;
pub mod topics;

#[cfg(test)]
mod samples;

use std::{
    io,
    sync::{Arc, OnceLock, mpsc},
    thread::{self, JoinHandle},
    time::Duration,
};

use tracing::warn;

use self::{
    backoff::random,
    dispatch::{Dispatcher, Now},
    outbox::Outbox,
    payload::{CameraStatus, HealthPayload},
    topics::Topics,
};
pub use contact::{Contact, contact};
pub use listen::{Heard, Listener};
pub use options::readable_by_others;

use crate::{
    clock::Clock,
    config::{self, DeviceId},
    model::VaOrigin,
    privacy::Switch,
    sense::face::{Category, Report},
};

/// Longest wait of [`PublisherThread::stop`]; the thread itself gives up earlier.
const STOP_LIMIT: Duration = Duration::from_millis(700);

/// Who publishes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Name in topics and in Home Assistant.
    pub device: DeviceId,
    /// Name of the expression model's manifest.
    pub model: String,
    /// The first twelve digits of the model file's SHA-256.
    pub sha256: String,
    /// The daemon's version.
    pub version: String,
    /// 16 hexadecimal digits drawn at each start of the process, so that subscribers see a restart.
    pub boot: String,
    /// The categories that the model knows; empty for a model of valence and arousal alone.
    pub categories: Vec<Category>,
    /// Where the model's valence and arousal come from, if it has them.
    pub va: VaOrigin,
}

impl Identity {
    /// An identity with a new boot id. `sha256` is shortened.
    #[must_use]
    pub fn new(device: DeviceId, model: &str, sha256: &str, categories: &[Category], va: VaOrigin) -> Self {
        Self {
            device,
            model: model.into(),
            sha256: sha256.chars().take(12).collect(),
            version: env!("CARGO_PKG_VERSION").into(),
            boot: format!("{:016x}", random()),
            categories: categories.to_vec(),
            va,
        }
    }
}

/// The kinds of failure that end the daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PublishErrorKind {
    /// A setting or a file it names cannot be used.
    Config,
    /// The broker refused the credentials for good.
    Refused,
    /// The broker cannot be reached now; only a check ends with it.
    Unreachable,
    /// The system gave no thread or no event loop.
    System,
}

/// Why nothing can be published: the kind for the machine, the reason for the person.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct PublishError {
    /// What sort of failure.
    pub kind: PublishErrorKind,
    /// What was found, where, and what is allowed. Never holds a password.
    pub reason: String,
}

impl PublishError {
    fn config(reason: String) -> Self {
        Self {
            kind: PublishErrorKind::Config,
            reason,
        }
    }

    fn system(error: &io::Error) -> Self {
        Self {
            kind: PublishErrorKind::System,
            reason: format!("the publishing thread cannot be started: {error}"),
        }
    }
}

/// What the publisher's handles and its thread share.
struct Shared {
    outbox: Outbox,
    clock: Arc<dyn Clock>,
    fatal: OnceLock<PublishError>,
}

impl Shared {
    fn now(&self) -> Now {
        Now {
            monotonic: self.clock.now(),
            wall: self.clock.wall(),
        }
    }
}

/// A handle to publish with. Every call copies into a slot and returns: none waits for the broker.
#[derive(Clone)]
pub struct Publisher {
    shared: Arc<Shared>,
}

impl Publisher {
    /// Starts the publishing thread: towards the broker of `settings`, or to standard output without one.
    ///
    /// # Errors
    /// [`PublishError`] if a setting or a file it names cannot be used. A broker that cannot be reached is no
    /// error: the thread goes on trying.
    pub fn start(
        settings: &config::Mqtt,
        identity: Identity,
        clock: Arc<dyn Clock>,
    ) -> Result<(Self, PublisherThread), PublishError> {
        let topics = Topics::new(&settings.base, &identity.device, &settings.discovery_prefix);
        let shared = Arc::new(Shared {
            outbox: Outbox::new(),
            clock,
            fatal: OnceLock::new(),
        });
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| PublishError::system(&error))?;
        let (done, ended) = mpsc::channel::<()>();
        let builder = thread::Builder::new().name("publish".into());
        let for_thread = Arc::clone(&shared);
        let thread = if settings.host.is_empty() {
            // Home Assistant does not read our standard output.
            let dispatcher = Dispatcher::new(settings, identity, topics, false);
            builder.spawn(move || {
                let _done = done;
                runtime.block_on(stdout::run(&for_thread, dispatcher, io::stdout()));
            })
        } else {
            let options = options::options(settings, &identity, &topics)?;
            let destination = options::Destination::new(settings);
            if let Some(warning) = options::readable_by_others(settings) {
                warn!(broker = destination.address, "{warning}");
            }
            let dispatcher = Dispatcher::new(settings, identity, topics, settings.discovery);
            builder.spawn(move || {
                let _done = done;
                runtime.block_on(client::run(&for_thread, dispatcher, options, &destination));
                // A name that is still being looked up must not hold up the exit.
                runtime.shutdown_background();
            })
        };
        let thread = PublisherThread {
            thread: thread.map_err(|error| PublishError::system(&error))?,
            ended,
            shared: Arc::clone(&shared),
        };
        Ok((Self { shared }, thread))
    }

    /// Publishes a report; the newest wins, its events queue up to a bound. Allocates nothing. Ignored while
    /// privacy is on or the camera is not [`CameraStatus::Ok`]: report the camera first.
    pub fn report(&self, report: &Report) {
        self.shared.outbox.report(report, self.shared.clock.now());
    }

    /// Publishes the camera's status with a reason for a person. Any status but ok overwrites the retained state
    /// with `none` at once.
    pub fn camera(&self, status: CameraStatus, reason: &str) {
        self.shared.outbox.camera(status, reason);
    }

    /// Publishes the daemon's health; the newest wins.
    pub fn health(&self, health: &HealthPayload) {
        self.shared.outbox.health(health);
    }

    /// Takes the state of the privacy switch on the device.
    pub fn switch(&self, switch: &Switch) {
        self.shared.outbox.switch(switch);
    }

    /// Whether privacy is on, by command or by switch: sensing must stop at once. Published state is already
    /// overwritten.
    #[must_use]
    pub fn is_private(&self) -> bool {
        self.shared.outbox.is_private()
    }

    /// Why privacy is on, if it is.
    #[must_use]
    pub fn privacy_reason(&self) -> Option<String> {
        self.shared.outbox.privacy_reason()
    }

    /// Why publishing has ended for good, if it has; the daemon must end too.
    #[must_use]
    pub fn fatal(&self) -> Option<PublishError> {
        self.shared.fatal.get().cloned()
    }
}

/// The publishing thread, to be stopped at the end.
#[must_use = "stop it, or subscribers see the last will instead of a clean exit"]
pub struct PublisherThread {
    thread: JoinHandle<()>,
    ended: mpsc::Receiver<()>,
    shared: Arc<Shared>,
}

impl PublisherThread {
    /// Publishes `stopped`, waits for its acknowledgement and disconnects: at most 0.7 s altogether. If the
    /// broker does not answer, the connection is left to its last will.
    pub fn stop(self) {
        self.shared.outbox.stop();
        match self.ended.recv_timeout(STOP_LIMIT) {
            Err(mpsc::RecvTimeoutError::Timeout) => warn!("publishing did not end in time"),
            // The thread drops its end when it is done.
            _ => {
                if self.thread.join().is_err() {
                    warn!("the publishing thread panicked");
                }
            }
        }
    }
}

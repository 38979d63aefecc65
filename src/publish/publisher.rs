//! The handle for publishing, and the thread behind it.

use std::{
    fs::File,
    sync::{Arc, mpsc},
    thread::{self, JoinHandle},
    time::Duration,
};

use tracing::warn;

use super::{
    broker::Broker,
    client::{self, Route},
    connection_log::ConnectionLog,
    destination::{Destination, readable_by_others},
    dispatch::Dispatcher,
    error::{PublishError, PublishErrorKind},
    identity::Identity,
    lifetimes::Lifetimes,
    options,
    outbox::Outbox,
    privacy::PrivacyCommands,
    rotation::Rotation,
    session::Session,
    shared::Shared,
    stdout,
    topics::Topics,
};
use crate::{
    capture::CameraStatus,
    clock::Clock,
    config,
    health::{BrokerLink, Health},
    privacy::{Input, PrivacyGate},
    requests::Requests,
    sense::report::Report,
    shutdown::Shutdown,
};

/// Longest wait of [`PublisherThread::stop`]; the thread itself gives up earlier.
const STOP_LIMIT: Duration = Duration::from_millis(700);

/// What the publisher shares with the rest of the daemon.
pub struct Environment {
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// The publisher writes the commands that it receives, and observes the outcome.
    pub gate: PrivacyGate,
    /// Receives the commands that other threads carry out.
    pub requests: Arc<Requests>,
    /// The publisher raises it when it has failed permanently; [`PublisherThread::stop`] then returns the
    /// reason.
    pub shutdown: Shutdown,
}

/// A handle to publish with. Every call copies a value and returns: none waits for the broker.
#[derive(Clone)]
pub struct Publisher {
    shared: Arc<Shared>,
}

impl Publisher {
    /// Starts the publishing thread, which publishes to the broker of `settings`, or to standard output
    /// without one.
    ///
    /// # Errors
    /// [`PublishError`] if a setting, or a file that it names, cannot be used. An unreachable broker is not
    /// an error: the thread keeps trying.
    pub fn start(
        settings: &config::Mqtt,
        identity: Identity,
        environment: Environment,
    ) -> Result<(Self, PublisherThread), PublishError> {
        let Environment {
            clock,
            gate,
            requests,
            shutdown,
        } = environment;
        let topics = Topics::new(&settings.base, &identity.device, &settings.discovery_prefix);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(PublishError::start)?;
        let route = if settings.host.is_empty() {
            None
        } else {
            Some(Route {
                rotation: Rotation::new(Destination::all(settings), settings.version),
                connector: options::connector(settings)?,
                login: options::daemon(settings, &identity, &topics)?,
            })
        };
        let address = route
            .as_ref()
            .map_or_else(String::new, |route| route.rotation.current().0.address.clone());
        let shared = Arc::new(Shared {
            outbox: Outbox::new(),
            clock,
            link: Arc::new(BrokerLink::to(address)),
        });
        let lifetimes = Lifetimes::new(&topics, settings.refresh);
        let broker = Broker::new(lifetimes, Arc::clone(&shared.link));
        let dispatcher = Dispatcher::new(settings, identity, topics, requests, route.is_some());
        let (guard, ended) = end_guard(shutdown);
        let builder = thread::Builder::new().name("publish".into());
        let for_thread = Arc::clone(&shared);
        let thread = match route {
            None => {
                // Without a broker there are no commands.
                gate.set_command(Input::Off);
                // Bypasses the standard library's buffer, which keeps what it could not write.
                let output = rustix::stdio::stdout().try_clone_to_owned();
                let output = File::from(output.map_err(PublishError::start)?);
                builder.spawn(move || {
                    let _guard = guard;
                    runtime.block_on(stdout::run(&for_thread, dispatcher, output));
                    Ok(())
                })
            }
            Some(route) => {
                if let Some(warning) = readable_by_others(settings) {
                    warn!(broker = %settings.host.join(" "), "{warning}");
                }
                let gate = gate.clone();
                builder.spawn(move || {
                    let _guard = guard;
                    let log = ConnectionLog::new(route.login.client_id.clone());
                    let privacy = PrivacyCommands::new(&gate);
                    let session = Session::new(&for_thread, dispatcher, broker, privacy, log);
                    let result = runtime.block_on(client::run(&for_thread, session, route));
                    // A pending name lookup must not delay the exit.
                    runtime.shutdown_background();
                    result
                })
            }
        };
        let thread = PublisherThread {
            thread: thread.map_err(PublishError::start)?,
            ended,
            shared: Arc::clone(&shared),
        };
        let observer = Arc::clone(&shared);
        gate.observe(move |privacy| observer.outbox.privacy(privacy));
        Ok((Self { shared }, thread))
    }

    /// The connection to the broker.
    #[must_use]
    pub fn link(&self) -> Arc<BrokerLink> {
        Arc::clone(&self.shared.link)
    }

    /// Publishes a report; the newest wins, its events queue up to a bound. Allocates nothing. Ignored while
    /// privacy is on or the camera is not [`CameraStatus::Ok`]: report the camera first.
    pub fn report(&self, report: &Report) {
        self.shared.outbox.report(report, self.shared.clock.now());
    }

    /// Publishes the camera's status with a reason for a person. Any status but ok overwrites the retained
    /// state with `none` at once.
    pub fn camera(&self, status: CameraStatus, reason: &str) {
        self.shared.outbox.camera(status, reason);
    }

    /// Publishes the daemon's health; the newest wins.
    pub fn health(&self, health: &Health) {
        self.shared.outbox.health(health);
    }
}

/// The publishing thread, to be stopped at the end.
#[must_use = "stop it, or subscribers see the last will instead of a clean exit"]
pub struct PublisherThread {
    thread: JoinHandle<Result<(), PublishError>>,
    ended: mpsc::Receiver<()>,
    shared: Arc<Shared>,
}

impl PublisherThread {
    /// Publishes `stopped`, waits for its acknowledgement and disconnects: at most 0.7 s altogether. If the
    /// broker does not answer, the connection is left to its last will.
    ///
    /// # Errors
    /// What ended the thread before, if anything did: [`PublishErrorKind::Refused`] or a panic.
    pub fn stop(self) -> Result<(), PublishError> {
        self.shared.outbox.stop();
        if self.ended.recv_timeout(STOP_LIMIT) == Err(mpsc::RecvTimeoutError::Timeout) {
            warn!("publishing did not end in time");
            return Ok(());
        }
        // The thread drops its end of the channel when it ends.
        self.thread.join().unwrap_or_else(|_| {
            Err(PublishError::new(
                PublishErrorKind::System,
                "the publishing thread panicked; see the message above",
            ))
        })
    }
}

/// Held by the thread; when it is dropped the daemon must end too.
struct EndGuard {
    _done: mpsc::Sender<()>,
    shutdown: Shutdown,
}

impl Drop for EndGuard {
    fn drop(&mut self) {
        self.shutdown.raise();
    }
}

fn end_guard(shutdown: Shutdown) -> (EndGuard, mpsc::Receiver<()>) {
    let (done, ended) = mpsc::channel();
    (
        EndGuard {
            _done: done,
            shutdown,
        },
        ended,
    )
}

//! One try at the broker, for `affectd check`: is its name known, does it answer, and does it take the credentials?

use std::{
    fmt,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use rumqttc::{
    AsyncClient, ConnectionError, Event, EventLoop, MqttOptions, NetworkOptions, Outgoing, Packet,
    default_socket_connect,
};
use tokio::{net::lookup_host, time::timeout};

use super::{PublishError, PublishErrorKind, loss::Loss, options, options::Destination};
use crate::config::{self, DeviceId};

/// How long the name, the connection, TLS and the broker's answer may take together.
const PATIENCE: Duration = Duration::from_secs(5);

/// A broker that accepts this device.
#[derive(Debug)]
pub struct Contact {
    destination: Destination,
    address: Option<SocketAddr>,
    took: Duration,
}

impl fmt::Display for Contact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.destination.address)?;
        if let Some(address) = self.address {
            write!(f, " ({address})")?;
        }
        let milliseconds = self.took.as_millis();
        write!(f, " accepts this device, answered in {milliseconds} ms")
    }
}

/// Connects to the broker of `settings`, waits for its word and disconnects; publishes nothing. `device` is the device's name,
/// which becomes part of a client id of its own, so that a running daemon keeps its session.
///
/// # Errors
/// [`PublishErrorKind::Config`] if a file cannot be used, [`PublishErrorKind::Unreachable`] or
/// [`PublishErrorKind::Refused`] with what was found on the way.
pub fn contact(settings: &config::Mqtt, device: &DeviceId) -> Result<Contact, PublishError> {
    let destination = Destination::new(settings);
    let progress = Progress::default();
    let id = format!("affectd-{}-check", device);
    let mut options = options::connection(settings, id)?;
    let on_way = progress.clone();
    options.set_socket_connector(move |target, network| connect(target, network, on_way.clone()));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| PublishError::system(&error))?;
    let begun = Instant::now();
    let result = runtime.block_on(greet(options));
    // A name that is still being looked up must not hold up the answer.
    runtime.shutdown_background();
    let reached = progress.get();
    match result {
        Ok(()) => Ok(Contact {
            destination,
            address: reached.address(),
            took: begun.elapsed(),
        }),
        Err(error) => Err(explain(error, &reached, &destination)),
    }
}

/// How far the connection came.
#[derive(Debug, Clone, Default)]
enum Reached {
    /// The name is being looked up.
    #[default]
    Nothing,
    /// The name is known; this address is tried.
    Name(SocketAddr),
    /// TCP connected.
    Port(SocketAddr),
}

impl Reached {
    fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::Nothing => None,
            Self::Name(address) | Self::Port(address) => Some(*address),
        }
    }
}

/// Shared between the library, which connects, and whoever explains what came of it.
#[derive(Debug, Clone, Default)]
struct Progress(Arc<Mutex<Reached>>);

impl Progress {
    fn set(&self, reached: Reached) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = reached;
    }

    fn get(&self) -> Reached {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Looks the name up and tries its addresses in turn. `target` is `host:port`.
async fn connect(
    target: String,
    network: NetworkOptions,
    progress: Progress,
) -> std::io::Result<tokio::net::TcpStream> {
    let mut last = std::io::Error::new(std::io::ErrorKind::NotFound, "the name has no address");
    for address in lookup_host(target).await? {
        progress.set(Reached::Name(address));
        match default_socket_connect(address.to_string(), network.clone()).await {
            Ok(stream) => {
                progress.set(Reached::Port(address));
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Waits for the broker's word and says goodbye.
async fn greet(mut options: MqttOptions) -> Result<(), ConnectionError> {
    options.set_clean_session(true);
    let (client, mut events) = AsyncClient::builder(options).capacity(1).build();
    let mut network = events.network_options();
    network.set_connection_timeout(PATIENCE.as_secs());
    events.set_network_options(network);
    match timeout(PATIENCE, accepted(&mut events)).await {
        Ok(result) => result?,
        Err(_) => return Err(ConnectionError::NetworkTimeout),
    }
    // The answer is known: what becomes of the goodbye is the broker's affair.
    if client.try_disconnect_now().is_ok() {
        let _ = timeout(PATIENCE, async {
            while !matches!(
                events.poll().await,
                Ok(Event::Outgoing(Outgoing::Disconnect)) | Err(_)
            ) {}
        })
        .await;
    }
    Ok(())
}

async fn accepted(events: &mut EventLoop) -> Result<(), ConnectionError> {
    while !matches!(events.poll().await?, Event::Incoming(Packet::ConnAck(_))) {}
    Ok(())
}

/// What was found, where on the way, and what to look at.
fn explain(error: ConnectionError, reached: &Reached, destination: &Destination) -> PublishError {
    let Destination { address: broker, .. } = destination;
    let seconds = PATIENCE.as_secs();
    let timed_out = matches!(error, ConnectionError::NetworkTimeout);
    let loss = Loss::Connection(error);
    if let Some(refusal) = loss.refused_credentials() {
        return destination.refuses(refusal);
    }
    let reason = match reached {
        Reached::Nothing if timed_out => format!(
            "{broker}: its name could not be looked up within {seconds} s: check this device's network and DNS"
        ),
        Reached::Nothing => format!(
            "{broker}: its name is not known here ({}): check mqtt.host, and this device's network and DNS",
            loss.describe(destination)
        ),
        Reached::Name(address) if timed_out => format!(
            "{broker}: no answer from {address} within {seconds} s: is it switched on, and does a firewall let this \
             port through?"
        ),
        Reached::Name(address) => format!(
            "{broker}: no connection to {address} ({}): does the broker run there, and listen on this port for other \
             machines?",
            loss.describe(destination)
        ),
        Reached::Port(address) if timed_out => format!(
            "{broker}: {address} takes the connection but does not answer within {seconds} s: is it a broker's port, \
             and is mqtt.tls right for it?"
        ),
        Reached::Port(address) => format!(
            "{broker}: {address}: {}{}",
            loss.describe(destination),
            loss.question()
        ),
    };
    PublishError {
        kind: PublishErrorKind::Unreachable,
        reason,
    }
}

//! One attempt to connect, for `affectd check`: is the broker's name known, does it answer, and does it
//! accept the credentials?

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

use super::{
    destination::Destination,
    disconnect::DisconnectReason,
    error::{PublishError, PublishErrorKind},
    options,
};
use crate::config::{self, DeviceId};

/// Time limit for name look-up, connection, TLS and the broker's answer together.
const PATIENCE: Duration = Duration::from_secs(5);

/// A broker that accepts this device, with its address and the time that it took to answer.
#[derive(Debug)]
pub struct BrokerProbe {
    destination: Destination,
    address: Option<SocketAddr>,
    elapsed: Duration,
}

impl fmt::Display for BrokerProbe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.destination.address)?;
        if let Some(address) = self.address {
            write!(f, " ({address})")?;
        }
        let milliseconds = self.elapsed.as_millis();
        write!(f, " accepts this device, answered in {milliseconds} ms")
    }
}

/// Connects to the broker of `settings`, waits for its answer and disconnects; publishes nothing. `device` is
/// the device's name. The client id differs from the daemon's, so that a running daemon keeps its session.
///
/// # Errors
/// [`PublishErrorKind::Config`] if a file cannot be used, [`PublishErrorKind::Unreachable`] or
/// [`PublishErrorKind::Refused`] with what was found on the way.
pub fn probe_broker(settings: &config::Mqtt, device: &DeviceId) -> Result<BrokerProbe, PublishError> {
    let destination = Destination::new(settings);
    let progress = Progress::default();
    let id = format!("{}-check", options::client_id(device));
    let mut options = options::connection(settings, id)?;
    let for_connector = progress.clone();
    options.set_socket_connector(move |target, network| connect(target, network, for_connector.clone()));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(PublishError::start)?;
    let begun = Instant::now();
    let result = runtime.block_on(connect_once(options));
    // A name that is still being looked up must not delay the answer.
    runtime.shutdown_background();
    let reached = progress.get();
    match result {
        Ok(()) => Ok(BrokerProbe {
            destination,
            address: reached.address(),
            elapsed: begun.elapsed(),
        }),
        Err(error) => Err(explain(error, &reached, &destination)),
    }
}

/// How far the connection got.
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

/// Shared between the library, which connects, and the explanation of the outcome.
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

/// Waits for the broker's answer and disconnects.
async fn connect_once(mut options: MqttOptions) -> Result<(), ConnectionError> {
    options.set_clean_session(true);
    let (client, mut events) = AsyncClient::builder(options).capacity(1).build();
    let mut network = events.network_options();
    network.set_connection_timeout(PATIENCE.as_secs());
    events.set_network_options(network);
    match timeout(PATIENCE, accepted(&mut events)).await {
        Ok(result) => result?,
        Err(_) => return Err(ConnectionError::NetworkTimeout),
    }
    // The answer is known: whether the disconnect succeeds does not matter.
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

/// Says how far the connection got, what happened there, and what to check.
fn explain(error: ConnectionError, reached: &Reached, destination: &Destination) -> PublishError {
    let Destination { address: broker, .. } = destination;
    let seconds = PATIENCE.as_secs();
    let timed_out = matches!(error, ConnectionError::NetworkTimeout);
    let disconnect = DisconnectReason::Connection(error);
    if let Some(refusal) = disconnect.refused_credentials() {
        return destination.refuses(refusal);
    }
    let reason = match reached {
        Reached::Nothing if timed_out => format!(
            "{broker}: its name could not be looked up within {seconds} s: check this device's network and DNS"
        ),
        Reached::Nothing => format!(
            "{broker}: its name is not known here ({}): check mqtt.host, and this device's network and DNS",
            disconnect.describe(destination)
        ),
        Reached::Name(address) if timed_out => format!(
            "{broker}: no answer from {address} within {seconds} s: is it switched on, and does a firewall let this \
             port through?"
        ),
        Reached::Name(address) => format!(
            "{broker}: no connection to {address} ({}): does the broker run there, and listen on this port for other \
             machines?",
            disconnect.describe(destination)
        ),
        Reached::Port(address) if timed_out => format!(
            "{broker}: {address} takes the connection but does not answer within {seconds} s: is it a broker's port, \
             and is mqtt.tls right for it?"
        ),
        Reached::Port(address) => format!(
            "{broker}: {address}: {}{}",
            disconnect.describe(destination),
            disconnect.question()
        ),
    };
    PublishError::new(PublishErrorKind::Unreachable, reason)
}

//! Tries each broker once, for `affectd check`: is its name known, does it answer, does it accept the
//! credentials, and may this device publish and receive?

use std::{
    fmt,
    net::SocketAddr,
    time::{Duration, Instant},
};

use tokio::time::timeout;

use super::{
    connection::{
        event::Event,
        link,
        login::{Login, Will},
        negotiation::Negotiation,
        stream::{CONNECT_TIMEOUT, Connector},
        version::Version,
    },
    destination::Destination,
    disconnect::DisconnectReason,
    error::{PublishError, PublishErrorKind},
    options,
    permissions::Permissions,
    topics::Topics,
};
use crate::{
    clock::{Clock as _, SystemClock},
    config::{self, DeviceId},
};

/// How long the broker may take to grant the subscriptions and to return a message.
const ECHO_LIMIT: Duration = Duration::from_secs(5);

/// What was found at the brokers, of which at least one accepts this device.
#[derive(Debug)]
pub struct BrokerProbe(Vec<Result<Accepted, PublishError>>);

/// A broker that accepts this device.
#[derive(Debug)]
struct Accepted {
    broker: String,
    address: Option<SocketAddr>,
    version: Version,
    /// Time until it accepted the connection.
    elapsed: Duration,
    /// What it permits, in words.
    permissions: String,
}

impl fmt::Display for BrokerProbe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, found) in self.0.iter().enumerate() {
            if number > 0 {
                f.write_str("; ")?;
            }
            match found {
                Ok(accepted) => accepted.fmt(f)?,
                Err(error) => write!(f, "but {error}")?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for Accepted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.broker)?;
        if let Some(address) = self.address {
            write!(f, " ({address})")?;
        }
        write!(
            f,
            " accepts this device with {}, answered in {} ms; {}",
            self.version,
            self.elapsed.as_millis(),
            self.permissions
        )
    }
}

/// Connects to every broker of `settings`, tries its permissions, and disconnects. `device` is the device's
/// name. The client id differs from the daemon's, so a running daemon keeps its session. Brokers refuse a
/// last will that they cannot keep, so there is one as the daemon has; should the connection break, it is an
/// empty result.
///
/// # Errors
/// [`PublishErrorKind::Config`] if a file cannot be used, [`PublishErrorKind::Unreachable`] or
/// [`PublishErrorKind::Refused`] with what was found on the way, if no broker accepts this device.
pub fn probe_broker(settings: &config::Mqtt, device: &DeviceId) -> Result<BrokerProbe, PublishError> {
    let id = format!("{}-check", options::client_id(settings, device));
    let topics = Topics::new(&settings.base, device, &settings.discovery_prefix);
    let probe = Probe {
        login: Login {
            will: Some(Will {
                topic: topics.result.clone(),
                payload: "",
            }),
            ..options::login(settings, id)?
        },
        connector: options::connector(settings)?,
        topics,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(PublishError::start)?;
    let mut found = Vec::new();
    for destination in Destination::all(settings) {
        let mut negotiation = Negotiation::new(settings.version);
        found.push(runtime.block_on(probe.run(&destination, &mut negotiation)));
    }
    // A pending name lookup must not delay the answer.
    runtime.shutdown_background();
    if found.iter().any(Result::is_ok) {
        return Ok(BrokerProbe(found));
    }
    let mut errors = found.into_iter().filter_map(Result::err);
    let Some(mut first) = errors.next() else {
        return Err(PublishError::config("mqtt.host is empty"));
    };
    for error in errors {
        first.reason += &format!("; {error}");
    }
    Err(first)
}

struct Probe {
    login: Login,
    connector: Connector,
    topics: Topics,
}

impl Probe {
    /// Tries one broker with each version that may work.
    async fn run(
        &self,
        destination: &Destination,
        negotiation: &mut Negotiation,
    ) -> Result<Accepted, PublishError> {
        loop {
            let version = negotiation.version();
            let reason = match self.connect(destination, version).await {
                Ok(accepted) => return accepted,
                Err(reason) => reason,
            };
            if !negotiation.failed(&reason) {
                return Err(explain(&reason, destination));
            }
        }
    }

    /// Connects once. The inner error is about what the broker does after it has accepted the connection.
    async fn connect(
        &self,
        destination: &Destination,
        version: Version,
    ) -> Result<Result<Accepted, PublishError>, DisconnectReason> {
        let begun = Instant::now();
        let opened = self.connector.open(&destination.endpoint).await?;
        let (requests, mut events) = link::log_in(version, &self.login, opened.stream);
        let limits = loop {
            if let Event::Accepted(limits) = events.next().await? {
                break limits;
            }
        };
        let elapsed = begun.elapsed();
        let mut permissions = Permissions::new(&self.topics, version, limits, SystemClock::new().wall());
        let proof = timeout(ECHO_LIMIT, permissions.prove(destination, &requests, &mut events));
        let proof = match proof.await {
            Ok(proof) => proof,
            Err(_) => Err(permissions.missing()),
        };
        requests.disconnect();
        // The answer is known, so a failed disconnect is not an error.
        let _ = timeout(CONNECT_TIMEOUT, async {
            while !matches!(events.next().await, Ok(Event::Disconnected) | Err(_)) {}
        })
        .await;
        let broker = destination.address.clone();
        Ok(match proof {
            Ok(()) => Ok(Accepted {
                broker,
                address: opened.address,
                version,
                elapsed,
                permissions: permissions.to_string(),
            }),
            Err(found) => Err(PublishError::new(
                PublishErrorKind::Refused,
                format!("{broker} accepts the connection, but {found}"),
            )),
        })
    }
}

/// Says how far the connection got, what happened there, and what to check.
pub(super) fn explain(reason: &DisconnectReason, destination: &Destination) -> PublishError {
    if let Some(refusal) = reason.refused_credentials() {
        return destination.refuses(refusal);
    }
    let Destination { address: broker, .. } = destination;
    let seconds = CONNECT_TIMEOUT.as_secs();
    let words = reason.describe(destination);
    let is_late = |error: &std::io::Error| error.kind() == std::io::ErrorKind::TimedOut;
    let found = match reason {
        DisconnectReason::Lookup(error) if is_late(error) => format!(
            "{broker}: its name could not be looked up within {seconds} s: check this device's network and DNS"
        ),
        DisconnectReason::Lookup(_) => format!(
            "{broker}: its name is not known here ({words}): check mqtt.host, and this device's network and DNS"
        ),
        DisconnectReason::Connect(Some(address), error) if is_late(error) => format!(
            "{broker}: no answer from {address} within {seconds} s: is it switched on, and does a firewall let this \
             port through?"
        ),
        DisconnectReason::Connect(Some(address), _) => format!(
            "{broker}: no connection to {address} ({words}): does the broker run there, and listen on this port for \
             other machines?"
        ),
        DisconnectReason::Connect(None, _) => {
            format!(
                "{broker}: no connection ({words}): does the broker run, and may this user open its socket?"
            )
        }
        DisconnectReason::Unanswered => format!(
            "{broker} takes the connection but does not answer within {seconds} s: is it a broker's port, and is \
             mqtt.tls right for it?"
        ),
        _ => format!("{broker}: {words}{}", reason.question(destination)),
    };
    PublishError::new(PublishErrorKind::Unreachable, found)
}

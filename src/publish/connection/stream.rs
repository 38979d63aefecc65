//! Opens the byte stream to a broker: TCP or a Unix socket, then TLS, then WebSocket, as configured.

use std::{
    io,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use async_tungstenite::tungstenite::{
    client::IntoClientRequest, http::HeaderValue, protocol::WebSocketConfig,
};
use rumqttc_core::{WsAdapter, validate_response_headers};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream, lookup_host},
    time::timeout,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{ClientConfig, pki_types::ServerName},
};

use super::{
    endpoint::Endpoint,
    filtered::Filtered,
    websocket_frames::{Frames, MAX_MESSAGE},
};
use crate::publish::disconnect::DisconnectReason;

/// Time limit for name look-up, connection, TLS and WebSocket together.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// A bidirectional byte stream.
pub trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for S {}

/// An open stream of any kind.
pub type Stream = Box<dyn ByteStream>;

/// TLS towards any of the configured brokers.
#[derive(Clone)]
pub struct Tls {
    /// Trusted authorities, client certificate and protocols.
    pub config: Arc<ClientConfig>,
    /// The name that the certificate must be for, if it is not the host's.
    pub server_name: Option<ServerName<'static>>,
}

/// Opens streams to the configured brokers.
#[derive(Clone)]
pub struct Connector {
    /// `None`: no TLS.
    pub tls: Option<Tls>,
    /// The path of the broker's WebSocket; `None`: no WebSocket.
    pub websocket_path: Option<String>,
}

/// An open stream and the address that it leads to; a Unix socket has none.
pub struct Opened {
    /// The stream.
    pub stream: Stream,
    /// The broker's address.
    pub address: Option<SocketAddr>,
}

impl Connector {
    /// Opens a stream to `endpoint`.
    ///
    /// # Errors
    /// The step that failed, and why.
    pub async fn open(&self, endpoint: &Endpoint) -> Result<Opened, DisconnectReason> {
        let begun = Instant::now();
        let (host, port) = match endpoint {
            Endpoint::Unix(path) => {
                let stream = limited(begun, UnixStream::connect(path))
                    .await
                    .map_err(|error| DisconnectReason::Connect(None, error))?;
                return Ok(Opened {
                    stream: Box::new(stream),
                    address: None,
                });
            }
            Endpoint::Tcp { host, port } => (host.as_str(), *port),
        };
        let (stream, address) = connect(host, port, begun).await?;
        let mut stream: Stream = Box::new(stream);
        if let Some(tls) = &self.tls {
            let secured = limited(begun, secure(tls, host, stream)).await;
            stream = secured.map_err(DisconnectReason::tls)?;
        }
        if let Some(path) = &self.websocket_path {
            let upgraded = timeout(remaining(begun), upgrade(host, port, path, stream)).await;
            stream = match upgraded {
                Ok(upgraded) => upgraded?,
                Err(_) => return Err(DisconnectReason::Unanswered),
            };
        }
        Ok(Opened {
            stream,
            address: Some(address),
        })
    }
}

fn remaining(begun: Instant) -> Duration {
    CONNECT_TIMEOUT.saturating_sub(begun.elapsed())
}

/// Runs one step for the rest of the time limit at most.
async fn limited<T>(begun: Instant, step: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    match timeout(remaining(begun), step).await {
        Ok(result) => result,
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    }
}

/// Looks the name up and tries its addresses in turn. Each gets its share of the time, so an address that
/// does not answer leaves time for the next.
async fn connect(host: &str, port: u16, begun: Instant) -> Result<(TcpStream, SocketAddr), DisconnectReason> {
    let addresses = limited(begun, lookup_host((host, port))).await;
    let addresses: Vec<_> = addresses.map_err(DisconnectReason::Lookup)?.collect();
    let nothing = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    let mut last = DisconnectReason::Lookup(nothing);
    for (number, address) in (0_u32..).zip(&addresses) {
        let share = remaining(begun) / (addresses.len() as u32 - number);
        let connected = match timeout(share, TcpStream::connect(address)).await {
            Ok(connected) => connected,
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        };
        match connected.and_then(|stream| {
            // Messages are written whole: waiting for more would only delay them.
            stream.set_nodelay(true)?;
            Ok(stream)
        }) {
            Ok(stream) => return Ok((stream, *address)),
            Err(error) => last = DisconnectReason::Connect(Some(*address), error),
        }
    }
    Err(last)
}

async fn secure(tls: &Tls, host: &str, stream: Stream) -> io::Result<Stream> {
    let name = match &tls.server_name {
        Some(name) => name.clone(),
        None => ServerName::try_from(host.to_owned()).map_err(io::Error::other)?,
    };
    let connector = TlsConnector::from(Arc::clone(&tls.config));
    Ok(Box::new(connector.connect(name, stream).await?))
}

/// Upgrades the stream to a WebSocket (MQTT 5, section 6).
async fn upgrade(host: &str, port: u16, path: &str, stream: Stream) -> Result<Stream, DisconnectReason> {
    let failed = |error: &dyn std::fmt::Display| DisconnectReason::WebSocket(error.to_string());
    let host = if host.contains(':') {
        format!("[{host}]")
    } else {
        host.to_owned()
    };
    // TLS was already set up if configured: this URL only provides the request's header.
    let mut request = format!("ws://{host}:{port}{path}")
        .into_client_request()
        .map_err(|error| failed(&error))?;
    request
        .headers_mut()
        .insert("Sec-WebSocket-Protocol", HeaderValue::from_static("mqtt"));
    let limits = WebSocketConfig::default()
        .max_message_size(Some(MAX_MESSAGE))
        .max_frame_size(Some(MAX_MESSAGE));
    let stream = Filtered::new(stream, Frames::new());
    let upgraded = async_tungstenite::tokio::client_async_with_config(request, stream, Some(limits)).await;
    let (socket, response) = upgraded.map_err(|error| failed(&error))?;
    validate_response_headers(&response).map_err(|error| failed(&error))?;
    Ok(Box::new(WsAdapter::new(socket)))
}

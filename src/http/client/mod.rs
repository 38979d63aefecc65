//! A client for the server of the daemon that runs on this device with the same settings.

mod pinned;

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
    os::unix::net::UnixStream,
    sync::Arc,
    time::Duration,
};

use tokio_rustls::rustls::{ClientConfig, ClientConnection, Error, StreamOwned, pki_types::ServerName};

use super::{error::HttpError, tls, token::Token, view::View};
use crate::{
    config::{self, Place},
    text,
};

/// Timeout for connecting and between two parts of a response. The stream of events has one per second.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Maximum length of a response in bytes.
const MAX_RESPONSE: u64 = 1 << 20;

/// Why the daemon did not answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nothing listens, or the connection broke.
    #[error("{address} does not answer; is the daemon running, with this http.listen?")]
    Unreachable {
        /// The address of the server.
        address: String,
        /// The cause.
        source: io::Error,
    },
    /// The response is not what was requested.
    #[error("{address} answered {answer:?}")]
    Unexpected {
        /// The address of the server.
        address: String,
        /// The beginning of the response.
        answer: String,
    },
}

/// A client of one server.
pub struct Client {
    place: Place,
    authorization: Option<String>,
    tls: Option<Arc<ClientConfig>>,
}

trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

/// A response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// Its HTTP status.
    pub status: u16,
    /// Its text.
    pub body: String,
}

impl Client {
    /// A client of the server with these settings; `None` if `http.listen` is empty.
    ///
    /// # Errors
    /// [`HttpError`] if the token or the certificate cannot be read.
    pub fn open(settings: &config::Http) -> Result<Option<Self>, HttpError> {
        let Some(place) = settings.listen.place().cloned() else {
            return Ok(None);
        };
        let authorization = if settings.token_file.as_os_str().is_empty() {
            None
        } else {
            Some(Token::read(&settings.token_file)?.header().to_owned())
        };
        let unusable = |error: Error| HttpError::Content {
            key: "http.cert_file",
            path: text::path(&settings.cert_file),
            reason: error.to_string(),
        };
        let tls = tls::certificate(settings)?
            .map(|certificate| pinned::only(certificate).map_err(unusable))
            .transpose()?;
        Ok(Some(Self {
            place,
            authorization,
            tls,
        }))
    }

    /// Requests a path and reads the whole response.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn get(&self, path: &str) -> Result<Response, ClientError> {
        let read = || {
            let mut text = String::new();
            self.ask(path)?.take(MAX_RESPONSE).read_to_string(&mut text)?;
            io::Result::Ok(text)
        };
        let text = read().map_err(|source| self.unreachable(source))?;
        let (head, body) = text
            .split_once("\r\n\r\n")
            .ok_or_else(|| self.unexpected(&text))?;
        Ok(Response {
            status: status(head).ok_or_else(|| self.unexpected(head))?,
            body: body.to_owned(),
        })
    }

    /// Follows the events.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn follow(&self) -> Result<Events<'_>, ClientError> {
        let stream = self.ask("/events").map_err(|source| self.unreachable(source))?;
        let mut events = Events {
            client: self,
            lines: BufReader::new(stream),
        };
        let head = events.line()?;
        match status(&head) {
            Some(200) => Ok(events),
            _ => Err(self.unexpected(&head)),
        }
    }

    /// Sends an HTTP/1.0 request: the server closes the connection after its response, which then needs no
    /// framing.
    fn ask(&self, path: &str) -> io::Result<Box<dyn Stream>> {
        let mut stream = self.connect()?;
        let authorization = self
            .authorization
            .as_ref()
            .map_or(String::new(), |value| format!("Authorization: {value}\r\n"));
        write!(
            stream,
            "GET {path} HTTP/1.0\r\nHost: localhost\r\n{authorization}\r\n"
        )?;
        stream.flush()?;
        Ok(stream)
    }

    fn connect(&self) -> io::Result<Box<dyn Stream>> {
        match &self.place {
            Place::Unix(path) => {
                let stream = UnixStream::connect(path)?;
                stream.set_read_timeout(Some(TIMEOUT))?;
                stream.set_write_timeout(Some(TIMEOUT))?;
                self.secured(stream)
            }
            Place::Tcp(address) => {
                let stream = TcpStream::connect_timeout(&reachable(*address), TIMEOUT)?;
                stream.set_read_timeout(Some(TIMEOUT))?;
                stream.set_write_timeout(Some(TIMEOUT))?;
                self.secured(stream)
            }
        }
    }

    fn secured(&self, stream: impl Stream + 'static) -> io::Result<Box<dyn Stream>> {
        let Some(tls) = &self.tls else {
            return Ok(Box::new(stream));
        };
        let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
        let session = ClientConnection::new(Arc::clone(tls), name).map_err(io::Error::other)?;
        Ok(Box::new(StreamOwned::new(session, stream)))
    }

    fn unreachable(&self, source: io::Error) -> ClientError {
        ClientError::Unreachable {
            address: self.place.to_string(),
            source,
        }
    }

    fn unexpected(&self, answer: &str) -> ClientError {
        ClientError::Unexpected {
            address: self.place.to_string(),
            answer: answer.chars().take(80).collect(),
        }
    }
}

/// The server's stream of events.
pub struct Events<'a> {
    client: &'a Client,
    lines: BufReader<Box<dyn Stream>>,
}

impl Events<'_> {
    /// Waits for the next event.
    ///
    /// # Errors
    /// [`ClientError`], also when the server ends the events.
    pub fn wait(&mut self) -> Result<View, ClientError> {
        loop {
            let line = self.line()?;
            if let Some(data) = line.strip_prefix("data: ") {
                return serde_json::from_str(data).map_err(|_| self.client.unexpected(data));
            }
        }
    }

    fn line(&mut self) -> Result<String, ClientError> {
        let mut line = String::new();
        let read = self.lines.by_ref().take(MAX_RESPONSE).read_line(&mut line);
        match read {
            Ok(0) => Err(self.client.unreachable(io::ErrorKind::UnexpectedEof.into())),
            Ok(_) => Ok(line.trim_end().to_owned()),
            Err(source) => Err(self.client.unreachable(source)),
        }
    }
}

/// The status code in the first line of a response's head.
fn status(head: &str) -> Option<u16> {
    let line = head.strip_prefix("HTTP/1.")?;
    line.split(' ').nth(1)?.parse().ok()
}

/// The address at which to reach a server that listens at `address`: loopback if it listens on all addresses.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_server_that_listens_everywhere_is_reached_on_loopback() {
        for (listens, reached) in [
            ("0.0.0.0:80", "127.0.0.1:80"),
            ("[::]:80", "[::1]:80"),
            ("10.0.0.1:80", "10.0.0.1:80"),
        ] {
            assert_eq!(reachable(listens.parse().unwrap()), reached.parse().unwrap());
        }
    }

    #[test]
    fn a_status_is_read_from_an_answer_only() {
        assert_eq!(status("HTTP/1.1 503 Service Unavailable\r\nx: y"), Some(503));
        assert_eq!(status("SSH-2.0-OpenSSH_9.2"), None);
        assert_eq!(status("HTTP/1.0 ok"), None);
    }
}

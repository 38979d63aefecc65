//! A client that sends exactly what a test wants, well-formed or not.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    time::Duration,
};

use serde_json::Value;
use tempfile::TempDir;

use super::{
    broker::until,
    daemon::{Daemon, data},
    models,
};

/// Generous, because a shared machine may be slow; a passing test never waits this long.
const PATIENCE: Duration = Duration::from_secs(30);

/// An address that was free a moment ago.
pub fn free_address() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap()
}

/// A connection to the server.
pub fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// A response.
#[derive(Debug)]
pub struct Answer {
    /// Its status; 0 if the connection was closed without one.
    pub status: u16,
    /// The lines of its head.
    pub head: String,
    /// What follows the head.
    pub body: String,
}

impl Answer {
    fn parse(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        Self {
            status: status.unwrap_or(0),
            head: head.to_ascii_lowercase(),
            body: body.to_owned(),
        }
    }

    /// Its body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// Sends these bytes and reads until the server closes the connection.
pub fn send(address: SocketAddr, request: impl AsRef<[u8]>) -> Answer {
    let mut stream = connect(address);
    // A server may answer and close before it has read everything.
    let _ = stream.write_all(request.as_ref());
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    Answer::parse(&bytes)
}

/// Requests a path, with additional header lines.
pub fn get(address: SocketAddr, path: &str, lines: &str) -> Answer {
    send(
        address,
        format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n{lines}\r\n"),
    )
}

/// Posts a body, with additional header lines.
pub fn post(address: SocketAddr, path: &str, body: &str, lines: &str) -> Answer {
    let length = body.len();
    send(
        address,
        format!("POST {path} HTTP/1.0\r\nHost: {address}\r\nContent-Length: {length}\r\n{lines}\r\n{body}"),
    )
}

/// The events of the server.
pub struct Events {
    lines: BufReader<TcpStream>,
}

impl Events {
    pub fn follow(address: SocketAddr) -> Self {
        let mut stream = connect(address);
        write!(stream, "GET /events HTTP/1.0\r\nHost: {address}\r\n\r\n").unwrap();
        Self {
            lines: BufReader::new(stream),
        }
    }

    /// The status of the response to a request for the events.
    pub fn status(address: SocketAddr) -> u16 {
        let mut line = String::new();
        let read = Self::follow(address).lines.read_line(&mut line);
        assert!(read.is_ok(), "{read:?}");
        Answer::parse(line.as_bytes()).status
    }

    /// The next event.
    pub fn next(&mut self) -> Value {
        let mut line = String::new();
        loop {
            line.clear();
            assert!(
                self.lines.read_line(&mut line).unwrap() > 0,
                "the events have ended"
            );
            if let Some(data) = line.strip_prefix("data: ") {
                return serde_json::from_str(data).unwrap();
            }
        }
    }

    /// The first event that satisfies `condition`.
    pub fn wait(&mut self, what: &str, condition: impl Fn(&Value) -> bool) -> Value {
        let start = std::time::Instant::now();
        loop {
            let event = self.next();
            if condition(&event) {
                return event;
            }
            assert!(start.elapsed() < PATIENCE, "waited in vain: {what}; last {event}");
        }
    }
}

/// A daemon without a broker that senses photographs, and the address of its server.
pub struct Served {
    pub address: SocketAddr,
    pub daemon: Daemon,
    _models: TempDir,
}

impl Served {
    pub fn start(more: &[&str]) -> Self {
        let (address, models) = (free_address(), models::folder());
        let mut settings = vec![
            "device=lobby".to_owned(),
            format!("models={}", models.path().display()),
            format!("expression.model={}", models::TINY),
            "camera.source=files".to_owned(),
            format!("camera.path={}", data("pictures/astronaut.jpg")),
            "camera.repeat=true".to_owned(),
            "camera.rate=5".to_owned(),
            format!("http.listen={address}"),
        ];
        settings.extend(more.iter().map(|setting| (*setting).to_owned()));
        let mut arguments = vec!["run"];
        for setting in &settings {
            arguments.extend(["--set", setting]);
        }
        let daemon = Daemon::start(&arguments);
        // The models take a while to load.
        until("the server answers", || TcpStream::connect(address).is_ok());
        Self {
            address,
            daemon,
            _models: models,
        }
    }

    /// Resident memory once every buffer of sensing has been used.
    pub fn settled(&self) -> u64 {
        Events::follow(self.address).wait("frames with a face", |view| {
            view["frame"]["seq"].as_u64() >= Some(20) && view["frame"]["faces"][0]["quality"].is_object()
        });
        self.daemon.resident()
    }

    /// Sends what the live page sends when its button is pressed.
    pub fn press(&self, word: &str) -> Answer {
        let lines = format!("Origin: http://{}\r\nX-Affectd: 1\r\n", self.address);
        post(self.address, "/privacy", word, &lines)
    }
}

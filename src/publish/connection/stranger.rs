//! Recognizes servers that are not brokers by the first bytes that they send.

/// Maximum number of bytes by which a server is recognized.
pub const LONGEST: usize = 5;

/// A server that is not a broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stranger {
    /// A web server, or a broker's port for WebSocket.
    Http,
    /// Secure shell.
    Ssh,
    /// A mail or file server: SMTP and FTP greet alike.
    Mail,
    /// It wants TLS.
    Tls,
    /// None of these.
    Unknown,
}

/// The first bytes of each; for TLS an alert, which answers what is not TLS.
const KNOWN: [(&[u8], Stranger); 4] = [
    (b"HTTP/", Stranger::Http),
    (b"SSH-", Stranger::Ssh),
    (b"220", Stranger::Mail),
    (b"\x15\x03", Stranger::Tls),
];

impl Stranger {
    /// Who sends `bytes` first; `None` if more of them are needed.
    pub fn recognize(bytes: &[u8]) -> Option<Self> {
        for (greeting, stranger) in KNOWN {
            if bytes.starts_with(greeting) {
                return Some(stranger);
            }
            if greeting.starts_with(bytes) {
                return None;
            }
        }
        Some(Self::Unknown)
    }

    /// What it is and what to check.
    pub fn describe(self) -> &'static str {
        match self {
            Self::Http => {
                "an HTTP server answers, not MQTT: if it is a broker's port for WebSocket, set mqtt.websocket_path, \
                 otherwise see mqtt.host and mqtt.port"
            }
            Self::Ssh => "an SSH server answers, not MQTT: see mqtt.host and mqtt.port",
            Self::Mail => "a mail or FTP server answers, not MQTT: see mqtt.host and mqtt.port",
            Self::Tls => "it wants TLS: set mqtt.tls = true",
            Self::Unknown => "what it sends is not MQTT",
        }
    }
}

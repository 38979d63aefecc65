//! Detects the protocol of a server that is not a broker from the first bytes that it sends.

/// Maximum number of bytes from which a protocol is detected.
pub const LONGEST: usize = 5;

/// What a server that is not a broker speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForeignProtocol {
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
const KNOWN: [(&[u8], ForeignProtocol); 4] = [
    (b"HTTP/", ForeignProtocol::Http),
    (b"SSH-", ForeignProtocol::Ssh),
    (b"220", ForeignProtocol::Mail),
    (b"\x15\x03", ForeignProtocol::Tls),
];

impl ForeignProtocol {
    /// The protocol in which a server sends `bytes` first; `None` if more of them are needed.
    pub fn detect(bytes: &[u8]) -> Option<Self> {
        for (greeting, protocol) in KNOWN {
            if bytes.starts_with(greeting) {
                return Some(protocol);
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

//! Where the HTTP server listens.

use std::{fmt, net::SocketAddr, path::PathBuf, str::FromStr};

use serde::Deserialize;

/// Where the HTTP server listens, if there is one.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Listen(Option<Place>);

/// A place to listen at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A TCP port.
    Tcp(SocketAddr),
    /// A Unix socket.
    Unix(PathBuf),
}

impl Place {
    /// Whether other machines can reach it.
    #[must_use]
    pub fn is_public(&self) -> bool {
        matches!(self, Self::Tcp(address) if !address.ip().to_canonical().is_loopback())
    }
}

/// A text that is not a valid [`Listen`].
#[derive(Debug, thiserror::Error)]
#[error("allowed: {}", Listen::ALLOWED)]
pub struct InvalidListen;

/// The longest path of a Unix socket (unix(7): `sun_path` has 108 bytes, one of which is the terminating
/// NUL).
const MAX_SOCKET_PATH: usize = 107;

impl Listen {
    /// What is allowed, for messages.
    pub const ALLOWED: &'static str = "empty, an address and port such as 127.0.0.1:8417 or [::1]:8417, or unix: and a path that starts with /";

    /// Whether `text` names a place to listen at.
    #[must_use]
    pub fn is_valid(text: &str) -> bool {
        text.parse::<Self>().is_ok()
    }

    /// The place; `None` if there is no server.
    #[must_use]
    pub fn place(&self) -> Option<&Place> {
        self.0.as_ref()
    }
}

impl FromStr for Listen {
    type Err = InvalidListen;

    fn from_str(text: &str) -> Result<Self, InvalidListen> {
        if text.is_empty() {
            return Ok(Self(None));
        }
        if let Some(path) = text.strip_prefix("unix:") {
            let is_usable =
                path.starts_with('/') && path.len() <= MAX_SOCKET_PATH && !path.contains(char::is_control);
            return is_usable
                .then(|| Self(Some(Place::Unix(path.into()))))
                .ok_or(InvalidListen);
        }
        match text.parse::<SocketAddr>() {
            Ok(address) if address.port() != 0 => Ok(Self(Some(Place::Tcp(address)))),
            _ => Err(InvalidListen),
        }
    }
}

impl TryFrom<String> for Listen {
    type Error = InvalidListen;

    fn try_from(text: String) -> Result<Self, InvalidListen> {
        text.parse()
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn only_loopback_and_unix_sockets_are_private() {
        for (text, public) in [
            ("127.0.0.1:8417", false),
            ("127.9.9.9:1", false),
            ("[::1]:8417", false),
            ("[::ffff:127.0.0.1]:80", false),
            ("unix:/run/affectd/http.sock", false),
            ("0.0.0.0:8417", true),
            ("[::]:8417", true),
            ("192.168.0.7:80", true),
        ] {
            let listen: Listen = text.parse().unwrap();
            assert_eq!(listen.place().unwrap().is_public(), public, "{text}");
        }
        assert_eq!("".parse::<Listen>().unwrap().place(), None);
    }

    #[test]
    fn display_output_parses_again() {
        for text in ["127.0.0.1:8417", "[::1]:8417", "unix:/run/a b"] {
            let listen: Listen = text.parse().unwrap();
            assert_eq!(listen.place().unwrap().to_string(), text);
        }
    }

    #[test]
    fn other_texts_are_refused() {
        let long = format!("unix:/{}", "a".repeat(MAX_SOCKET_PATH));
        for text in [
            "8417",
            ":8417",
            "localhost:8417",
            "127.0.0.1",
            "127.0.0.1:0",
            "::1:80",
            "unix:run",
            &long,
        ] {
            assert!(!Listen::is_valid(text), "{text}");
        }
    }
}

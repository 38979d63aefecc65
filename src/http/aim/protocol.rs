//! The protocol between `affectd aim` and the daemon on the control socket: one JSON object per line.

use std::{
    env,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

/// The socket's name in the unit's runtime directory.
const SOCKET: &str = "control";

/// Maximum length in bytes of a line that either side reads.
pub const MAX_LINE: usize = 4096;

/// The only line that the command sends. The session lasts until the connection ends, for ten minutes at
/// most.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// Whether the page shows the camera's picture.
    pub preview: bool,
}

/// A line that the daemon sends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Message {
    /// The page can be opened.
    Began {
        /// Where the page is, on the board's loopback interface.
        address: SocketAddr,
        /// The code that opens it, valid once.
        code: String,
        /// How long it stays open.
        seconds: u64,
    },
    /// The code was used.
    Entered,
    /// The camera's picture is being sent.
    Sending,
    /// It is no longer being sent.
    NotSending,
    /// The session has ended, or could not begin.
    Ended {
        /// Human-readable reason.
        reason: String,
    },
}

/// The control socket of a daemon that systemd started; `None` without a runtime directory.
#[must_use]
pub fn socket_of_this_daemon() -> Option<PathBuf> {
    // systemd may pass a list of directories.
    let directories = env::var_os("RUNTIME_DIRECTORY")?;
    let first = env::split_paths(&directories).next()?;
    first.is_absolute().then(|| first.join(SOCKET))
}

/// The control sockets of the daemons that run on this board, sorted: `/run/affectd/control`, and
/// `/run/affectd@NAME/control` for each further one.
#[must_use]
pub fn sockets(run: &Path) -> Vec<PathBuf> {
    let entries = run.read_dir().into_iter().flatten().flatten();
    let is_ours = |name: &str| name == "affectd" || name.starts_with("affectd@");
    let mut found: Vec<PathBuf> = entries
        .filter(|entry| entry.file_name().to_str().is_some_and(is_ours))
        .map(|entry| entry.path().join(SOCKET))
        .filter(|socket| socket.exists())
        .collect();
    found.sort();
    found
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::fs;

    use super::*;

    #[test]
    fn every_daemon_of_a_board_is_found() {
        let run = tempfile::tempdir().unwrap();
        assert!(sockets(run.path()).is_empty());
        for name in [
            "affectd@door",
            "affectd",
            "affectd-old",
            "other",
            "affectd@stopped",
        ] {
            fs::create_dir(run.path().join(name)).unwrap();
            if name != "affectd@stopped" {
                fs::write(run.path().join(name).join("control"), "").unwrap();
            }
        }
        let expected = ["affectd/control", "affectd@door/control"].map(|name| run.path().join(name));
        assert_eq!(sockets(run.path()), expected);
    }

    #[test]
    fn messages_are_lines_of_json() {
        let began = Message::Began {
            address: "127.0.0.1:8642".parse().unwrap(),
            code: "7K3M-Q9TD".to_owned(),
            seconds: 600,
        };
        let line = serde_json::to_string(&began).unwrap();
        let expected = r#"{"began":{"address":"127.0.0.1:8642","code":"7K3M-Q9TD","seconds":600}}"#;
        assert_eq!(line, expected);
        assert_eq!(serde_json::to_string(&Message::Sending).unwrap(), r#""sending""#);
        assert!(serde_json::from_str::<Request>(r#"{"preview":true,"minutes":60}"#).is_err());
    }
}

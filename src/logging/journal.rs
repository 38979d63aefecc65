//! The systemd journal's native protocol (<https://systemd.io/JOURNAL_NATIVE_PROTOCOL/>): one datagram per
//! event.
//!
//! `journalctl` shows only the message, so the message includes the event's fields, as on a terminal ("camera
//! is unusable" alone says little). Each field is also a journal field of its own, so programs can match
//! `AFFECTD_REASON=…` and `journalctl -o json` prints it.

use std::{
    io,
    os::unix::net::UnixDatagram,
    path::{Path, PathBuf},
};

use super::entry::{Entry, priority};

/// The journal's socket.
const SOCKET: &str = "/run/systemd/journal/socket";

/// Prefix of the names of an event's own fields, so they never collide with the journal's.
const PREFIX: &str = "AFFECTD_";

/// The journal's limit on the length of a field name.
const MAX_NAME: usize = 64;

/// Sends messages to the journal.
#[derive(Debug)]
pub(super) struct Journal {
    socket: UnixDatagram,
    path: PathBuf,
}

impl Journal {
    /// The system's journal.
    ///
    /// # Errors
    /// If its socket does not exist or refuses datagrams.
    pub(super) fn connect() -> io::Result<Self> {
        Self::at(Path::new(SOCKET))
    }

    fn at(path: &Path) -> io::Result<Self> {
        let socket = UnixDatagram::unbound()?;
        // A journal that does not read must not delay the start.
        socket.set_nonblocking(true)?;
        // The journal ignores an empty datagram.
        match socket.send_to(&[], path) {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => return Err(error),
            _ => socket.set_nonblocking(false)?,
        }
        Ok(Self {
            socket,
            path: path.to_owned(),
        })
    }

    /// Sends one message. Waits while the journal's queue is full, so only the log's own thread may call it.
    ///
    /// # Errors
    /// While the journal restarts, and for a message larger than it accepts.
    pub(super) fn send(&self, entry: &Entry) -> io::Result<()> {
        self.socket.send_to(&serialize(entry), &self.path).map(drop)
    }
}

/// A journal entry with the message, its fields, and where it comes from.
fn serialize(entry: &Entry) -> Vec<u8> {
    let mut bytes = Vec::new();
    put(&mut bytes, "MESSAGE", &entry.text);
    put(&mut bytes, "PRIORITY", &priority(entry.level).to_string());
    put(&mut bytes, "SYSLOG_IDENTIFIER", env!("CARGO_PKG_NAME"));
    if let Some((file, line)) = entry.source {
        put(&mut bytes, "CODE_FILE", file);
        put(&mut bytes, "CODE_LINE", &line.to_string());
    }
    for (name, value) in &entry.fields {
        put(&mut bytes, &field_name(name), value);
    }
    bytes
}

fn put(bytes: &mut Vec<u8>, name: &str, value: &str) {
    bytes.extend_from_slice(name.as_bytes());
    if value.contains('\n') {
        bytes.push(b'\n');
        bytes.extend_from_slice(&(value.len() as u64).to_le_bytes());
    } else {
        bytes.push(b'=');
    }
    bytes.extend_from_slice(value.as_bytes());
    bytes.push(b'\n');
}

/// The journal allows capital letters, digits and underscores.
fn field_name(name: &str) -> String {
    let legal = |c: char| {
        if c.is_ascii_alphanumeric() {
            c.to_ascii_uppercase()
        } else {
            '_'
        }
    };
    PREFIX
        .chars()
        .chain(name.chars().map(legal))
        .take(MAX_NAME)
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::BTreeMap;

    use tracing::Level;

    use super::*;

    /// Parses an entry according to the protocol.
    fn parse(mut bytes: &[u8]) -> BTreeMap<String, String> {
        let mut fields = BTreeMap::new();
        while !bytes.is_empty() {
            let end = bytes.iter().position(|b| matches!(b, b'=' | b'\n')).unwrap();
            let name = String::from_utf8(bytes[..end].to_vec()).unwrap();
            let (from, length) = if bytes[end] == b'=' {
                let from = end + 1;
                (from, bytes[from..].iter().position(|b| *b == b'\n').unwrap())
            } else {
                let length: [u8; 8] = bytes[end + 1..end + 9].try_into().unwrap();
                (end + 9, u64::from_le_bytes(length) as usize)
            };
            let value = String::from_utf8(bytes[from..from + length].to_vec()).unwrap();
            assert_eq!(bytes[from + length], b'\n');
            fields.insert(name, value);
            bytes = &bytes[from + length + 1..];
        }
        fields
    }

    #[test]
    fn an_event_is_an_entry_with_its_fields() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let receiver = UnixDatagram::bind(&path).unwrap();
        let fields = [
            ("reason", "no such device\nnor will there be"),
            ("camera.path", "/dev/video0"),
        ];
        let entry = Entry {
            level: Level::WARN,
            text: "camera is unusable".to_owned(),
            source: Some(("camera.rs", 7)),
            fields: fields.map(|(name, value)| (name, value.to_owned())).to_vec(),
        };
        Journal::at(&path).unwrap().send(&entry).unwrap();

        let mut buffer = [0; 4096];
        assert_eq!(receiver.recv(&mut buffer).unwrap(), 0, "the connection test");
        let length = receiver.recv(&mut buffer).unwrap();
        let fields = parse(&buffer[..length]);
        assert_eq!(fields["MESSAGE"], "camera is unusable");
        assert_eq!(fields["PRIORITY"], "4");
        assert_eq!(fields["SYSLOG_IDENTIFIER"], "affectd");
        assert_eq!((&*fields["CODE_FILE"], &*fields["CODE_LINE"]), ("camera.rs", "7"));
        assert_eq!(fields["AFFECTD_REASON"], "no such device\nnor will there be");
        assert_eq!(fields["AFFECTD_CAMERA_PATH"], "/dev/video0");
    }

    #[test]
    fn connecting_to_a_full_journal_does_not_block() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let _receiver = UnixDatagram::bind(&path).unwrap();
        let filler = UnixDatagram::unbound().unwrap();
        filler.set_nonblocking(true).unwrap();
        while filler.send_to(b"filler", &path).is_ok() {}
        Journal::at(&path).unwrap();
    }

    #[test]
    fn without_a_listener_there_is_no_journal() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Journal::at(&folder.path().join("socket")).is_err());
    }
}

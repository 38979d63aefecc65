//! The systemd journal's native protocol (<https://systemd.io/JOURNAL_NATIVE_PROTOCOL/>): one datagram per event.
//!
//! `journalctl` shows only the message, so the message includes the event's fields, as on a terminal ("camera is
//! unusable" alone says little). Each field is also a journal field of its own, so that programs can match
//! `AFFECTD_REASON=…` and `journalctl -o json` prints it.

use std::{
    fmt::{self, Write as _},
    io::{self, Write as _},
    os::unix::net::UnixDatagram,
    path::{Path, PathBuf},
};

use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    fmt::{
        FormatFields as _,
        format::{DefaultFields, Writer},
    },
    layer::{Context, Layer},
};

use super::priority;

/// The journal's socket.
const SOCKET: &str = "/run/systemd/journal/socket";

/// Prefix of the names of an event's own fields, so that they never collide with the journal's.
const PREFIX: &str = "AFFECTD_";

/// Sends events to the journal.
pub struct Journal {
    socket: UnixDatagram,
    path: PathBuf,
}

impl Journal {
    /// The system's journal.
    ///
    /// # Errors
    /// If its socket does not exist or refuses.
    pub fn connect() -> io::Result<Self> {
        Self::at(Path::new(SOCKET))
    }

    fn at(path: &Path) -> io::Result<Self> {
        let socket = UnixDatagram::unbound()?;
        // The journal ignores an empty datagram.
        socket.send_to(&[], path)?;
        Ok(Self {
            socket,
            path: path.to_owned(),
        })
    }
}

impl<S: Subscriber> Layer<S> for Journal {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let level = *event.metadata().level();
        let mut message = String::new();
        // Writing to a String cannot fail.
        let _ = DefaultFields::new().format_fields(Writer::new(&mut message), event);
        let mut entry = Entry::default();
        entry.put("MESSAGE", &message);
        entry.put("PRIORITY", &priority(level).to_string());
        entry.put("SYSLOG_IDENTIFIER", env!("CARGO_PKG_NAME"));
        if let (Some(file), Some(line)) = (event.metadata().file(), event.metadata().line()) {
            entry.put("CODE_FILE", file);
            entry.put("CODE_LINE", &line.to_string());
        }
        event.record(&mut entry);
        // The journal is restarting, or refuses an entry of this size: standard error leads to it too.
        if self.socket.send_to(&entry.bytes, &self.path).is_err() {
            let _ = writeln!(io::stderr(), "<{}>{message}", priority(level));
        }
    }
}

/// A serialized journal entry.
#[derive(Default)]
struct Entry {
    bytes: Vec<u8>,
    value: String,
}

impl Entry {
    fn put(&mut self, name: &str, value: &str) {
        let bytes = &mut self.bytes;
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
}

impl Visit for Entry {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            return;
        }
        // The journal allows capital letters, digits and underscores, and at most 64 of them.
        let legal = |c: char| {
            if c.is_ascii_alphanumeric() {
                c.to_ascii_uppercase()
            } else {
                '_'
            }
        };
        let name: String = PREFIX
            .chars()
            .chain(field.name().chars().map(legal))
            .take(64)
            .collect();
        self.put(&name, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let mut text = std::mem::take(&mut self.value);
        text.clear();
        let _ = write!(text, "{value:?}");
        self.record_str(field, &text);
        self.value = text;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::BTreeMap;

    use tracing_subscriber::layer::SubscriberExt as _;

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
        let subscriber = tracing_subscriber::registry().with(Journal::at(&path).unwrap());
        tracing::subscriber::with_default(subscriber, || {
            let reason = "no such device\nnor will there be";
            tracing::warn!(reason, attempt = 3, camera.path = ?Path::new("/dev/video0"), "camera is unusable");
        });

        let mut buffer = [0; 4096];
        assert_eq!(receiver.recv(&mut buffer).unwrap(), 0, "the connection test");
        let length = receiver.recv(&mut buffer).unwrap();
        let fields = parse(&buffer[..length]);
        let message = &fields["MESSAGE"];
        assert!(
            message.starts_with("camera is unusable ") && message.contains("no such device"),
            "{message}"
        );
        assert_eq!(fields["PRIORITY"], "4");
        assert_eq!(fields["SYSLOG_IDENTIFIER"], "affectd");
        assert!(fields["CODE_FILE"].ends_with("journal.rs"));
        assert_eq!(fields["AFFECTD_REASON"], "no such device\nnor will there be");
        assert_eq!(fields["AFFECTD_ATTEMPT"], "3");
        assert_eq!(fields["AFFECTD_CAMERA_PATH"], "\"/dev/video0\"");
        assert!(!fields.contains_key("AFFECTD_MESSAGE"));
    }

    #[test]
    fn without_a_listener_there_is_no_journal() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Journal::at(&folder.path().join("socket")).is_err());
    }
}

//! Output without a broker: the same messages as JSON lines, `{"topic": …, "payload": …}`.

use std::{
    io::{self, ErrorKind, Write},
    time::Duration,
};

use tracing::{info, warn};

use super::{
    dispatch::Dispatcher,
    shared::Shared,
    transport::{Backpressure, Message, Payload, Transport},
};
use crate::health::BrokerLink;

/// Pause between two attempts to write to an output that rejects writes.
const RETRY: Duration = Duration::from_millis(250);

/// Writes messages until the outbox is stopped. If the reader goes away, writing ends but the daemon
/// continues. An output that rejects writes for a while, such as a file on a full disk, gets the newest
/// values once it accepts writes again.
pub async fn run(shared: &Shared, mut dispatcher: Dispatcher, output: impl Write) {
    let mut lines = Lines::new(output, &shared.link);
    dispatcher.on_connect();
    while !shared.outbox.is_stopping() {
        let wait = dispatcher
            .send_due(&shared.outbox, shared.now(), &mut lines)
            .unwrap_or(RETRY);
        tokio::select! {
            () = shared.outbox.wake.notified() => {}
            () = tokio::time::sleep(wait) => {}
        }
    }
    // If the output still rejects writes, the message is lost.
    let _ = dispatcher.publish_offline(&shared.outbox, shared.now(), &mut lines);
}

struct Lines<'a, W> {
    /// Unbuffered; `None` once the reader is gone.
    output: Option<W>,
    /// The line that is being written.
    line: Vec<u8>,
    /// How much of it was written.
    written: usize,
    /// Whether the output rejected the last write.
    is_refused: bool,
    link: &'a BrokerLink,
}

impl<'a, W: Write> Lines<'a, W> {
    fn new(output: W, link: &'a BrokerLink) -> Self {
        Self {
            output: Some(output),
            line: Vec::with_capacity(4096),
            written: 0,
            is_refused: false,
            link,
        }
    }

    /// Writes the rest of the line, as far as the output accepts it.
    fn write(&mut self) {
        while self.written < self.line.len()
            && let Some(output) = &mut self.output
        {
            let error = match output.write(&self.line[self.written..]) {
                Ok(0) => ErrorKind::WriteZero.into(),
                Ok(count) => {
                    self.written += count;
                    self.accepted();
                    continue;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => error,
            };
            if error.kind() == ErrorKind::BrokenPipe {
                warn!("standard output is closed, nothing more is written there: {error}");
                self.output = None;
            } else {
                self.refused(&error);
                return;
            }
        }
    }

    fn refused(&mut self, error: &io::Error) {
        if !self.is_refused {
            warn!("standard output cannot be written, trying again: {error}");
        }
        self.is_refused = true;
    }

    fn accepted(&mut self) {
        if self.is_refused {
            info!("standard output can be written again");
        }
        self.is_refused = false;
    }
}

impl<W: Write> Transport for Lines<'_, W> {
    fn send(&mut self, message: Message<'_>) -> Result<(), Backpressure> {
        self.write();
        if self.output.is_none() {
            return Ok(());
        }
        if self.written < self.line.len() {
            return Err(Backpressure);
        }
        self.line.clear();
        self.written = 0;
        // Writing to memory cannot fail.
        let _ = line(&mut self.line, message);
        self.write();
        if self.output.is_some() && self.written == 0 {
            // A newer message may replace this one.
            self.line.clear();
            return Err(Backpressure);
        }
        self.link.count_message();
        // The rest is written before the next message.
        Ok(())
    }
}

fn line(buffer: &mut Vec<u8>, message: Message<'_>) -> io::Result<()> {
    buffer.extend_from_slice(b"{\"topic\":");
    serde_json::to_writer(&mut *buffer, message.topic)?;
    buffer.extend_from_slice(b",\"payload\":");
    match message.payload {
        Payload::Json(json) => buffer.extend_from_slice(json),
        Payload::Word(word) => serde_json::to_writer(&mut *buffer, word)?,
    }
    buffer.extend_from_slice(b"}\n");
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn message<'a>(payload: Payload<'a>) -> Message<'a> {
        Message {
            topic: "affectd/a \"quoted\" name/state",
            payload,
            retain: true,
            acknowledged: true,
        }
    }

    #[test]
    fn lines_are_json() {
        let link = BrokerLink::default();
        let mut lines = Lines::new(Vec::new(), &link);
        lines.send(message(Payload::Word("ON"))).unwrap();
        lines.send(message(Payload::Json(b"{\"faces\":1}"))).unwrap();
        assert_eq!(
            String::from_utf8(lines.output.unwrap()).unwrap(),
            "{\"topic\":\"affectd/a \\\"quoted\\\" name/state\",\"payload\":\"ON\"}\n\
             {\"topic\":\"affectd/a \\\"quoted\\\" name/state\",\"payload\":{\"faces\":1}}\n"
        );
    }

    /// Accepts `room` bytes in total, then fails.
    struct Limited {
        bytes: Vec<u8>,
        room: usize,
        error: ErrorKind,
        attempts: usize,
    }

    impl Limited {
        fn new(room: usize, error: ErrorKind) -> Self {
            Self {
                bytes: Vec::new(),
                room,
                error,
                attempts: 0,
            }
        }
    }

    impl Write for &mut Limited {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.attempts += 1;
            let count = bytes.len().min(self.room);
            if count == 0 {
                return Err(self.error.into());
            }
            self.room -= count;
            self.bytes.extend_from_slice(&bytes[..count]);
            Ok(count)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_closed_pipe_gives_no_error() {
        let mut closed = Limited::new(0, ErrorKind::BrokenPipe);
        let link = BrokerLink::default();
        let mut lines = Lines::new(&mut closed, &link);
        for _ in 0..10 {
            assert_eq!(lines.send(message(Payload::Word("ON"))), Ok(()));
        }
        assert_eq!(closed.attempts, 1, "written to once, then left alone");
    }

    #[test]
    fn a_full_disk_is_waited_out_and_no_line_is_torn() {
        for error in [
            ErrorKind::StorageFull,
            ErrorKind::QuotaExceeded,
            ErrorKind::WouldBlock,
        ] {
            let mut disk = Limited::new(10, error);
            let link = BrokerLink::default();
            let mut lines = Lines::new(&mut disk, &link);
            assert_eq!(lines.send(message(Payload::Word("first"))), Ok(()));
            assert_eq!(lines.send(message(Payload::Word("second"))), Err(Backpressure));
            lines.output.as_mut().unwrap().room = 1000;
            assert_eq!(lines.send(message(Payload::Word("third"))), Ok(()));
            lines.output.as_mut().unwrap().room = 0;
            assert_eq!(lines.send(message(Payload::Word("fourth"))), Err(Backpressure));
            lines.output.as_mut().unwrap().room = 1000;
            assert_eq!(lines.send(message(Payload::Word("fifth"))), Ok(()));
            let text = String::from_utf8(disk.bytes).unwrap();
            let payloads: Vec<_> = text
                .lines()
                .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["payload"].clone())
                .collect();
            assert_eq!(payloads, ["first", "third", "fifth"]);
        }
    }
}

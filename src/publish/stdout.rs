//! Without a broker: the same messages as JSON lines, `{"topic": …, "payload": …}`.

use std::io::{self, Write};

use tracing::warn;

use super::{
    dispatch::Dispatcher,
    shared::Shared,
    transport::{Backpressure, Message, Payload, Transport},
};
use crate::health::BrokerLink;

/// Writes messages until the outbox is stopped. If the reader goes away the writing ends, but not the daemon.
pub async fn run(shared: &Shared, mut dispatcher: Dispatcher, output: impl Write) {
    let mut lines = Lines {
        output: Some(output),
        line: Vec::with_capacity(4096),
        link: &shared.link,
    };
    dispatcher.on_connect();
    while !shared.outbox.is_stopping() {
        // Lines never push back: what cannot be written is dropped.
        let Ok(wait) = dispatcher.send_due(&shared.outbox, shared.now(), &mut lines) else {
            return;
        };
        lines.flush();
        tokio::select! {
            () = shared.outbox.wake.notified() => {}
            () = tokio::time::sleep(wait) => {}
        }
    }
    let _ = dispatcher.publish_offline(&shared.outbox, shared.now(), &mut lines);
    lines.flush();
}

struct Lines<'a, W> {
    /// `None` once the reader is gone.
    output: Option<W>,
    line: Vec<u8>,
    link: &'a BrokerLink,
}

impl<W: Write> Lines<'_, W> {
    fn flush(&mut self) {
        if let Some(output) = &mut self.output {
            let result = output.flush();
            self.check(result);
        }
    }

    fn check(&mut self, result: io::Result<()>) {
        if let Err(error) = result {
            warn!("standard output is closed, nothing more is written there: {error}");
            self.output = None;
        }
    }
}

impl<W: Write> Transport for Lines<'_, W> {
    fn send(&mut self, message: Message<'_>) -> Result<(), Backpressure> {
        let Some(output) = &mut self.output else {
            return Ok(());
        };
        self.line.clear();
        let result = line(&mut self.line, message).and_then(|()| output.write_all(&self.line));
        self.link.count_message();
        self.check(result);
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
        let mut lines = Lines {
            output: Some(Vec::new()),
            line: Vec::new(),
            link: &BrokerLink::default(),
        };
        lines.send(message(Payload::Word("ON"))).unwrap();
        lines.send(message(Payload::Json(b"{\"faces\":1}"))).unwrap();
        assert_eq!(
            String::from_utf8(lines.output.unwrap()).unwrap(),
            "{\"topic\":\"affectd/a \\\"quoted\\\" name/state\",\"payload\":\"ON\"}\n\
             {\"topic\":\"affectd/a \\\"quoted\\\" name/state\",\"payload\":{\"faces\":1}}\n"
        );
    }

    #[test]
    fn a_reader_that_goes_is_no_error() {
        struct Closed(usize);
        impl Write for &mut Closed {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                self.0 += 1;
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut closed = Closed(0);
        let mut lines = Lines {
            output: Some(&mut closed),
            line: Vec::new(),
            link: &BrokerLink::default(),
        };
        for _ in 0..10 {
            assert_eq!(lines.send(message(Payload::Word("ON"))), Ok(()));
            lines.flush();
        }
        assert_eq!(closed.0, 1, "written to once, then left alone");
    }
}

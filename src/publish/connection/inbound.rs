//! Filters the bytes from the broker before the library parses them.
//!
//! - A message that is too large is truncated, so it neither exhausts memory nor ends the connection. Its
//!   receiver sees a payload of nearly [`MAX_INCOMING`] bytes, which is not a valid command. If the properties
//!   of an MQTT 5 message are too large, they are left out, and the payload is replaced by [`TOO_LARGE`].
//!   MQTT 5 lets a client announce its limit (3.1.2.11.4), but this one does not: mosquitto 2.0 counts messages
//!   above it as unacknowledged forever, and after as many as are allowed it delivers no more commands.
//! - Any other packet that is too large ends the connection.
//! - A broker that only speaks 3.1.1 answers an MQTT 5 CONNECT in its own format. The library would take that
//!   for an incomplete packet and wait in vain for the rest.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{login::MAX_INCOMING, version::Version};

/// Maximum bytes of a fixed header: the type, and a length of up to four bytes (MQTT 5, section 2.1).
const HEADER: usize = 5;

/// The length to which a message that is too large is truncated.
const CUT: usize = MAX_INCOMING - HEADER;

/// The payload of a message whose properties were too large; not a valid command.
const TOO_LARGE: &[u8] = b"too large";

/// Maximum bytes of a message's topic, packet identifier and length of properties. No subscribed topic is
/// nearly as long.
const PREFIX: usize = 4096;

/// Why the bytes cannot be handed to the library.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    /// The broker answered MQTT 5's CONNECT in the format of an earlier version.
    #[error("it does not speak MQTT 5")]
    EarlierVersion,
    /// A packet that cannot be cut has this many bytes.
    #[error("it sends a packet of {0} bytes, {MAX_INCOMING} are allowed")]
    TooLarge(usize),
}

#[derive(Debug)]
enum State {
    /// Within a fixed header; what has arrived of it.
    Header(heapless::Vec<u8, HEADER>),
    /// Within the beginning of an MQTT 5 message that is too large: its first byte; what has arrived of
    /// topic, packet identifier and length of properties; and how many bytes of the packet are left.
    Beginning {
        first: u8,
        prefix: Box<heapless::Vec<u8, PREFIX>>,
        left: usize,
    },
    /// Within a packet: bytes to pass on, then bytes to drop.
    Body { keep: usize, drop: usize },
    /// Not MQTT: the library reports it.
    Foreign,
}

/// Watches the packets in a stream of bytes.
#[derive(Debug)]
struct Filter {
    /// The version that was asked for.
    version: Version,
    /// Whether a packet has begun before.
    has_begun: bool,
    state: State,
}

impl Filter {
    fn new(version: Version) -> Self {
        Self {
            version,
            has_begun: false,
            state: State::Header(heapless::Vec::new()),
        }
    }

    /// Passes `bytes` on to `out`.
    fn filter(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Rejected> {
        while !bytes.is_empty() {
            match &mut self.state {
                State::Foreign => {
                    out.extend_from_slice(bytes);
                    return Ok(());
                }
                State::Beginning { first, prefix, left } => {
                    let (first, byte) = (*first, bytes[0]);
                    bytes = &bytes[1..];
                    *left -= 1;
                    if prefix.push(byte).is_err() || *left == 0 {
                        return Err(Rejected::TooLarge(prefix.len() + *left));
                    }
                    let left = *left;
                    if let Some(beginning) = Beginning::parse(first, prefix) {
                        self.state = begin_cut(first, prefix, &beginning, left, out);
                    }
                }
                State::Body { keep, drop } => {
                    let kept = bytes.len().min(*keep);
                    out.extend_from_slice(&bytes[..kept]);
                    let dropped = (bytes.len() - kept).min(*drop);
                    *keep -= kept;
                    *drop -= dropped;
                    bytes = &bytes[kept + dropped..];
                    if *keep == 0 && *drop == 0 {
                        self.state = State::Header(heapless::Vec::new());
                    }
                }
                State::Header(header) => {
                    // There is room, because a longer header is foreign.
                    let _ = header.push(bytes[0]);
                    bytes = &bytes[1..];
                    let is_last = header.len() > 1 && header.last().is_some_and(|byte| byte & 0x80 == 0);
                    if is_last {
                        let header = header.clone();
                        self.packet(&header, out)?;
                    } else if header.is_full() {
                        out.extend_from_slice(header);
                        self.state = State::Foreign;
                    }
                }
            }
        }
        Ok(())
    }

    /// A packet with this fixed header begins.
    fn packet(&mut self, header: &[u8], out: &mut Vec<u8>) -> Result<(), Rejected> {
        let length = length_of(&header[1..]);
        let kind = header[0] >> 4;
        let (connack, publish) = (2, 3);
        // An MQTT 5 CONNACK has at least three bytes: flags, code, and the length of its properties.
        let is_first = !std::mem::replace(&mut self.has_begun, true);
        if is_first && self.version == Version::V5 && kind == connack && length == 2 {
            return Err(Rejected::EarlierVersion);
        }
        let is_too_large = header.len() + length > MAX_INCOMING;
        if is_too_large && kind != publish {
            return Err(Rejected::TooLarge(header.len() + length));
        }
        if is_too_large && self.version == Version::V5 {
            self.state = State::Beginning {
                first: header[0],
                prefix: Box::default(),
                left: length,
            };
            return Ok(());
        }
        if is_too_large {
            out.push(header[0]);
            push_length(CUT, out);
        } else {
            out.extend_from_slice(header);
        }
        let keep = if is_too_large { CUT } else { length };
        self.state = if length == 0 {
            State::Header(heapless::Vec::new())
        } else {
            State::Body {
                keep,
                drop: length - keep,
            }
        };
        Ok(())
    }
}

/// The beginning of an MQTT 5 message (3.3.2): topic, packet identifier unless QoS is 0, length of the
/// properties.
struct Beginning {
    /// Bytes before the length of the properties.
    before: usize,
    /// Length of the properties.
    properties: usize,
}

impl Beginning {
    /// `None` until all of it has arrived.
    fn parse(first: u8, bytes: &[u8]) -> Option<Self> {
        let topic = usize::from(u16::from_be_bytes([*bytes.first()?, *bytes.get(1)?]));
        let has_identifier = first & 0b110 != 0;
        let before = 2 + topic + if has_identifier { 2 } else { 0 };
        let digits = bytes.get(before..)?;
        let is_whole = digits.last().is_some_and(|byte| byte & 0x80 == 0);
        // A length has at most four digits (1.5.5); the library reports longer ones.
        (is_whole || digits.len() == 4).then_some(Self {
            before,
            properties: length_of(digits),
        })
    }
}

/// Passes on the beginning of a message that is too large, of which `left` bytes have not arrived yet.
fn begin_cut(first: u8, prefix: &[u8], beginning: &Beginning, left: usize, out: &mut Vec<u8>) -> State {
    out.push(first);
    if prefix.len() + beginning.properties < CUT {
        push_length(CUT, out);
        out.extend_from_slice(prefix);
        let keep = CUT - prefix.len();
        return State::Body {
            keep,
            drop: left - keep,
        };
    }
    push_length(beginning.before + 1 + TOO_LARGE.len(), out);
    out.extend_from_slice(&prefix[..beginning.before]);
    // No properties.
    out.push(0);
    out.extend_from_slice(TOO_LARGE);
    State::Body { keep: 0, drop: left }
}

/// The length that these digits encode; see [`push_length`].
fn length_of(digits: &[u8]) -> usize {
    let digits = digits.iter().rev();
    digits.fold(0, |length, byte| length << 7 | usize::from(byte & 0x7f))
}

/// Appends a length as MQTT encodes it: seven bits per byte, the lowest first (MQTT 5, section 1.5.5).
fn push_length(mut length: usize, out: &mut Vec<u8>) {
    loop {
        let digit = (length & 0x7f) as u8;
        length >>= 7;
        if length == 0 {
            return out.push(digit);
        }
        out.push(digit | 0x80);
    }
}

/// A stream whose incoming bytes are filtered.
pub struct Inbound<S> {
    inner: S,
    filter: Filter,
    /// Filtered bytes; those from `next` on have not been read yet.
    pending: Vec<u8>,
    next: usize,
}

impl<S> Inbound<S> {
    /// Filters what arrives after a CONNECT of `version`.
    pub fn new(inner: S, version: Version) -> Self {
        Self {
            inner,
            filter: Filter::new(version),
            pending: Vec::new(),
            next: 0,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Inbound<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        while this.next == this.pending.len() {
            let mut bytes = [0; 4096];
            let mut chunk = ReadBuf::new(&mut bytes);
            ready!(Pin::new(&mut this.inner).poll_read(context, &mut chunk))?;
            if chunk.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
            this.pending.clear();
            this.next = 0;
            this.filter
                .filter(chunk.filled(), &mut this.pending)
                .map_err(io::Error::other)?;
        }
        let ready = &this.pending[this.next..];
        let taken = ready.len().min(buffer.remaining());
        buffer.put_slice(&ready[..taken]);
        this.next += taken;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Inbound<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(context)
    }
}

#[cfg(test)]
#[path = "inbound_tests.rs"]
mod tests;

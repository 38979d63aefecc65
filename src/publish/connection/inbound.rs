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
//! - A server that does not begin with the answer to a CONNECT is not a broker. The library would wait for the
//!   rest of what it takes for a packet.
//! - mosquitto answers an MQTT 5 message above its `message_size_limit` with the reason 0x95, which a PUBACK must
//!   not have (3.4.2.1). The library would end the connection, so the reason is replaced by
//!   [`PACKET_IDENTIFIER_IN_USE`].

use super::{
    filtered::{Filter, Rejected},
    foreign_protocol::{self, ForeignProtocol},
    login::MAX_INCOMING,
    version::Version,
};

/// Maximum bytes of a fixed header: the type, and a length of up to four bytes (MQTT 5, section 2.1).
const HEADER: usize = 5;

/// The length to which a message that is too large is truncated.
const CUT: usize = MAX_INCOMING - HEADER;

/// The payload of a message whose properties were too large; not a valid command.
const TOO_LARGE: &[u8] = b"too large";

/// Maximum bytes of a message's topic, packet identifier and length of properties. No subscribed topic is
/// nearly as long.
const PREFIX: usize = 4096;

/// A PINGRESP. mosquitto sends a large message over a WebSocket at 40 KB a second; while the rest of one is
/// dropped, these say that the broker is alive.
const ALIVE: [u8; 2] = [0xd0, 0];

/// Bytes of a packet identifier.
const IDENTIFIER: usize = 2;

/// The type of a DISCONNECT.
const DISCONNECT: u8 = 14;

/// The first byte of a CONNACK.
const CONNACK: u8 = 0x20;

/// The reason in mosquitto's answer to a message that is too large.
const PACKET_TOO_LARGE: u8 = 0x95;

/// What replaces it: "packet identifier in use", which no broker has a reason to answer, because the library
/// uses an identifier again only after its answer. See `reasons::publish`.
const PACKET_IDENTIFIER_IN_USE: u8 = 0x91;

#[derive(Debug)]
enum State {
    /// Nothing but these bytes has arrived, which are not a broker's.
    Greeting(heapless::Vec<u8, { foreign_protocol::LONGEST }>),
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
    /// Within an MQTT 5 PUBACK that has a reason: bytes before it, and bytes from it on.
    Acknowledgement { before: usize, left: usize },
    /// Before the reason of an MQTT 5 DISCONNECT without the length of properties.
    Reason,
    /// Not MQTT: the library reports it.
    Foreign,
}

impl State {
    /// `length` bytes of a packet pass.
    fn passing(length: usize) -> Self {
        match length {
            0 => Self::Header(heapless::Vec::new()),
            keep => Self::Body { keep, drop: 0 },
        }
    }
}

/// Watches the packets in a stream of bytes.
#[derive(Debug)]
pub struct Packets {
    /// The version that was asked for.
    version: Version,
    /// Whether a packet has begun before.
    has_begun: bool,
    state: State,
}

impl Filter for Packets {
    fn filter(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Rejected> {
        while !bytes.is_empty() {
            match &mut self.state {
                State::Foreign => {
                    out.extend_from_slice(bytes);
                    return Ok(());
                }
                State::Greeting(greeting) => {
                    if greeting.is_empty() && bytes[0] == CONNACK {
                        self.state = State::Header(heapless::Vec::new());
                        continue;
                    }
                    // There is room, because all of these bytes suffice.
                    let _ = greeting.push(bytes[0]);
                    bytes = &bytes[1..];
                    if let Some(protocol) = ForeignProtocol::detect(greeting) {
                        return Err(Rejected::ForeignProtocol(protocol));
                    }
                }
                State::Acknowledgement { before, left } => {
                    let byte = bytes[0];
                    bytes = &bytes[1..];
                    if *before > 0 {
                        *before -= 1;
                        out.push(byte);
                        continue;
                    }
                    out.push(if byte == PACKET_TOO_LARGE {
                        PACKET_IDENTIFIER_IN_USE
                    } else {
                        byte
                    });
                    self.state = State::passing(*left - 1);
                }
                State::Reason => {
                    out.extend([bytes[0], 0]);
                    bytes = &bytes[1..];
                    self.state = State::Header(heapless::Vec::new());
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
                    bytes = &bytes[pass(bytes, keep, drop, out)..];
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
}

/// Passes on the next `keep` bytes and drops the `drop` bytes after them, as far as they have arrived.
/// Returns how many that were.
fn pass(bytes: &[u8], keep: &mut usize, drop: &mut usize, out: &mut Vec<u8>) -> usize {
    let kept = bytes.len().min(*keep);
    out.extend_from_slice(&bytes[..kept]);
    let dropped = (bytes.len() - kept).min(*drop);
    *keep -= kept;
    let before = *drop / MAX_INCOMING;
    *drop -= dropped;
    for _ in *drop / MAX_INCOMING..before {
        out.extend(ALIVE);
    }
    kept + dropped
}

impl Packets {
    /// Watches what answers a CONNECT of `version`.
    pub fn new(version: Version) -> Self {
        Self {
            version,
            has_begun: false,
            state: State::Greeting(heapless::Vec::new()),
        }
    }

    /// A packet with this fixed header begins.
    fn packet(&mut self, header: &[u8], out: &mut Vec<u8>) -> Result<(), Rejected> {
        let length = length_of(&header[1..]);
        let kind = header[0] >> 4;
        let (connack, publish, puback) = (2, 3, 4);
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
        // The library reads a length of properties in any case; mosquitto and others omit that of none
        // (3.14.2.2.1).
        if kind == DISCONNECT && self.version == Version::V5 && length == 1 {
            out.extend([header[0], 2]);
            self.state = State::Reason;
            return Ok(());
        }
        if is_too_large {
            out.push(header[0]);
            push_length(CUT, out);
        } else {
            out.extend_from_slice(header);
        }
        self.state = if is_too_large {
            State::Body {
                keep: CUT,
                drop: length - CUT,
            }
        } else if kind == puback && self.version == Version::V5 && length > IDENTIFIER {
            State::Acknowledgement {
                before: IDENTIFIER,
                left: length - IDENTIFIER,
            }
        } else {
            State::passing(length)
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

#[cfg(test)]
#[path = "inbound_tests.rs"]
mod tests;

//! Divides what a WebSocket delivers into small messages before the library collects them.
//!
//! The library hands a message over when all of it has arrived, so it needs a limit, and a message above the
//! limit ends the connection. A broker puts a retained MQTT message of any size into one WebSocket message.
//! MQTT does not care where WebSocket messages end (MQTT 5, section 6.0), so every piece of content becomes
//! one as it arrives (RFC 6455, section 5.2); `inbound` then truncates large MQTT messages as over any other
//! stream.

use super::filtered::{CHUNK, Filter, Rejected};

/// The largest message that is passed on, in bytes.
pub const MAX_MESSAGE: usize = CHUNK;

/// Maximum bytes of a frame's header without a mask, which servers do not use.
const HEADER: usize = 10;

/// The end of the answer to the request for a WebSocket.
const RESPONSE_END: &[u8; 4] = b"\r\n\r\n";

/// The first byte of a binary message in a single frame.
const BINARY: u8 = 0x82;

#[derive(Debug)]
enum State {
    /// Within the answer to the request; how much of its end has arrived.
    Response(usize),
    /// Within a frame's header; what has arrived of it.
    Header(heapless::Vec<u8, HEADER>),
    /// Within content; how many bytes of the frame are left.
    Content(u64),
    /// Within a control frame; how many of its bytes are left.
    Control(u64),
    /// Not a WebSocket frame: the library reports it.
    Foreign,
}

/// Watches the frames in a stream of bytes from a server.
#[derive(Debug)]
pub struct Frames(State);

impl Frames {
    /// Begins with the server's answer to the request.
    pub fn new() -> Self {
        Self(State::Response(0))
    }
}

impl Filter for Frames {
    fn filter(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Rejected> {
        while let [byte, rest @ ..] = bytes {
            let (length, left) = match &mut self.0 {
                State::Foreign => {
                    out.extend_from_slice(bytes);
                    return Ok(());
                }
                State::Response(arrived) => {
                    out.push(*byte);
                    *arrived = match *byte {
                        byte if byte == RESPONSE_END[*arrived] => *arrived + 1,
                        b'\r' => 1,
                        _ => 0,
                    };
                    if *arrived == RESPONSE_END.len() {
                        self.0 = State::Header(heapless::Vec::new());
                    }
                    bytes = rest;
                    continue;
                }
                State::Header(header) => {
                    // There is room, because a header of this length is whole.
                    let _ = header.push(*byte);
                    if let Some(next) = begin(header, out) {
                        self.0 = next;
                    }
                    bytes = rest;
                    continue;
                }
                State::Content(left) => {
                    let piece = part(bytes, *left);
                    push_message(piece, out);
                    *left -= piece.len() as u64;
                    (piece.len(), *left)
                }
                State::Control(left) => {
                    let piece = part(bytes, *left);
                    out.extend_from_slice(piece);
                    *left -= piece.len() as u64;
                    (piece.len(), *left)
                }
            };
            bytes = &bytes[length..];
            if left == 0 {
                self.0 = State::Header(heapless::Vec::new());
            }
        }
        Ok(())
    }
}

/// The part of `bytes` that belongs to a frame of which `left` bytes are left.
fn part(bytes: &[u8], left: u64) -> &[u8] {
    let length = usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()));
    &bytes[..length]
}

/// Appends `piece` as a message of its own.
fn push_message(piece: &[u8], out: &mut Vec<u8>) {
    out.push(BINARY);
    match u8::try_from(piece.len()) {
        Ok(length) if length < 126 => out.push(length),
        _ => {
            out.push(126);
            // A piece is not larger than a chunk.
            out.extend((piece.len() as u16).to_be_bytes());
        }
    }
    out.extend_from_slice(piece);
}

/// What follows this header; `None` until all of it has arrived.
fn begin(header: &[u8], out: &mut Vec<u8>) -> Option<State> {
    let (first, length) = (*header.first()?, *header.get(1)?);
    let opcode = first & 0x0f;
    let is_control = opcode >= 8;
    // Reserved bits or codes, or a mask.
    if first & 0x70 != 0 || length & 0x80 != 0 || (3..8).contains(&opcode) {
        out.extend_from_slice(header);
        return Some(State::Foreign);
    }
    let digits = match length {
        126 => header.get(2..4)?,
        127 => header.get(2..10)?,
        _ => &[length],
    };
    let length = digits
        .iter()
        .fold(0_u64, |length, digit| length << 8 | u64::from(*digit));
    if is_control {
        out.extend_from_slice(header);
    }
    Some(match (length, is_control) {
        (0, _) => State::Header(heapless::Vec::new()),
        (length, true) => State::Control(length),
        (length, false) => State::Content(length),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const RESPONSE: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n";

    /// A frame of this first byte.
    fn frame(first: u8, content: &[u8]) -> Vec<u8> {
        let length = content.len();
        let mut frame = vec![first];
        match length {
            0..126 => frame.push(length as u8),
            126..65536 => {
                frame.push(126);
                frame.extend((length as u16).to_be_bytes());
            }
            _ => {
                frame.push(127);
                frame.extend((length as u64).to_be_bytes());
            }
        }
        frame.extend(content);
        frame
    }

    fn filtered(bytes: &[u8], piece: usize) -> Vec<u8> {
        let (mut frames, mut out) = (Frames::new(), Vec::new());
        for piece in bytes.chunks(piece) {
            frames.filter(piece, &mut out).unwrap();
        }
        out
    }

    /// The content of the messages in `bytes`, which follow the response, and the control frames.
    fn messages(bytes: &[u8]) -> (Vec<u8>, Vec<Vec<u8>>) {
        let mut bytes = bytes.strip_prefix(RESPONSE).unwrap();
        let (mut content, mut control) = (Vec::new(), Vec::new());
        while !bytes.is_empty() {
            let (begin, length) = match bytes[1] {
                126 => (4, usize::from(u16::from_be_bytes([bytes[2], bytes[3]]))),
                length => (2, usize::from(length)),
            };
            assert!(length <= MAX_MESSAGE);
            if bytes[0] == BINARY {
                content.extend(&bytes[begin..begin + length]);
            } else {
                control.push(bytes[..begin + length].to_vec());
            }
            bytes = &bytes[begin + length..];
        }
        (content, control)
    }

    #[test]
    fn large_and_fragmented_messages_become_small_ones() {
        let large: Vec<u8> = (0..200_000_u32).map(|number| number as u8).collect();
        let ping = frame(0x89, b"ping");
        let stream = [
            RESPONSE,
            &frame(0x82, b"small"),
            &frame(0x82, &large),
            // Fragments, with a ping between them.
            &frame(0x02, &[b'a'; 300]),
            &ping,
            &frame(0x00, b""),
            &frame(0x80, &[b'b'; 70]),
        ]
        .concat();
        let expected = [b"small", &large[..], &[b'a'; 300], &[b'b'; 70]].concat();
        for piece in [1, 7, 1000, CHUNK] {
            let (content, control) = messages(&filtered(&stream, piece));
            assert!(content == expected, "{piece}");
            assert_eq!(control, [&*ping], "{piece}");
        }
    }

    #[test]
    fn invalid_frames_are_left_to_the_library() {
        for invalid in [&[0xc2, 1, 9][..], &[0x82, 0x81, 1, 2, 3, 4, 5], &[0x83, 1, 9]] {
            let stream = [RESPONSE, invalid, b"more"].concat();
            assert_eq!(filtered(&stream, 2), stream);
        }
    }
}

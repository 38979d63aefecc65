//! Tests which of a broker's bytes are passed on.
#![allow(clippy::unwrap_used)]
use proptest::prelude::*;

use super::*;

const ACCEPTED_311: [u8; 4] = [0x20, 2, 0, 0];
const ACCEPTED_5: [u8; 5] = [0x20, 3, 0, 0, 0];

fn publish(length: usize) -> Vec<u8> {
    let mut packet = vec![0x30];
    push_length(length, &mut packet);
    packet.extend([0, 1, b't']);
    packet.resize(packet.len() + length - 3, b'x');
    packet
}

/// What is passed on from `bytes`, which arrive in pieces of this size.
fn filtered(version: Version, bytes: &[u8], piece: usize) -> Result<Vec<u8>, Rejected> {
    let mut filter = Packets::new(version);
    let mut out = Vec::new();
    for piece in bytes.chunks(piece) {
        filter.filter(piece, &mut out)?;
    }
    Ok(out)
}

#[test]
fn the_answer_of_an_earlier_version_is_recognized() {
    for piece in 1..=4 {
        assert_eq!(
            filtered(Version::V5, &[0x20, 2, 0, 1], piece),
            Err(Rejected::EarlierVersion)
        );
        assert_eq!(
            filtered(Version::V311, &ACCEPTED_311, piece).unwrap(),
            ACCEPTED_311
        );
    }
    let accepted = [0x20, 3, 0, 0, 0, 0x20, 2, 0, 0];
    assert_eq!(
        filtered(Version::V5, &accepted, 9).unwrap(),
        accepted,
        "only the first packet"
    );
}

#[test]
fn a_message_that_is_too_large_is_cut() {
    let [large, small] = [publish(5_000_000), publish(20)];
    let stream = [&ACCEPTED_311[..], &large, &small].concat();
    for piece in [1, 1000, stream.len()] {
        let out = filtered(Version::V311, &stream, piece).unwrap();
        let cut = publish(CUT);
        // Once for every 64 KiB that are dropped.
        let alive = ALIVE.repeat((5_000_000 - CUT) / MAX_INCOMING);
        assert!(
            out == [&ACCEPTED_311[..], &cut, &alive, &small].concat(),
            "{piece}"
        );
        assert!(cut.len() <= MAX_INCOMING);
    }
    let largest = publish(MAX_INCOMING - 4);
    assert_eq!(largest.len(), MAX_INCOMING);
    let stream = [&ACCEPTED_311[..], &largest].concat();
    assert!(filtered(Version::V311, &stream, 4096).unwrap() == stream);
}

/// An MQTT 5 message with QoS 1 on the topic `t`.
fn publish_v5(properties: usize, payload: usize) -> Vec<u8> {
    let mut body = vec![0, 1, b't', 0, 7];
    push_length(properties, &mut body);
    body.resize(body.len() + properties, b'p');
    body.resize(body.len() + payload, b'x');
    let mut packet = vec![0x32];
    push_length(body.len(), &mut packet);
    packet.extend(body);
    packet
}

#[test]
fn a_large_message_of_mqtt_5_keeps_small_properties_only() {
    let accepted = [0x20, 3, 0, 0, 0];
    let small = publish_v5(3, 20);
    for piece in [1, 1000, 1 << 20] {
        let stream = [&accepted[..], &publish_v5(300, 200_000), &small].concat();
        let out = filtered(Version::V5, &stream, piece).unwrap();
        // Topic, identifier, two digits of the length, 300 bytes of properties.
        let cut = publish_v5(300, CUT - 307);
        let alive = ALIVE.repeat((200_307 - CUT) / MAX_INCOMING);
        assert!(out == [&accepted[..], &cut, &alive, &small].concat(), "{piece}");

        let stream = [&accepted[..], &publish_v5(100_000, 20), &small].concat();
        let out = filtered(Version::V5, &stream, piece).unwrap();
        let mut replaced = vec![0x32, 6 + 9, 0, 1, b't', 0, 7, 0];
        replaced.extend(TOO_LARGE);
        replaced.extend(ALIVE);
        assert!(out == [&accepted[..], &replaced, &small].concat(), "{piece}");
    }
}

#[test]
fn any_other_packet_that_is_too_large_is_rejected() {
    for (version, accepted) in [(Version::V5, &ACCEPTED_5[..]), (Version::V311, &ACCEPTED_311)] {
        let mut packet = accepted.to_vec();
        packet.push(0x90);
        push_length(70_000, &mut packet);
        let found = filtered(version, &packet, 1);
        assert_eq!(found, Err(Rejected::TooLarge(70_004)));
    }
}

#[test]
fn other_bytes_pass_after_the_answer() {
    let bytes = [&ACCEPTED_5[..], b"\x48\xff\xff\xff\xff\xff and more"].concat();
    assert_eq!(filtered(Version::V5, &bytes, 3).unwrap(), bytes);
}

#[test]
fn servers_that_are_not_brokers_are_recognized() {
    for (bytes, protocol) in [
        (&b"HTTP/1.1 400 Bad Request\r\n"[..], ForeignProtocol::Http),
        (b"SSH-2.0-OpenSSH_9.2\r\n", ForeignProtocol::Ssh),
        (b"220 mail ESMTP\r\n", ForeignProtocol::Mail),
        (&[0x15, 3, 3, 0, 2, 2, 70], ForeignProtocol::Tls),
        (b"HTML", ForeignProtocol::Unknown),
        (&[0x10, 2, 0, 0], ForeignProtocol::Unknown),
    ] {
        for version in [Version::V5, Version::V311] {
            for piece in [1, 3, 100] {
                let found = filtered(version, bytes, piece);
                assert_eq!(found, Err(Rejected::ForeignProtocol(protocol)), "{piece}");
            }
        }
    }
}

#[test]
fn the_reason_that_a_message_is_too_large_is_replaced() {
    let stream = |reason| {
        let refused = [0x40, 4, 0, 7, reason, 0];
        [
            &ACCEPTED_5[..],
            &refused,
            &[0x40, 2, 0, 8],
            &[0x40, 3, 0, 9, reason],
        ]
        .concat()
    };
    for piece in [1, 3, 100] {
        let out = filtered(Version::V5, &stream(PACKET_TOO_LARGE), piece).unwrap();
        assert_eq!(out, stream(PACKET_IDENTIFIER_IN_USE));
        let other = stream(0x97);
        assert_eq!(filtered(Version::V5, &other, piece).unwrap(), other);
    }
}

proptest! {
    #[test]
    fn pieces_do_not_matter(bytes: Vec<u8>, accepted: bool, piece in 1_usize..40) {
        let bytes = [if accepted { &ACCEPTED_5[..] } else { &[] }, &bytes].concat();
        let whole = filtered(Version::V5, &bytes, bytes.len().max(1));
        prop_assert_eq!(filtered(Version::V5, &bytes, piece), whole);
    }
}

//! What a broker sends.

use affectd::{
    publish::{
        command::parse::parse,
        discovery::birth,
        privacy::command::{self as privacy, PrivacyCommand},
    },
    text,
};
use bytes::BytesMut;

use crate::target::fuzz;

/// Largest packet, as the daemon's options say.
const MAX_PACKET: u32 = 64 << 10;

/// Packets of MQTT 3.1.1, and how the client handles them.
#[test]
fn packets_v4() {
    fuzz("broker__packets_v4", |bytes| {
        let mut stream = BytesMut::from(bytes);
        let mut state = rumqttc::MqttState::builder(16).build();
        while let Ok(packet) = rumqttc::Packet::read(&mut stream, MAX_PACKET as usize) {
            if state.handle_incoming_packet(packet).is_err() {
                break;
            }
        }
    });
}

/// The same for MQTT 5.
#[test]
fn packets_v5() {
    fuzz("broker__packets_v5", |bytes| {
        let mut stream = BytesMut::from(bytes);
        let mut state = rumqttc_v5::MqttState::builder(16).build();
        while let Ok(packet) = rumqttc_v5::Packet::read(&mut stream, Some(MAX_PACKET)) {
            if state.handle_incoming_packet(packet).is_err() {
                break;
            }
        }
    });
}

/// Messages on the topics that the daemon subscribes to.
#[test]
fn messages() {
    fuzz("broker__messages", |bytes| {
        for retain in [false, true] {
            let command = privacy::parse(bytes, retain);
            // A stale or damaged command never turns privacy off.
            if command == PrivacyCommand::Off {
                assert!(!retain && bytes == b"OFF");
            }
            let has_started = birth::home_assistant_has_started(bytes, retain);
            assert!(!has_started || !retain);
        }
        if let Err(refusal) = parse(bytes) {
            assert!(!refusal.message.contains(text::is_unsafe), "{}", refusal.message);
        }
    });
}

//! MQTT 5 by rumqttc.

use rumqttc_v5::{
    ConnectProperties, ConnectionError, DisconnectReasonCode, Error, Outgoing, Packet, PublishOptions,
    PublishProperties, QoS, StateError, mqttbytes::v5::LastWill,
};

use super::{
    event::{Event, Limits, Received},
    handover::Handover,
    library::library,
    login::{CHANNEL, KEEP_ALIVE_S, Login, RECEIVE_MAXIMUM, Will},
    reasons,
};
use crate::{
    publish::{
        disconnect::DisconnectReason,
        transport::{Backpressure, Message, Payload},
    },
    text,
};

library!(rumqttc_v5);

/// Content type of JSON, and of a bare word.
const JSON: &str = "application/json";
const WORD: &str = "text/plain";

/// Longest text that a broker gives as a reason, in characters.
const MAX_TEXT: usize = 120;

/// Logs in over `stream`.
pub fn log_in(login: &Login, stream: Handover) -> (Requests, Events) {
    let mut properties = ConnectProperties::new();
    properties.receive_maximum = Some(RECEIVE_MAXIMUM);
    properties.user_properties.clone_from(&login.properties);
    let mut options = options(login, stream);
    options
        .set_connect_properties(properties)
        // The filter of incoming bytes has a limit, which must not be announced: see `inbound`.
        .set_unlimited_incoming_packet_size()
        .set_outgoing_inflight_upper_limit(CHANNEL as u16);
    if let Some(Will { topic, payload }) = &login.will {
        options.set_last_will(LastWill::new(topic, *payload, QoS::AtLeastOnce, true, None));
    }
    client(options)
}

impl Requests {
    pub fn publish(
        &self,
        message: Message<'_>,
        acknowledged: bool,
        expiry: Option<u32>,
    ) -> Result<(), Backpressure> {
        let content_type = match message.payload {
            Payload::Json(_) => JSON,
            Payload::Word(_) => WORD,
        };
        let properties = PublishProperties {
            message_expiry_interval: expiry,
            content_type: Some(content_type.to_owned()),
            ..PublishProperties::default()
        };
        self.send(
            message,
            PublishOptions::new(qos(acknowledged)).properties(properties),
        )
    }
}

impl Events {
    pub async fn next(&mut self) -> Result<Event, DisconnectReason> {
        let packet = match self.0.poll().await.map_err(reason)? {
            rumqttc_v5::Event::Outgoing(Outgoing::Disconnect) => return Ok(Event::Disconnected),
            rumqttc_v5::Event::Incoming(packet) => packet,
            _ => return Ok(Event::Sent),
        };
        Ok(match packet {
            Packet::ConnAck(ack) => {
                let properties = ack.properties.as_ref();
                Event::Accepted(Limits {
                    packet: properties.and_then(|properties| properties.max_packet_size),
                    unacknowledged: properties.and_then(|properties| properties.receive_max),
                    stores_nothing: properties.and_then(|properties| properties.retain_available) == Some(0),
                })
            }
            Packet::SubAck(ack) => {
                Event::Subscribed(ack.return_codes.into_iter().map(reasons::subscribe).collect())
            }
            Packet::PubAck(ack) => Event::Acknowledged(reasons::publish(ack.reason)),
            Packet::Publish(message) => received(&message),
            _ => Event::Alive,
        })
    }
}

fn reason(error: ConnectionError) -> DisconnectReason {
    match error {
        ConnectionError::ConnectionRefused(code) => match reasons::connect(code) {
            Some(refusal) => DisconnectReason::Refused(refusal),
            None => DisconnectReason::WrongVersion,
        },
        ConnectionError::Timeout(_) => DisconnectReason::Unanswered,
        ConnectionError::Io(error) | ConnectionError::MqttState(StateError::Io(error)) => {
            DisconnectReason::io(error)
        }
        ConnectionError::MqttState(StateError::ConnectionAborted) => DisconnectReason::Closed(None),
        ConnectionError::MqttState(StateError::AwaitPingResp) => DisconnectReason::Silence,
        ConnectionError::MqttState(StateError::ServerDisconnect {
            reason_code,
            reason_string,
        }) => DisconnectReason::Ended {
            words: reasons::disconnect(reason_code),
            is_takeover: reason_code == DisconnectReasonCode::SessionTakenOver,
            text: reason_string.map(|words| text::sanitized(&words, MAX_TEXT)),
        },
        ConnectionError::MqttState(StateError::Deserialization(Error::Io(error))) => {
            DisconnectReason::io(error)
        }
        ConnectionError::MqttState(StateError::Deserialization(_)) | ConnectionError::NotConnAck(_) => {
            DisconnectReason::NotMqtt
        }
        error => DisconnectReason::Other(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use rumqttc_v5::ConnectReturnCode;

    use super::*;

    #[test]
    fn credential_and_version_errors_differ() {
        let refused = |code| reason(ConnectionError::ConnectionRefused(code));
        assert!(
            refused(ConnectReturnCode::NotAuthorized)
                .refused_credentials()
                .is_some()
        );
        assert!(refused(ConnectReturnCode::Banned).refused_credentials().is_none());
        let version = refused(ConnectReturnCode::UnsupportedProtocolVersion);
        assert!(version.may_be_about_the_version());
        assert!(!refused(ConnectReturnCode::ServerBusy).may_be_about_the_version());
    }
}

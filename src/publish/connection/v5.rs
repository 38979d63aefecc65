//! MQTT 5 by rumqttc.

use rumqttc_v5::{
    AsyncClient, ConnectProperties, ConnectionError, DisconnectReasonCode, Error, EventLoop, MqttOptions,
    Outgoing, Packet, PublishOptions, PublishProperties, QoS, StateError, SubscribeFilter,
    mqttbytes::v5::LastWill,
};

use super::{
    event::{Event, Limits, Received},
    link::Handover,
    login::{CHANNEL, KEEP_ALIVE_S, Login, MAX_INCOMING, RECEIVE_MAXIMUM},
    reasons,
};
use crate::{
    publish::{
        disconnect::DisconnectReason,
        transport::{Backpressure, Message, Payload},
    },
    text,
};

/// Content type of JSON, and of a bare word.
const JSON: &str = "application/json";
const WORD: &str = "text/plain";

/// Longest text that a broker gives as a reason, in characters.
const MAX_TEXT: usize = 120;

/// Hands packets to the library.
pub struct Requests(AsyncClient);

/// Drives the connection.
pub struct Events(EventLoop);

/// Logs in over `stream`.
pub fn log_in(login: &Login, stream: Handover) -> (Requests, Events) {
    // The address is of no use: the stream is open.
    let mut options = MqttOptions::new(&login.client_id, ("", 0));
    let mut properties = ConnectProperties::new();
    properties.receive_maximum = Some(RECEIVE_MAXIMUM);
    properties.user_properties.clone_from(&login.properties);
    options
        .set_keep_alive(KEEP_ALIVE_S)
        .set_connect_properties(properties)
        .set_max_packet_size(Some(MAX_INCOMING as u32))
        .set_outgoing_inflight_upper_limit(CHANNEL as u16);
    options.set_socket_connector(move |_, _| {
        let stream = stream.take();
        async { stream }
    });
    match &login.password {
        Some(password) => {
            options.set_credentials(&login.username, password.clone());
        }
        None if !login.username.is_empty() => {
            options.set_username(&login.username);
        }
        None => {}
    }
    if let Some(topic) = &login.will_topic {
        options.set_last_will(LastWill::new(topic, "offline", QoS::AtLeastOnce, true, None));
    }
    let (client, events) = AsyncClient::builder(options).capacity(CHANNEL).build();
    (Requests(client), Events(events))
}

fn qos(acknowledged: bool) -> QoS {
    if acknowledged {
        QoS::AtLeastOnce
    } else {
        QoS::AtMostOnce
    }
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
        let options = PublishOptions::new(qos(acknowledged))
            .retain(message.retain)
            .properties(properties);
        self.0
            .try_publish(message.topic, message.payload.bytes().to_vec(), options)
            .map_err(|_| Backpressure)
    }

    pub fn subscribe(&self, topics: &[(&str, bool)]) -> Result<(), Backpressure> {
        let filters: Vec<_> = topics
            .iter()
            .map(|(topic, acknowledged)| SubscribeFilter::new((*topic).to_owned(), qos(*acknowledged)))
            .collect();
        self.0.try_subscribe_many(filters).map_err(|_| Backpressure)
    }

    pub fn unsubscribe(&self, topics: &[&str]) -> Result<(), Backpressure> {
        let topics = topics.iter().map(|topic| (*topic).to_owned());
        self.0.try_unsubscribe_many(topics).map_err(|_| Backpressure)
    }

    pub fn disconnect(&self) {
        let _ = self.0.try_disconnect_now();
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
            Packet::Publish(message) => Event::Message(Received {
                topic: message.topic.to_vec(),
                payload: message.payload.to_vec(),
                retain: message.retain,
            }),
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
    fn credentials_and_versions_are_told_apart() {
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

//! MQTT 3.1.1 by rumqttc.

use rumqttc::{
    AsyncClient, ConnectReturnCode, ConnectionError, EventLoop, LastWill, MqttOptions, Outgoing, Packet,
    PublishOptions, QoS, StateError, SubscribeFilter, SubscribeReasonCode,
};

use super::{
    event::{Event, Limits, Received},
    link::Handover,
    login::{CHANNEL, KEEP_ALIVE_S, Login, MAX_INCOMING},
    reasons::{NOT_AUTHORIZED, Refusal},
};
use crate::publish::{
    disconnect::DisconnectReason,
    transport::{Backpressure, Message},
};

/// Hands packets to the library.
pub struct Requests(AsyncClient);

/// Drives the connection.
pub struct Events(EventLoop);

/// The largest packet that is sent, in bytes; discovery, the largest, has 7 KB.
const MAX_OUTGOING: usize = 256 << 10;

/// Logs in over `stream`.
pub fn log_in(login: &Login, stream: Handover) -> (Requests, Events) {
    // The address is of no use: the stream is open.
    let mut options = MqttOptions::new(&login.client_id, ("", 0));
    options
        .set_keep_alive(KEEP_ALIVE_S)
        .set_max_packet_size(MAX_INCOMING, MAX_OUTGOING);
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
        options.set_last_will(LastWill::new(topic, "offline", QoS::AtLeastOnce, true));
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
    pub fn publish(&self, message: Message<'_>, acknowledged: bool) -> Result<(), Backpressure> {
        let options = PublishOptions::new(qos(acknowledged)).retain(message.retain);
        self.0
            .try_publish(message.topic, message.payload.bytes(), options)
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
            rumqttc::Event::Outgoing(Outgoing::Disconnect) => return Ok(Event::Disconnected),
            rumqttc::Event::Outgoing(_) => return Ok(Event::Sent),
            rumqttc::Event::Incoming(packet) => packet,
        };
        Ok(match packet {
            Packet::ConnAck(_) => Event::Accepted(Limits::default()),
            Packet::SubAck(ack) => Event::Subscribed(
                ack.return_codes
                    .iter()
                    .map(|code| match code {
                        SubscribeReasonCode::Success(_) => Ok(()),
                        // 3.1.1 knows no other reason.
                        SubscribeReasonCode::Failure => Err(NOT_AUTHORIZED),
                    })
                    .collect(),
            ),
            Packet::PubAck(_) => Event::Acknowledged(Ok(())),
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
        ConnectionError::ConnectionRefused(code) => match refusal(code) {
            Some(refusal) => DisconnectReason::Refused(refusal),
            None => DisconnectReason::WrongVersion,
        },
        ConnectionError::NetworkTimeout => DisconnectReason::Unanswered,
        ConnectionError::Io(error) | ConnectionError::MqttState(StateError::Io(error)) => {
            DisconnectReason::io(error)
        }
        ConnectionError::MqttState(StateError::ConnectionAborted) => DisconnectReason::Closed(None),
        ConnectionError::MqttState(StateError::AwaitPingResp) => DisconnectReason::Silence,
        ConnectionError::MqttState(StateError::Deserialization(rumqttc::Error::Io(error))) => {
            DisconnectReason::io(error)
        }
        ConnectionError::MqttState(StateError::Deserialization(_)) | ConnectionError::NotConnAck(_) => {
            DisconnectReason::NotMqtt
        }
        error => DisconnectReason::Other(error.to_string()),
    }
}

/// Why the broker does not accept the connection; `None` if it does not speak MQTT 3.1.1.
fn refusal(code: ConnectReturnCode) -> Option<Refusal> {
    Some(match code {
        ConnectReturnCode::RefusedProtocolVersion => return None,
        ConnectReturnCode::Success => Refusal::other("no reason given"),
        ConnectReturnCode::BadClientId => Refusal::other("it does not allow this client id"),
        ConnectReturnCode::ServiceUnavailable => Refusal::other("it is not available at the moment"),
        ConnectReturnCode::BadUserNamePassword => Refusal::credentials("bad user name or password"),
        ConnectReturnCode::NotAuthorized => Refusal::credentials(NOT_AUTHORIZED),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_credentials_count_as_refused() {
        let refused = |code| reason(ConnectionError::ConnectionRefused(code)).refused_credentials();
        assert!(refused(ConnectReturnCode::BadUserNamePassword).is_some());
        assert!(refused(ConnectReturnCode::NotAuthorized).is_some());
        assert!(refused(ConnectReturnCode::ServiceUnavailable).is_none());
        assert!(refused(ConnectReturnCode::BadClientId).is_none());
        assert!(refused(ConnectReturnCode::RefusedProtocolVersion).is_none());
    }
}

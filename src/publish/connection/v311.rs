//! MQTT 3.1.1 by rumqttc.

use rumqttc::{
    ConnectReturnCode, ConnectionError, LastWill, Outgoing, Packet, PublishOptions, QoS, StateError,
    SubscribeReasonCode,
};

use super::{
    event::{Event, Limits, Received},
    handover::Handover,
    library::library,
    login::{CHANNEL, KEEP_ALIVE_S, Login, MAX_INCOMING, Will},
    reasons::{BAD_CLIENT_ID, NOT_AUTHORIZED, Refusal},
};
use crate::publish::{
    disconnect::DisconnectReason,
    transport::{Backpressure, Message},
};

library!(rumqttc);

/// The largest packet that is sent, in bytes; discovery, the largest, has 7 KB.
const MAX_OUTGOING: usize = 256 << 10;

/// Logs in over `stream`.
pub fn log_in(login: &Login, stream: Handover) -> (Requests, Events) {
    let mut options = options(login, stream);
    options.set_max_packet_size(MAX_INCOMING, MAX_OUTGOING);
    if let Some(Will { topic, payload }) = &login.will {
        options.set_last_will(LastWill::new(topic, *payload, QoS::AtLeastOnce, true));
    }
    client(options)
}

impl Requests {
    pub fn publish(&self, message: Message<'_>, acknowledged: bool) -> Result<(), Backpressure> {
        self.send(message, PublishOptions::new(qos(acknowledged)))
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
                        // 3.1.1 has no other reason code.
                        SubscribeReasonCode::Failure => Err(NOT_AUTHORIZED),
                    })
                    .collect(),
            ),
            Packet::PubAck(_) => Event::Acknowledged(Ok(())),
            Packet::Publish(message) => received(&message),
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
        ConnectReturnCode::BadClientId => Refusal::other(BAD_CLIENT_ID),
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

//! The broker's reason codes in words (MQTT 5, section 2.4; MQTT 3.1.1, table 3.1).

use rumqttc_v5::{ConnectReturnCode, DisconnectReasonCode, PubAckReason, SubscribeReasonCode};

/// Words for a refusal without a reason.
pub const NO_REASON: &str = "no reason given";

/// Words for code 0x87, and for the codes of MQTT 3.1.1 that mean the same.
pub const NOT_AUTHORIZED: &str = "not authorized";

/// Words for code 0x85.
pub const BAD_CLIENT_ID: &str = "it does not allow this client id: see mqtt.client_id";

/// Words for code 0x95 in the answer to a message.
pub const TOO_LARGE: &str = "it is larger than the broker permits";

/// Why a broker does not accept a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// In words.
    pub words: &'static str,
    /// Whether it rejects the user name or the password.
    pub is_about_credentials: bool,
}

impl Refusal {
    /// The credentials are refused.
    pub const fn credentials(words: &'static str) -> Self {
        Self {
            words,
            is_about_credentials: true,
        }
    }

    /// Anything else.
    pub const fn other(words: &'static str) -> Self {
        Self {
            words,
            is_about_credentials: false,
        }
    }
}

/// Why the broker does not accept the connection; `None` if it does not speak MQTT 5.
pub fn connect(code: ConnectReturnCode) -> Option<Refusal> {
    use ConnectReturnCode as Code;
    Some(match code {
        Code::RefusedProtocolVersion | Code::UnsupportedProtocolVersion => return None,
        Code::BadUserNamePassword => Refusal::credentials("bad user name or password"),
        Code::NotAuthorized => Refusal::credentials(NOT_AUTHORIZED),
        Code::BadAuthenticationMethod => {
            Refusal::credentials("it wants another way of logging in than a password")
        }
        Code::BadClientId | Code::ClientIdentifierNotValid => Refusal::other(BAD_CLIENT_ID),
        Code::ServiceUnavailable | Code::ServerUnavailable => {
            Refusal::other("it is not available at the moment")
        }
        Code::ServerBusy => Refusal::other("it is busy"),
        Code::Banned => Refusal::other("it has banned this client"),
        Code::TopicNameInvalid => {
            Refusal::other("it does not allow the topic of the last will: see mqtt.base")
        }
        Code::RetainNotSupported => Refusal::other("it stores no retained messages, which this device needs"),
        Code::QoSNotSupported => Refusal::other("it does not support QoS 1, which this device needs"),
        Code::PacketTooLarge => Refusal::other("the login is larger than it permits"),
        Code::QuotaExceeded => Refusal::other("its quota is exceeded"),
        Code::ConnectionRateExceeded => Refusal::other("too many connections at once"),
        Code::UseAnotherServer | Code::ServerMoved => {
            Refusal::other("it asks to use another broker: see mqtt.host")
        }
        Code::MalformedPacket | Code::ProtocolError | Code::PayloadFormatInvalid => {
            Refusal::other("it calls the login malformed")
        }
        Code::Success | Code::UnspecifiedError | Code::ImplementationSpecificError => {
            Refusal::other(NO_REASON)
        }
    })
}

/// Why the broker has ended an accepted connection.
pub fn disconnect(code: DisconnectReasonCode) -> &'static str {
    use DisconnectReasonCode as Code;
    match code {
        Code::NotAuthorized => {
            "it does not permit what this device publishes or subscribes to: see the broker's access list"
        }
        Code::ServerBusy => "it is busy",
        Code::ServerShuttingDown => "it shuts down",
        Code::KeepAliveTimeout => "it has heard nothing from this device for too long",
        Code::SessionTakenOver => "another client with the same id has connected",
        Code::TopicFilterInvalid | Code::TopicNameInvalid => "it does not allow a topic: see mqtt.base",
        Code::ReceiveMaximumExceeded => "too many messages wait for its acknowledgement",
        Code::PacketTooLarge => "a message is larger than it permits",
        Code::MessageRateTooHigh => "too many messages a second: see mqtt.rate",
        Code::QuotaExceeded => "its quota is exceeded",
        Code::AdministrativeAction => "its administrator has closed the connection",
        Code::RetainNotSupported => "it stores no retained messages, which this device needs",
        Code::QoSNotSupported => "it does not support QoS 1, which this device needs",
        Code::UseAnotherServer | Code::ServerMoved => "it asks to use another broker: see mqtt.host",
        Code::ConnectionRateExceeded => "too many connections at once",
        Code::MaximumConnectTime => "the longest time of a connection is over",
        Code::MalformedPacket
        | Code::ProtocolError
        | Code::TopicAliasInvalid
        | Code::PayloadFormatInvalid => "it calls a message malformed",
        Code::NormalDisconnection
        | Code::DisconnectWithWillMessage
        | Code::UnspecifiedError
        | Code::ImplementationSpecificError
        | Code::SharedSubscriptionNotSupported
        | Code::SubscriptionIdentifiersNotSupported
        | Code::WildcardSubscriptionsNotSupported => "it gives no reason",
    }
}

/// Whether the broker has accepted a QoS 1 message.
pub fn publish(reason: PubAckReason) -> Result<(), &'static str> {
    match reason {
        PubAckReason::Success | PubAckReason::NoMatchingSubscribers => Ok(()),
        PubAckReason::NotAuthorized => Err(NOT_AUTHORIZED),
        PubAckReason::TopicNameInvalid => Err("it does not allow this topic"),
        PubAckReason::QuotaExceeded => Err("its quota is exceeded"),
        PubAckReason::PayloadFormatInvalid => Err("it calls the content malformed"),
        // See `inbound`.
        PubAckReason::PacketIdentifierInUse => Err(TOO_LARGE),
        PubAckReason::UnspecifiedError | PubAckReason::ImplementationSpecificError => Err(NO_REASON),
    }
}

/// Whether the broker has granted a subscription.
pub fn subscribe(code: SubscribeReasonCode) -> Result<(), &'static str> {
    match code {
        SubscribeReasonCode::Success(_) => Ok(()),
        SubscribeReasonCode::NotAuthorized => Err(NOT_AUTHORIZED),
        SubscribeReasonCode::TopicFilterInvalid => Err("it does not allow this topic"),
        SubscribeReasonCode::QuotaExceeded => Err("its quota is exceeded"),
        _ => Err(NO_REASON),
    }
}

//! The events of a connection, the same for both versions of MQTT.

/// What the broker permits, as stated in its answer to an MQTT 5 CONNECT. MQTT 3.1.1 cannot state it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// Largest packet that it accepts, in bytes.
    pub packet: Option<u32>,
    /// Maximum number of unacknowledged QoS 1 messages.
    pub unacknowledged: Option<u16>,
    /// Whether it does not store messages for later subscribers.
    pub stores_nothing: bool,
}

/// A message from the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// Its topic.
    pub topic: Vec<u8>,
    /// Its content.
    pub payload: Vec<u8>,
    /// Whether the broker had stored it.
    pub retain: bool,
}

/// The broker's answer to one request: success, or the reason for a failure in words.
pub type Answer = Result<(), &'static str>;

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The broker has accepted the connection.
    Accepted(Limits),
    /// It answers a subscription, with one answer per topic in the order of the request.
    Subscribed(Vec<Answer>),
    /// It answers the oldest unanswered QoS 1 message (MQTT 5, section 4.6: in order).
    Acknowledged(Answer),
    /// A message on a subscribed topic.
    Message(Received),
    /// This side's DISCONNECT was sent.
    Disconnected,
    /// Any other packet from the broker: it is alive.
    Alive,
    /// A packet was sent.
    Sent,
}

//! What happens on a connection, the same for both versions of MQTT.

/// What the broker permits, as it says in its answer to MQTT 5's CONNECT. MQTT 3.1.1 cannot say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Limits {
    /// Largest packet that it takes, in bytes.
    pub packet: Option<u32>,
    /// Most messages of QoS 1 that may be unacknowledged.
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

/// What the broker answers to one request: done, or why not, in words.
pub type Answer = Result<(), &'static str>;

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The broker has accepted the connection.
    Accepted(Limits),
    /// It answers a subscription, for each topic in the order of the request.
    Subscribed(Vec<Answer>),
    /// It answers the oldest message of QoS 1 that it has not answered yet (MQTT 5, section 4.6: in order).
    Acknowledged(Answer),
    /// A message of a subscribed topic.
    Message(Received),
    /// This side's farewell is sent.
    Disconnected,
    /// Any other packet from the broker: it is alive.
    Alive,
    /// A packet was sent.
    Sent,
}

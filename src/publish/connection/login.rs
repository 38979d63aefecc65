//! What the daemon tells a broker about itself when it connects.

/// The daemon's part of a connection, the same for both versions of MQTT.
#[derive(Clone)]
pub struct Login {
    /// MQTT's client id.
    pub client_id: String,
    /// User name; empty: none.
    pub username: String,
    /// Password; only with a user name.
    pub password: Option<Vec<u8>>,
    /// What the broker publishes if the connection breaks; `None`: nothing.
    pub will: Option<Will>,
    /// User properties of the CONNECT packet, MQTT 5 only.
    pub properties: Vec<(String, String)>,
}

/// A last will: retained, with QoS 1.
#[derive(Clone)]
pub struct Will {
    /// Its topic.
    pub topic: String,
    /// Its content.
    pub payload: &'static str,
}

/// Keep-alive interval in seconds; the broker drops the client after one and a half times as long a silence.
pub const KEEP_ALIVE_S: u16 = 30;

/// Largest packet that this device accepts, in bytes. The largest that it needs, a command, has a few
/// kilobytes.
pub const MAX_INCOMING: usize = 64 << 10;

/// Maximum number of messages handed to the library and not yet sent.
pub const CHANNEL: usize = 64;

/// Maximum number of QoS 1 messages to this device that it has not acknowledged yet.
pub const RECEIVE_MAXIMUM: u16 = 16;

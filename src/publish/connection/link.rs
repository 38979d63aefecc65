//! MQTT over an open stream, in either version.

use super::{
    event::Event, filtered::Filtered, handover::Handover, inbound::Packets, login::Login, stream::Stream, v5,
    v311, version::Version,
};
use crate::publish::{
    disconnect::DisconnectReason,
    transport::{Backpressure, Message},
};

/// Hands packets to the library.
pub enum Requests {
    /// MQTT 5.
    V5(v5::Requests),
    /// MQTT 3.1.1.
    V311(v311::Requests),
}

/// Drives the connection and reports its events.
pub enum Events {
    /// MQTT 5.
    V5(Box<v5::Events>),
    /// MQTT 3.1.1.
    V311(Box<v311::Events>),
}

/// Logs in over `stream` with `version`. The first event is [`Event::Accepted`].
pub fn log_in(version: Version, login: &Login, stream: Stream) -> (Requests, Events) {
    let stream = Handover::new(Box::new(Filtered::new(stream, Packets::new(version))));
    match version {
        Version::V5 => {
            let (requests, events) = v5::log_in(login, stream);
            (Requests::V5(requests), Events::V5(Box::new(events)))
        }
        Version::V311 => {
            let (requests, events) = v311::log_in(login, stream);
            (Requests::V311(requests), Events::V311(Box::new(events)))
        }
    }
}

impl Requests {
    /// Publishes with this quality of service. `expiry` is the message expiry interval in seconds; MQTT 3.1.1
    /// has none.
    ///
    /// # Errors
    /// [`Backpressure`] if there is no room for it now.
    pub fn publish(
        &self,
        message: Message<'_>,
        acknowledged: bool,
        expiry: Option<u32>,
    ) -> Result<(), Backpressure> {
        match self {
            Self::V5(requests) => requests.publish(message, acknowledged, expiry),
            Self::V311(requests) => requests.publish(message, acknowledged),
        }
    }

    /// Subscribes to all `topics` in one packet; `true` asks for QoS 1. The broker answers with one code for
    /// each, in the same order.
    ///
    /// # Errors
    /// As [`Self::publish`].
    pub fn subscribe(&self, topics: &[(&str, bool)]) -> Result<(), Backpressure> {
        match self {
            Self::V5(requests) => requests.subscribe(topics),
            Self::V311(requests) => requests.subscribe(topics),
        }
    }

    /// Ends the subscription to `topics`.
    ///
    /// # Errors
    /// As [`Self::publish`].
    pub fn unsubscribe(&self, topics: &[&str]) -> Result<(), Backpressure> {
        match self {
            Self::V5(requests) => requests.unsubscribe(topics),
            Self::V311(requests) => requests.unsubscribe(topics),
        }
    }

    /// Disconnects cleanly, so the last will is not published. If there is no room for the packet, it is.
    pub fn disconnect(&self) {
        match self {
            Self::V5(requests) => requests.disconnect(),
            Self::V311(requests) => requests.disconnect(),
        }
    }
}

impl Events {
    /// Waits for the next event. A call that is cancelled may lose a message that was being written.
    ///
    /// # Errors
    /// Why the connection has ended; do not call it again.
    pub async fn next(&mut self) -> Result<Event, DisconnectReason> {
        match self {
            Self::V5(events) => events.next().await,
            Self::V311(events) => events.next().await,
        }
    }
}

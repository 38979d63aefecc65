//! One connection to a broker: opening it, and speaking MQTT 5 or 3.1.1 over it.
//!
//! [`stream`] opens a byte stream (TCP or a Unix socket, TLS, WebSocket). [`link`] speaks MQTT over it with
//! the library for the wanted [`version`], and hides which of the two it is: it reports [`event`]s, and a
//! `DisconnectReason` when the connection ends.

pub mod endpoint;
pub mod event;
pub mod filtered;
pub mod foreign_protocol;
mod handover;
mod inbound;
mod library;
pub mod link;
pub mod login;
pub mod negotiation;
pub mod reasons;
pub mod stream;
pub mod tls;
mod v311;
mod v5;
pub mod version;
mod websocket_frames;

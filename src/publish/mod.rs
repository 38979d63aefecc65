//! Publishes results: over MQTT, or without a broker as JSON lines on standard output.
//!
//! The pipeline puts the newest values into the `outbox`. One thread asks `dispatch` what is due. `dispatch`
//! renders a [`payload`] for one of the [`topics`] and passes it to the broker (`client`) or to standard
//! output (`stdout`).
//!
//! `client` connects to one broker after another. A `connection` is a byte stream that carries MQTT 5 or
//! 3.1.1; a `session` is what the daemon does on it.

mod backoff;
mod broker;
mod broker_probe;
mod client;
pub mod command;
mod connection;
mod connection_log;
mod denials;
mod destination;
mod disconnect;
pub mod discovery;
mod dispatch;
mod echoes;
mod error;
mod forget;
mod identity;
mod in_flight;
mod latency_probe;
mod lifetimes;
pub mod options;
mod outbox;
mod oversize;
pub mod payload;
mod permissions;
mod phase;
pub mod privacy;
mod publisher;
mod random;
mod refusals;
mod rotation;
mod session;
mod shared;
mod stdout;
mod takeovers;
pub mod topics;
mod transport;

#[cfg(test)]
mod samples;

pub use self::{
    broker_probe::{BrokerProbe, probe_broker},
    destination::readable_by_others,
    error::{PublishError, PublishErrorKind},
    forget::forget,
    identity::Identity,
    latency_probe::{LatencySamples, LatencySubscriber},
    publisher::{Environment, Publisher, PublisherThread},
};

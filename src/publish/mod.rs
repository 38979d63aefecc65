//! Publishes results: over MQTT, or without a broker as JSON lines on standard output.
//!
//! The pipeline puts the newest values into the `outbox`. One thread asks `dispatch` what is due, which
//! renders a [`payload`] for one of the [`topics`] and gives it to the broker (`client`) or to standard
//! output (`stdout`).

mod backoff;
mod broker;
mod broker_probe;
mod client;
mod commands;
mod destination;
mod disconnect;
mod discovery;
mod dispatch;
mod error;
mod identity;
mod latency_probe;
mod options;
mod outbox;
pub mod payload;
mod publisher;
mod random;
mod refusals;
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
    identity::Identity,
    latency_probe::{LatencySamples, LatencySubscriber},
    publisher::{Environment, Publisher, PublisherThread},
};

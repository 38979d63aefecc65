//! The progress of a connection to the broker.

use std::time::Duration;

/// What a session does next, or waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// No ConnAck yet.
    Connecting,
    /// The subscriptions are to be sent.
    Accepted,
    /// The subscriptions wait for acknowledgement.
    Subscribing,
    /// The question for the recorded command is to be sent.
    Subscribed,
    /// The question waits for its echo, until this time at the latest.
    Asking(Duration),
    /// Commands arrive; whatever is due is sent.
    Live,
    /// `stopped` was sent; leave at this time at the latest.
    Leaving(Duration),
}

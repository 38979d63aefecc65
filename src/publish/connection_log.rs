//! Logs when connections are made, lost or fail, once for each kind of reason.

use std::time::Duration;

use tracing::{debug, info, warn};

use super::{
    connection::version::Version,
    destination::Destination,
    disconnect::{DisconnectReason, Kind},
    takeovers::Takeovers,
};

/// Remembers what was logged.
pub struct ConnectionLog {
    client_id: String,
    /// The broker and the kind of the last failure: a repetition is not worth a warning.
    last: Option<(String, Kind)>,
    takeovers: Takeovers,
}

impl ConnectionLog {
    /// Nothing logged yet.
    pub fn new(client_id: String) -> Self {
        Self {
            client_id,
            last: None,
            takeovers: Takeovers::default(),
        }
    }

    /// A broker has accepted the connection at `now`.
    pub fn accepted(&mut self, destination: &Destination, version: Version, now: Duration) {
        info!(broker = destination.address, version = %version, "connected");
        self.last = None;
        self.takeovers.accepted(now);
    }

    /// A connection could not be made. Returns why, in words.
    pub fn failed(&mut self, destination: &Destination, reason: &DisconnectReason) -> String {
        let address = &destination.address;
        let words = reason.describe(destination) + &reason.question(destination);
        let last = Some((address.clone(), reason.kind()));
        if self.last == last {
            debug!("{address} still cannot be reached: {words}");
        } else {
            warn!("{address} cannot be reached, trying again: {words}");
        }
        self.last = last;
        words
    }

    /// An accepted connection has ended at `now`; `is_about_a_message`: presumably because a message is too
    /// large. Returns why, in words.
    pub fn lost(
        &mut self,
        destination: &Destination,
        reason: &DisconnectReason,
        is_about_a_message: bool,
        now: Duration,
    ) -> String {
        let address = &destination.address;
        let mut words = reason.describe(destination);
        let (id, remedy) = (
            &self.client_id,
            "give every board its own name with the setting `device`",
        );
        if self.takeovers.ended(now, reason, is_about_a_message) {
            words += &match reason {
                DisconnectReason::Ended { .. } => format!(", {id}: {remedy}"),
                _ => format!(
                    " soon after each connect, as brokers do when another client has the same id, {id}: {remedy}; or a \
                     message is larger than the broker permits: see its log"
                ),
            };
        }
        warn!("connection to {address} lost, trying again: {words}");
        self.last = Some((address.clone(), reason.kind()));
        words
    }
}

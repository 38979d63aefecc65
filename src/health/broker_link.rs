//! The state of the broker connection, for use outside the publishing thread.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

/// Written by the publishing thread, read by everything that reports on the connection.
#[derive(Debug, Default)]
pub struct BrokerLink {
    state: Mutex<LinkState>,
    sent: AtomicU64,
}

/// The connection at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LinkState {
    /// The address of the broker, e.g. `mqtts://host:8883`; with several brokers, the one that accepted the
    /// last connection. Empty if there is no broker.
    pub address: String,
    /// When the broker accepted the current connection, on the monotonic clock; `None` while there is none.
    pub connected: Option<Duration>,
    /// Connections that the broker has accepted since the start.
    pub connects: u64,
    /// Why there is no connection, or why the last one ended; empty if none ever failed.
    pub reason: String,
}

impl BrokerLink {
    /// A link that is not yet connected to the broker at `address`, which is empty if there is no broker.
    #[must_use]
    pub fn to(address: String) -> Self {
        let state = LinkState {
            address,
            ..LinkState::default()
        };
        Self {
            state: Mutex::new(state),
            sent: AtomicU64::new(0),
        }
    }

    /// The broker at `address` has accepted a connection at `now`.
    pub fn connected(&self, address: &str, now: Duration) {
        let mut state = self.lock();
        if state.address != address {
            address.clone_into(&mut state.address);
        }
        state.connected = Some(now);
        state.connects += 1;
    }

    /// The connection ended, or none could be made.
    pub fn disconnected(&self, reason: &str) {
        let mut state = self.lock();
        state.connected = None;
        if state.reason != reason {
            reason.clone_into(&mut state.reason);
        }
    }

    /// A message was handed to the broker, or written to standard output.
    pub fn count_message(&self) {
        self.sent.fetch_add(1, Relaxed);
    }

    /// Messages since the start.
    #[must_use]
    pub fn messages(&self) -> u64 {
        self.sent.load(Relaxed)
    }

    /// The current state of the connection.
    #[must_use]
    pub fn state(&self) -> LinkState {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, LinkState> {
        // Plain values: a panic elsewhere leaves them consistent.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_keeps_the_last_disconnect_reason() {
        let link = BrokerLink::to("mqtt://broker:1883".into());
        link.disconnected("connection refused");
        link.connected("mqtt://other:1883", Duration::from_secs(3));
        let state = link.state();
        assert_eq!(state.address, "mqtt://other:1883");
        assert_eq!(
            (state.connected, state.connects),
            (Some(Duration::from_secs(3)), 1)
        );
        assert_eq!(state.reason, "connection refused");
        link.disconnected("silence");
        assert_eq!(
            (link.state().connected, link.state().reason.as_str()),
            (None, "silence")
        );
    }
}

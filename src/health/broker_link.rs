//! The connection to the broker, as far as others than the publishing thread need to know of it.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

/// Written by the publishing thread, read by whoever reports on the connection.
#[derive(Debug, Default)]
pub struct BrokerLink {
    state: Mutex<LinkState>,
    sent: AtomicU64,
}

/// The connection at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LinkState {
    /// The address of the broker, of several the one that accepted the last connection: e.g.
    /// `mqtts://host:8883`; empty where there is none.
    pub address: String,
    /// Since when the broker has accepted the connection, on the monotonic clock; `None` while there is none.
    pub connected: Option<Duration>,
    /// Connections that the broker has accepted since the start.
    pub connects: u64,
    /// Why there is no connection, or why the last one ended; empty if none ever failed.
    pub reason: String,
}

impl BrokerLink {
    /// No connection yet to the broker at `address`; an empty one: there is no broker.
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

    /// The connection now.
    #[must_use]
    pub fn state(&self) -> LinkState {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, LinkState> {
        // Plain values: a panic elsewhere leaves them whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_of_the_last_end_stays_while_connected() {
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

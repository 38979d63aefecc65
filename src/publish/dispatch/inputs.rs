//! What a message is made from.

use crate::publish::{identity::Identity, outbox::Snapshot, payload::Stamp, shared::Now, topics::Topics};

/// Borrowed from the dispatcher and the outbox.
#[derive(Debug, Clone, Copy)]
pub struct Inputs<'a> {
    /// The publisher.
    pub identity: &'a Identity,
    /// The topics to publish to.
    pub topics: &'a Topics,
    /// The newest values.
    pub newest: &'a Snapshot,
    /// The time.
    pub now: Now,
}

impl Inputs<'_> {
    /// Stamps a message about the newest frame.
    pub fn stamp(&self, seq: u64) -> Stamp {
        let captured = self.newest.captured;
        Stamp {
            seq,
            time: self.now.wall,
            age: captured.map(|captured| self.now.monotonic.saturating_sub(captured)),
        }
    }
}

//! Recognizes from the broker's behaviour that another client has the same id.

use std::time::Duration;

use super::disconnect::DisconnectReason;

/// A connection that the broker closes within this time of accepting it was closed early.
const EARLY: Duration = Duration::from_secs(30);

/// After this many early closings in a row, another client probably has the same id: the broker closes the
/// older of the two connections (MQTT 3.1.1, 3.1.4) each time one of the clients reconnects.
const LIMIT: u32 = 2;

/// Counts connections that the broker closed soon after it had accepted them.
#[derive(Debug, Default)]
pub struct Takeovers {
    /// When the broker accepted the last connection.
    accepted: Duration,
    in_a_row: u32,
}

impl Takeovers {
    /// The broker accepted a connection.
    pub fn accepted(&mut self, now: Duration) {
        self.accepted = now;
    }

    /// An accepted connection has ended; `is_about_a_message`: the size of a message explains it. Returns
    /// whether another client took over the session: MQTT 5 reports it, with 3.1.1 it is only probable.
    pub fn ended(&mut self, now: Duration, reason: &DisconnectReason, is_about_a_message: bool) -> bool {
        if let DisconnectReason::Ended {
            is_takeover: true, ..
        } = reason
        {
            return true;
        }
        let is_early = reason.is_closed() && !is_about_a_message && now.saturating_sub(self.accepted) < EARLY;
        self.in_a_row = if is_early {
            self.in_a_row.saturating_add(1)
        } else {
            0
        };
        self.in_a_row >= LIMIT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_early_closings_in_a_row_are_takeovers() {
        let closed = DisconnectReason::Closed(None);
        let mut takeovers = Takeovers::default();
        let mut ended = |accepted, lasted, reason: &DisconnectReason| {
            let accepted = Duration::from_secs(accepted);
            takeovers.accepted(accepted);
            takeovers.ended(accepted + Duration::from_secs(lasted), reason, false)
        };
        assert!(!ended(0, 1, &closed));
        assert!(ended(10, 29, &closed));
        assert!(!ended(100, 30, &closed), "it lasted");
        assert!(!ended(200, 1, &closed));
        assert!(
            !ended(300, 1, &DisconnectReason::Silence),
            "the broker did not close it"
        );
        assert!(!ended(400, 1, &closed));
        assert!(ended(500, 1, &closed));
        let taken_over = DisconnectReason::Ended {
            words: "",
            is_takeover: true,
            text: None,
        };
        assert!(ended(600, 100, &taken_over), "the broker says so");
        for _ in 0..4 {
            assert!(!takeovers.ended(Duration::from_secs(601), &closed, true));
        }
    }
}

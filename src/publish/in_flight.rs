//! How much is in flight to the broker, and how much may be.
//!
//! Messages that wait in the buffers of this machine and of the network arrive late, and nothing newer can
//! overtake them. So only a few bytes are in flight at a time, as many as the broker acknowledges quickly;
//! everything else waits in the outbox, where the newest value wins. Acknowledgements arrive in order (MQTT
//! 5, section 4.6), so the one for a QoS 1 message confirms that everything sent before it has arrived.

use std::{collections::VecDeque, time::Duration};

use super::connection::login::CHANNEL;

/// Maximum number of unacknowledged QoS 1 messages.
const MESSAGES: usize = 16;

/// Bytes that may be in flight: initially, at least, and at most. Even the smallest window lets one message
/// of any size through at a time.
const INITIAL: usize = 4 << 10;
const SMALLEST: usize = 1 << 10;
const LARGEST: usize = 64 << 10;

/// An acknowledgement within `FAST` permits more bytes in flight, and one after `SLOW` fewer.
const FAST: Duration = Duration::from_millis(250);
const SLOW: Duration = Duration::from_secs(1);

/// A QoS 1 message in flight.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// Its topic.
    pub topic: String,
    /// The bytes of its packet.
    pub bytes: usize,
    /// Where this message ends in the count of all bytes sent.
    end: u64,
    sent: Duration,
}

/// What is in flight on one connection.
#[derive(Debug)]
pub struct InFlight {
    pending: VecDeque<Pending>,
    /// All bytes sent, and those of them that have arrived.
    sent: u64,
    arrived: u64,
    messages: usize,
    bytes: usize,
}

impl InFlight {
    /// Nothing in flight yet. `permitted` is how many unacknowledged messages the broker permits, if it says
    /// so.
    pub fn new(permitted: Option<u16>) -> Self {
        let permitted = permitted.map_or(MESSAGES, usize::from);
        Self {
            pending: VecDeque::with_capacity(CHANNEL),
            sent: 0,
            arrived: 0,
            messages: MESSAGES.min(permitted),
            bytes: INITIAL,
        }
    }

    /// Whether a message of this many bytes may be sent. While no acknowledgement is pending, any message may
    /// be: its own acknowledgement then makes room for others, see [`Self::needs_acknowledgement`].
    pub fn has_room(&self, bytes: usize) -> bool {
        let fits = self.under_way() + bytes as u64 <= self.bytes as u64;
        self.pending.is_empty() || (fits && self.pending.len() < self.messages)
    }

    /// Whether a message of this many bytes must be acknowledged, because nothing else would confirm that it
    /// and those before it have arrived.
    pub fn needs_acknowledgement(&self, bytes: usize) -> bool {
        self.pending.is_empty() && self.under_way() + bytes as u64 > self.bytes as u64 / 2
    }

    /// A QoS 0 message was sent.
    pub fn sent(&mut self, bytes: usize) {
        self.sent += bytes as u64;
    }

    /// A QoS 1 message was sent at `now`.
    pub fn sent_acknowledged(&mut self, topic: &str, bytes: usize, now: Duration) {
        self.sent(bytes);
        self.pending.push_back(Pending {
            topic: topic.to_owned(),
            bytes,
            end: self.sent,
            sent: now,
        });
    }

    /// The broker has acknowledged the oldest QoS 1 message at `now`.
    pub fn answered(&mut self, now: Duration) -> Option<Pending> {
        let pending = self.pending.pop_front()?;
        self.arrived = pending.end;
        let took = now.saturating_sub(pending.sent);
        if took < FAST {
            self.bytes = (2 * self.bytes).min(LARGEST);
        } else if took > SLOW {
            self.bytes = (self.bytes / 2).max(SMALLEST);
        }
        Some(pending)
    }

    /// Whether every QoS 1 message is acknowledged.
    pub fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    /// The largest unacknowledged QoS 1 message.
    pub fn largest(&self) -> Option<&Pending> {
        self.pending.iter().max_by_key(|pending| pending.bytes)
    }

    /// Lets the last messages before the exit through without waiting for room.
    pub fn widen(&mut self) {
        self.messages = CHANNEL;
        self.bytes = usize::MAX / 4;
    }

    fn under_way(&self) -> u64 {
        self.sent - self.arrived
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn a_slow_broker_gets_one_message_at_a_time_in_the_end() {
        let mut in_flight = InFlight::new(None);
        let mut now = Duration::ZERO;
        for _ in 0..5 {
            in_flight.sent_acknowledged("t", 1000, now);
            now += ms(1500);
            in_flight.answered(now).unwrap();
        }
        assert!(in_flight.has_room(100_000), "even a large one, alone");
        in_flight.sent_acknowledged("t", 1000, now);
        assert!(!in_flight.has_room(100));
        // When it is fast again, more may be in flight.
        in_flight.answered(now + ms(10)).unwrap();
        in_flight.sent_acknowledged("t", 1000, now);
        assert!(in_flight.has_room(1000));
    }

    #[test]
    fn unacknowledged_bytes_count_until_a_later_answer() {
        let mut in_flight = InFlight::new(None);
        assert!(!in_flight.needs_acknowledgement(1500));
        in_flight.sent(1500);
        assert!(in_flight.needs_acknowledgement(1500));
        assert!(in_flight.has_room(100_000), "or nothing would ever make room");
        in_flight.sent_acknowledged("t", 2000, ms(0));
        assert!(!in_flight.needs_acknowledgement(1500), "its answer will do");
        assert_eq!(in_flight.largest().unwrap().topic, "t");
        assert!(!in_flight.has_room(1500));
        assert_eq!(in_flight.answered(ms(400)).unwrap().bytes, 2000);
        assert!(in_flight.is_empty() && in_flight.has_room(10_000));
        assert_eq!(in_flight.answered(ms(400)), None, "nothing was asked");
    }

    #[test]
    fn the_brokers_limit_is_obeyed() {
        let mut in_flight = InFlight::new(Some(2));
        for _ in 0..2 {
            assert!(in_flight.has_room(1));
            in_flight.sent_acknowledged("t", 1, ms(0));
        }
        assert!(!in_flight.has_room(1));
        in_flight.widen();
        assert!(in_flight.has_room(1 << 20));
        assert_eq!(InFlight::new(Some(u16::MAX)).messages, MESSAGES);
    }
}

//! How long to wait before the next attempt to reach the broker.

use std::time::Duration;

use super::random::random;

/// Longest wait in seconds before jitter, which extends it to up to 60 s.
const CEILING_S: f64 = 40.0;

/// Doubling waits with jitter: 1 to 1.5 s, 2 to 3 s, … 40 to 60 s. The jitter keeps the devices of a site
/// from reconnecting to a restarted broker at the same instant.
#[derive(Debug)]
pub struct Backoff {
    attempts: u32,
    random: u64,
}

impl Backoff {
    /// Starts with the shortest wait.
    #[must_use]
    pub fn new() -> Self {
        Self {
            attempts: 0,
            random: random() | 1,
        }
    }

    /// The wait before the next attempt; the following one is longer.
    pub fn next_wait(&mut self) -> Duration {
        // xorshift64 (Marsaglia 2003): ample for jitter.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let fraction = (self.random >> 11) as f64 / (1_u64 << 53) as f64;
        let base = f64::from(self.attempts.min(10)).exp2().min(CEILING_S);
        self.attempts = self.attempts.saturating_add(1);
        Duration::from_secs_f64(base * (1.0 + 0.5 * fraction))
    }

    /// Returns to the shortest wait, after a stable connection.
    pub fn reset(&mut self) {
        self.attempts = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_minute() {
        let mut backoff = Backoff::new();
        for attempt in 0..1000 {
            let wait = backoff.next_wait().as_secs_f64();
            let base = f64::from(attempt.min(10)).exp2().min(40.0);
            assert!((base..=1.5 * base).contains(&wait), "attempt {attempt}: {wait} s");
        }
        backoff.reset();
        assert!(backoff.next_wait() < Duration::from_secs(2));
    }

    #[test]
    fn two_devices_wait_differently() {
        assert_ne!(Backoff::new().next_wait(), Backoff::new().next_wait());
    }
}

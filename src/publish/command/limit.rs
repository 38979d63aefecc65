//! A rate limiter for commands.

use std::time::Duration;

/// Commands that are accepted per second.
pub const PER_SECOND: u32 = 5;

/// Whether one more command is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitOutcome {
    /// It is accepted.
    Allowed,
    /// It is the first one refused in this second.
    FirstRefused,
    /// Refused; an earlier command of this second was refused too.
    Refused,
}

/// Counts the commands of the current second.
#[derive(Debug, Default)]
pub struct Limit {
    since: Duration,
    count: u32,
}

impl Limit {
    /// One more command arrives at `now`.
    pub fn update(&mut self, now: Duration) -> LimitOutcome {
        if now.saturating_sub(self.since) >= Duration::from_secs(1) {
            self.since = now;
            self.count = 0;
        }
        self.count = self.count.saturating_add(1);
        match self.count {
            1..=PER_SECOND => LimitOutcome::Allowed,
            count if count == PER_SECOND + 1 => LimitOutcome::FirstRefused,
            _ => LimitOutcome::Refused,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_a_second_pass_and_the_first_refusal_is_marked() {
        let mut limit = Limit::default();
        for second in [10, 11, 60] {
            let verdicts: Vec<LimitOutcome> = (0..8)
                .map(|step| limit.update(Duration::from_secs(second) + Duration::from_millis(step * 100)))
                .collect();
            assert_eq!(verdicts[..5], [LimitOutcome::Allowed; 5]);
            assert_eq!(
                verdicts[5..],
                [
                    LimitOutcome::FirstRefused,
                    LimitOutcome::Refused,
                    LimitOutcome::Refused
                ]
            );
        }
    }
}

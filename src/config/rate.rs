//! The maximum rate of messages.

use std::time::Duration;

use serde::Deserialize;

/// Maximum number of messages per second on one topic.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Deserialize)]
#[serde(try_from = "f64")]
pub struct MessageRate(f64);

/// A number that is not a valid message rate.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("found {0}; allowed: a number from {min} to {max}, per second", min = MessageRate::MIN, max = MessageRate::MAX)]
pub struct InvalidRate(f64);

impl MessageRate {
    /// The lowest rate, per second.
    pub const MIN: f64 = 0.1;
    /// The highest rate, per second.
    pub const MAX: f64 = 60.0;

    /// Messages per second.
    #[must_use]
    pub fn per_second(self) -> f64 {
        self.0
    }

    /// The shortest time between two messages.
    #[must_use]
    pub fn interval(self) -> Duration {
        Duration::from_secs_f64(1.0 / self.0)
    }
}

impl TryFrom<f64> for MessageRate {
    type Error = InvalidRate;

    fn try_from(per_second: f64) -> Result<Self, InvalidRate> {
        if (Self::MIN..=Self::MAX).contains(&per_second) {
            Ok(Self(per_second))
        } else {
            Err(InvalidRate(per_second))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_rates_within_the_range_are_accepted() {
        for allowed in [0.1, 0.5, 60.0] {
            assert!(MessageRate::try_from(allowed).is_ok(), "{allowed}");
        }
        for refused in [0.0, 0.099, 60.1, -1.0, f64::NAN, f64::INFINITY] {
            assert!(MessageRate::try_from(refused).is_err(), "{refused}");
        }
        let message = MessageRate::try_from(90.0).map_err(|error| error.to_string());
        assert_eq!(
            message,
            Err("found 90; allowed: a number from 0.1 to 60, per second".to_owned())
        );
    }

    #[test]
    fn the_interval_is_the_rate_s_inverse() {
        let interval = MessageRate::try_from(4.0).map(MessageRate::interval);
        assert_eq!(interval, Ok(Duration::from_millis(250)));
    }
}

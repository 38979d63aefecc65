//! Debounces the privacy switch in favour of privacy. Pure code: readings and their times are passed in.

use std::time::Duration;

/// Reports private from the first private reading, and allows sensing only after every reading has allowed it
/// for some time.
///
/// A contact that keeps chattering, a wire that picks up noise or a missing reading can therefore only turn
/// privacy on, never off.
#[derive(Debug)]
pub struct Debounce {
    hold: Duration,
    /// Since when every reading has allowed sensing.
    allowed: Option<Duration>,
}

impl Debounce {
    /// Starts as private until sensing has been allowed for `hold`.
    #[must_use]
    pub fn new(hold: Duration) -> Self {
        Self { hold, allowed: None }
    }

    /// Takes a reading at `now`: whether the contact requests privacy, `None` if it could not be read.
    /// Returns whether sensing must stop.
    pub fn update(&mut self, now: Duration, private: Option<bool>) -> bool {
        if private != Some(false) {
            self.allowed = None;
            return true;
        }
        let since = *self.allowed.get_or_insert(now);
        now.saturating_sub(since) < self.hold
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The decisions on one reading every 10 ms: `#` private, `.` not, `?` unreadable.
    fn decisions(hold_ms: u64, readings: &str) -> String {
        let mut debounce = Debounce::new(Duration::from_millis(hold_ms));
        let mut decide = |(index, reading): (usize, char)| {
            let now = Duration::from_millis(1000 + 10 * index as u64);
            let private = match reading {
                '#' => Some(true),
                '.' => Some(false),
                _ => None,
            };
            if debounce.update(now, private) { '#' } else { '.' }
        };
        readings.chars().enumerate().map(&mut decide).collect()
    }

    #[test]
    fn one_reading_starts_privacy_and_only_steady_ones_end_it() {
        assert_eq!(decisions(30, "......"), "###...", "private until it is known");
        assert_eq!(decisions(30, ".....#...."), "###..####.");
        // Thrown and released with a bouncing contact: one change each.
        assert_eq!(
            decisions(30, "......#.#.###.#..#......."),
            "###...###############...."
        );
    }

    #[test]
    fn a_contact_that_keeps_chattering_never_allows_sensing() {
        assert_eq!(decisions(30, &".#..".repeat(50)), "#".repeat(200));
    }

    #[test]
    fn an_unreadable_line_is_private_at_once() {
        assert_eq!(decisions(30, ".....??......"), "###..#####...");
        assert_eq!(decisions(0, ".?.#."), ".#.#.", "without a hold time too");
    }
}

//! systemd's watchdog, fed by progress and never by a timer: a wedged pipeline must be restarted.

use std::time::Duration;

use sd_notify::NotifyState;

/// Tells systemd that the service is ready and alive; does nothing where systemd is not asking.
#[derive(Debug)]
pub struct Watchdog {
    /// How often to feed it; `None` where systemd does not watch.
    period: Option<Duration>,
    fed: Duration,
    progress: u64,
}

impl Watchdog {
    /// Reads from the environment whether systemd watches this process.
    #[must_use]
    pub fn from_environment() -> Self {
        // Half of what is allowed is systemd's own advice; once a second is enough for a long one.
        let period = sd_notify::watchdog_enabled().map(|allowed| (allowed / 2).min(Duration::from_secs(1)));
        Self {
            period,
            fed: Duration::ZERO,
            progress: 0,
        }
    }

    /// Says that the service is up.
    pub fn ready(&self) {
        notify(NotifyState::Ready);
    }

    /// Says that the service is going down by itself.
    pub fn stopping(&self) {
        notify(NotifyState::Stopping);
    }

    /// Feeds the watchdog if `progress` (any count that grows while work is done) has moved since the last
    /// call, or if the daemon is `idle` knowingly (privacy, no camera).
    pub fn feed(&mut self, now: Duration, progress: u64, idle: bool) {
        if self.due(now, progress, idle) {
            notify(NotifyState::Watchdog);
        }
    }

    fn due(&mut self, now: Duration, progress: u64, idle: bool) -> bool {
        let Some(period) = self.period else { return false };
        let moved = progress != self.progress;
        let due = (moved || idle) && now.saturating_sub(self.fed) >= period;
        if due {
            self.progress = progress;
            self.fed = now;
        }
        due
    }
}

fn notify(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::debug!(%error, "systemd was not told");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watched() -> Watchdog {
        Watchdog {
            period: Some(Duration::from_secs(1)),
            fed: Duration::ZERO,
            progress: 0,
        }
    }

    #[test]
    fn only_progress_or_knowing_idleness_feeds_it() {
        let mut watchdog = watched();
        let second = Duration::from_secs(1);
        assert!(watchdog.due(second, 1, false));
        assert!(
            !watchdog.due(20 * second, 1, false),
            "a wedged pipeline starves it"
        );
        assert!(
            watchdog.due(21 * second, 1, true),
            "no camera is no reason to be killed"
        );
        assert!(!watchdog.due(21 * second, 2, false), "once a second is enough");
    }

    #[test]
    fn without_systemd_nothing_is_sent() {
        let mut watchdog = Watchdog {
            period: None,
            ..watched()
        };
        assert!(!watchdog.due(Duration::from_secs(99), 9, true));
    }
}

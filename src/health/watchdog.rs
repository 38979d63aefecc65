//! systemd's watchdog, fed by progress and never by a timer: a stuck pipeline must be restarted.

use std::time::Duration;

use sd_notify::NotifyState;

/// Tells systemd that the service is ready and alive; does nothing if systemd does not ask for it.
#[derive(Debug)]
pub struct Watchdog {
    /// How often to feed it; `None` if systemd does not watch this process.
    period: Option<Duration>,
    fed: Duration,
    progress: u64,
}

impl Watchdog {
    /// Reads from the environment whether systemd watches this process.
    #[must_use]
    pub fn from_environment() -> Self {
        // sd_watchdog_enabled(3) advises half the limit; once a second is enough for long limits.
        let period = sd_notify::watchdog_enabled().map(|allowed| (allowed / 2).min(Duration::from_secs(1)));
        Self {
            period,
            fed: Duration::ZERO,
            progress: 0,
        }
    }

    /// Reports that the service is up.
    pub fn ready(&self) {
        notify(NotifyState::Ready);
    }

    /// Reports that the service is stopping.
    pub fn stopping(&self) {
        notify(NotifyState::Stopping);
    }

    /// Feeds the watchdog if `progress` (any count that grows while work is done) has changed since it was
    /// last fed, or if the daemon has nothing to do (`idle`: privacy, no camera).
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
        tracing::debug!(%error, "cannot notify systemd");
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
    fn only_progress_or_idleness_feeds_it() {
        let mut watchdog = watched();
        let second = Duration::from_secs(1);
        assert!(watchdog.due(second, 1, false));
        assert!(
            !watchdog.due(20 * second, 1, false),
            "a stuck pipeline starves it"
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

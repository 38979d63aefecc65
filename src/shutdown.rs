//! The one way to end the daemon: every thread waits on this instead of sleeping.

use std::{
    sync::{Arc, Condvar, Mutex, PoisonError},
    time::{Duration, Instant},
};

use signal_hook::{
    consts::{SIGINT, SIGTERM},
    iterator::Signals,
};

/// A flag that is raised once and wakes whoever waits. Clones share the flag.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    shared: Arc<(Mutex<bool>, Condvar)>,
}

impl Shutdown {
    /// A flag that nobody has raised yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A flag that SIGTERM and SIGINT raise. A second signal ends the process at once, for the person
    /// who pressed Ctrl-C twice.
    ///
    /// # Errors
    /// When the handlers cannot be installed.
    pub fn on_signals() -> std::io::Result<Self> {
        let shutdown = Self::new();
        let raised = shutdown.clone();
        let mut signals = Signals::new([SIGTERM, SIGINT])?;
        std::thread::Builder::new()
            .name("signals".into())
            .spawn(move || {
                for signal in signals.forever() {
                    if raised.is_raised() {
                        // 128 + number is what shells report for a process ended by a signal.
                        signal_hook::low_level::exit(128 + signal);
                    }
                    tracing::info!(signal, "stopping");
                    raised.raise();
                }
            })?;
        Ok(shutdown)
    }

    /// Asks everybody to stop.
    pub fn raise(&self) {
        let (flag, wake) = &*self.shared;
        *flag.lock().unwrap_or_else(PoisonError::into_inner) = true;
        wake.notify_all();
    }

    /// Whether it was raised.
    #[must_use]
    pub fn is_raised(&self) -> bool {
        *self.shared.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sleeps for `time`, less when the flag is raised; says whether it is.
    #[must_use]
    pub fn wait(&self, time: Duration) -> bool {
        let (flag, wake) = &*self.shared;
        let end = Instant::now() + time;
        let mut raised = flag.lock().unwrap_or_else(PoisonError::into_inner);
        while !*raised {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            raised = wake
                .wait_timeout(raised, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        *raised
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raising_wakes_a_waiter_long_before_its_time() {
        let shutdown = Shutdown::new();
        let waiter = shutdown.clone();
        let thread = std::thread::spawn(move || waiter.wait(Duration::from_secs(3600)));
        shutdown.raise();
        assert!(thread.join().unwrap());
    }

    #[test]
    fn waiting_without_a_signal_ends_unraised() {
        assert!(!Shutdown::new().wait(Duration::from_millis(1)));
    }
}

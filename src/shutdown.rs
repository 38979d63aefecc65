//! The single way to stop the daemon: every thread waits on this instead of sleeping.

use std::{
    fs,
    sync::{Arc, Condvar, Mutex, PoisonError},
    time::{Duration, Instant},
};

use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ},
    flag,
    iterator::Signals,
};

/// A flag that is raised once and wakes every thread that waits for it. Clones share the flag.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    shared: Arc<(Mutex<bool>, Condvar)>,
}

impl Shutdown {
    /// A flag that is not raised.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A flag that SIGTERM, SIGINT and SIGHUP raise. A second SIGTERM or SIGINT, e.g. from pressing Ctrl-C
    /// twice, ends the process immediately. SIGHUP stays ignored if it was ignored at the start, as under
    /// nohup(1).
    ///
    /// # Errors
    /// If the handlers cannot be installed.
    pub fn on_signals() -> std::io::Result<Self> {
        let shutdown = Self::new();
        let raised = shutdown.clone();
        // With a handler, a write beyond the limit on file sizes (RLIMIT_FSIZE) fails instead of ending the
        // process.
        flag::register(SIGXFSZ, Arc::default())?;
        let mut signals = Signals::new([SIGTERM, SIGINT])?;
        if !is_ignored(SIGHUP) {
            signals.add_signal(SIGHUP)?;
        }
        std::thread::Builder::new()
            .name("signals".into())
            .spawn(move || {
                for signal in signals.forever() {
                    // A closing terminal sends SIGHUP more than once.
                    if raised.is_raised() && signal != SIGHUP {
                        // 128 + number is what shells report for a process ended by a signal.
                        signal_hook::low_level::exit(128 + signal);
                    }
                    raised.raise();
                    tracing::info!(signal, "stopping");
                }
            })?;
        Ok(shutdown)
    }

    /// Asks every thread to stop.
    pub fn raise(&self) {
        let (flag, wake) = &*self.shared;
        *flag.lock().unwrap_or_else(PoisonError::into_inner) = true;
        wake.notify_all();
    }

    /// Whether the flag is raised.
    #[must_use]
    pub fn is_raised(&self) -> bool {
        *self.shared.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sleeps until the flag is raised, at most for `time`. Returns whether it is raised.
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

/// Whether this process ignores `signal`, according to the mask in /proc, whose lowest bit is signal 1.
fn is_ignored(signal: i32) -> bool {
    let ignored = || {
        let status = fs::read_to_string("/proc/self/status").ok()?;
        let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"))?;
        u64::from_str_radix(mask.trim(), 16).ok()
    };
    ignored().is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
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

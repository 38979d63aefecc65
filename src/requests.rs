//! Requests made to the running daemon over MQTT, passed from the publishing thread to the threads that carry
//! them out.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// Pending requests, and which requests this daemon supports.
#[derive(Debug, Default)]
pub struct Requests {
    /// Whether there is an LED to identify the device by.
    pub has_led: bool,
    /// Whether a supervisor restarts the daemon after it has exited.
    pub is_supervised: bool,
    identify: AtomicBool,
    restart: AtomicBool,
    health: AtomicBool,
}

impl Requests {
    /// No requests yet.
    #[must_use]
    pub fn new(has_led: bool, is_supervised: bool) -> Self {
        Self {
            has_led,
            is_supervised,
            ..Self::default()
        }
    }

    /// Asks for the LED to blink.
    pub fn identify(&self) {
        self.identify.store(true, Relaxed);
    }

    /// Whether the LED was asked to blink since the last call.
    pub fn take_identify(&self) -> bool {
        self.identify.swap(false, Relaxed)
    }

    /// Asks for a clean exit, after which the daemon is started again.
    pub fn restart(&self) {
        self.restart.store(true, Relaxed);
    }

    /// Whether a restart was asked for since the last call.
    pub fn take_restart(&self) -> bool {
        self.restart.swap(false, Relaxed)
    }

    /// Asks for a health report.
    pub fn health(&self) {
        self.health.store(true, Relaxed);
    }

    /// Whether a health report was asked for since the last call.
    pub fn take_health(&self) -> bool {
        self.health.swap(false, Relaxed)
    }
}

/// Whether a service manager supervises this process, and so restarts it: it expects notifications
/// (`sd_notify(3)`).
#[must_use]
pub fn is_supervised() -> bool {
    std::env::var_os("NOTIFY_SOCKET").is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_taken_once() {
        let requests = Requests::new(true, true);
        assert!(!requests.take_identify() && !requests.take_restart() && !requests.take_health());
        requests.identify();
        requests.identify();
        assert!(requests.take_identify() && !requests.take_identify());
        requests.restart();
        assert!(requests.take_restart() && !requests.take_restart());
        requests.health();
        assert!(requests.take_health() && !requests.take_health());
    }
}

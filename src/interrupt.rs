//! Interrupts a wait for a frame: one file descriptor that a source polls alongside its own.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use rustix::{
    event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll},
    io::Errno,
};

/// Why a wait is interrupted. Each cause is raised and cleared independently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The camera may not look.
    Privacy = 1 << 0,
    /// The daemon is stopping; never cleared.
    Shutdown = 1 << 1,
}

/// A level-triggered flag with a file descriptor: readable (`POLLIN`) exactly while any [`Cause`] is raised.
///
/// Clones share the flag. Do not read from the descriptor, only poll it.
#[derive(Debug, Clone)]
pub struct Interrupt {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// Bits of [`Cause`].
    raised: Mutex<u8>,
    /// Its counter is 1 while any bit is set, otherwise 0 (eventfd(2)).
    event: OwnedFd,
}

impl Interrupt {
    /// An interrupt that is not raised.
    ///
    /// # Errors
    /// When the process has no file descriptor left.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            shared: Arc::new(Shared {
                raised: Mutex::new(0),
                event: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
            }),
        })
    }

    /// Interrupts every wait, until the cause is cleared.
    pub fn raise(&self, cause: Cause) {
        let mut raised = self.lock();
        if *raised == 0 {
            // The counter is 0 here, so the write can neither block nor fail.
            let _ = rustix::io::write(&self.shared.event, &1_u64.to_ne_bytes());
        }
        *raised |= cause as u8;
    }

    /// Clears a cause. Waiting is possible again once no cause is left.
    pub fn clear(&self, cause: Cause) {
        let mut raised = self.lock();
        let left = *raised & !(cause as u8);
        if *raised != 0 && left == 0 {
            // Reading resets the counter to 0.
            let _ = rustix::io::read(&self.shared.event, &mut [0_u8; 8]);
        }
        *raised = left;
    }

    /// Whether any cause is raised.
    #[must_use]
    pub fn is_raised(&self) -> bool {
        *self.lock() != 0
    }

    /// Sleeps for `time`, or until the interrupt is raised. Returns whether it is raised.
    #[must_use]
    pub fn wait(&self, time: Duration) -> bool {
        let end = Instant::now() + time;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let timeout = Timespec::try_from(left).ok();
            let mut descriptors = [PollFd::new(self, PollFlags::IN)];
            match poll(&mut descriptors, timeout.as_ref()) {
                Ok(0) => return self.is_raised(),
                Ok(_) => return true,
                Err(Errno::INTR) => {}
                Err(_) => return self.is_raised(),
            }
        }
    }

    /// The lock is held for a few instructions, and a panic cannot leave the bits half written.
    fn lock(&self) -> MutexGuard<'_, u8> {
        self.shared.raised.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AsFd for Interrupt {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.shared.event.as_fd()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::thread;

    use super::*;

    const LONG: Duration = Duration::from_secs(3600);

    #[test]
    fn raising_wakes_a_waiter() {
        let interrupt = Interrupt::new().unwrap();
        let waiter = interrupt.clone();
        let thread = thread::spawn(move || waiter.wait(LONG));
        interrupt.raise(Cause::Privacy);
        assert!(thread.join().unwrap());
    }

    #[test]
    fn it_stays_raised_until_every_cause_is_cleared() {
        let interrupt = Interrupt::new().unwrap();
        assert!(!interrupt.wait(Duration::from_millis(1)));
        interrupt.raise(Cause::Privacy);
        interrupt.raise(Cause::Privacy);
        interrupt.raise(Cause::Shutdown);
        interrupt.clear(Cause::Privacy);
        assert!(interrupt.wait(LONG) && interrupt.is_raised());
        interrupt.clear(Cause::Shutdown);
        assert!(!interrupt.wait(Duration::from_millis(1)) && !interrupt.is_raised());
        interrupt.clear(Cause::Shutdown);
        interrupt.raise(Cause::Privacy);
        assert!(interrupt.wait(LONG), "it can be raised again");
    }
}

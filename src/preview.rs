//! The preview for aiming the camera: the only way a picture leaves the process.
//!
//! It is opened from the board's console for a limited time (`affectd aim --preview`). A picture is made only
//! when a client waits for one, and only that client receives it; nothing is stored. When the privacy gate
//! closes, the preview closes at once and stays closed until it is opened from the console again.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::oneshot;

use crate::{
    picture::Picture,
    privacy::{Permit, PrivacyGate},
};

/// Longest side of the picture, in pixels.
pub const LONGEST_SIDE: u32 = 480;

/// Minimum time between two pictures: at most two per second.
const INTERVAL: Duration = Duration::from_millis(500);

/// How long after its last picture the preview counts as sending.
const SENDING: Duration = Duration::from_secs(3);

/// A picture whose pixels are overwritten with zeros when it is dropped.
#[derive(Debug, Default)]
pub struct Snapshot(Picture);

impl Snapshot {
    /// The picture.
    #[must_use]
    pub fn picture(&self) -> &Picture {
        &self.0
    }
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        self.0.clear();
    }
}

/// Hands pictures from the sensing thread to the client that aims the camera. Clones share their state.
#[derive(Debug, Clone, Default)]
pub struct Preview {
    shared: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    /// When it closes by itself, on the monotonic clock; `None` while it is closed.
    closes: Option<Duration>,
    /// The client that waits for a picture.
    waiting: Option<oneshot::Sender<Snapshot>>,
    /// When the last picture was handed over.
    sent: Option<Duration>,
}

impl Preview {
    /// A closed preview, which closes again whenever `gate` closes.
    #[must_use]
    pub fn new(gate: &PrivacyGate) -> Self {
        let preview = Self::default();
        let closed = preview.clone();
        gate.observe(move |privacy| {
            if privacy.is_on() {
                closed.close();
            }
        });
        preview
    }

    /// Permits pictures until `closes` on the monotonic clock.
    pub fn open(&self, closes: Duration) {
        self.lock().closes = Some(closes);
    }

    /// Stops permitting pictures. A pending request fails.
    pub fn close(&self) {
        *self.lock() = State::default();
    }

    /// Whether pictures are permitted at `now`.
    #[must_use]
    pub fn is_open(&self, now: Duration) -> bool {
        self.lock().is_open(now)
    }

    /// Whether pictures are being sent at `now`; the LED indicates it.
    #[must_use]
    pub fn is_sending(&self, now: Duration) -> bool {
        let state = self.lock();
        let is_recent = |sent| now.saturating_sub(sent) < SENDING;
        state.is_open(now) && state.sent.is_some_and(is_recent)
    }

    /// Requests the next picture; `None` if none are permitted. The receiver fails when the preview closes or
    /// when another request replaces this one.
    #[must_use]
    pub fn request(&self, now: Duration) -> Option<oneshot::Receiver<Snapshot>> {
        let mut state = self.lock();
        if !state.is_open(now) {
            return None;
        }
        let (sender, receiver) = oneshot::channel();
        state.waiting = Some(sender);
        Some(receiver)
    }

    /// Offers a picture that was captured under `permit`. If a client waits for one and the next is due,
    /// `shrink` fills in the picture to hand over.
    pub fn offer(&self, now: Duration, permit: Permit<'_>, shrink: impl FnOnce(&mut Picture)) {
        let Some(sender) = self.take_due(now) else {
            return;
        };
        let mut snapshot = Snapshot::default();
        shrink(&mut snapshot.0);
        let mut state = self.lock();
        // The gate notifies its observers only after its permits have lapsed, and they block on this lock.
        if state.is_open(now) && permit.is_valid() && sender.send(snapshot).is_ok() {
            state.sent = Some(now);
        }
    }

    /// Takes the client that waits for a picture, if one is due.
    fn take_due(&self, now: Duration) -> Option<oneshot::Sender<Snapshot>> {
        let mut state = self.lock();
        let is_due = state.sent.is_none_or(|sent| now.saturating_sub(sent) >= INTERVAL);
        if !is_due || !state.is_open(now) {
            return None;
        }
        state.waiting.take().filter(|sender| !sender.is_closed())
    }

    /// A panic leaves the state consistent, so a poisoned lock is still usable.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_open(&self, now: Duration) -> bool {
        self.closes.is_some_and(|closes| now < closes)
    }
}

#[cfg(test)]
#[path = "preview_tests.rs"]
mod tests;

//! The values passed from sensing to publishing: the newest one per topic, and a small ring of events.
//!
//! Its size is fixed, so a broker outage costs neither memory nor freshness. Writers copy a few kilobytes
//! under a lock that is never held across I/O, and allocate nothing.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::sync::Notify;

use crate::{
    capture::CameraStatus,
    health::Health,
    privacy::{Input, Privacy},
    sense::{
        face::{MAX_FACES, TrackedFace},
        report::{Event, Report},
        scene::Scene,
        visit_counters::VisitTotals,
    },
};

/// Maximum number of queued events; the oldest is dropped for a new one.
pub const MAX_EVENTS: usize = 32;

/// Longest reason on the camera topic, in bytes.
pub const MAX_REASON: usize = 240;

/// A value and a number that grows each time the value is set.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Versioned<T> {
    /// The newest value.
    pub value: T,
    /// How often it was set.
    pub version: u64,
}

impl<T> Versioned<T> {
    fn new(value: T) -> Self {
        Self { value, version: 0 }
    }

    fn set(&mut self, value: T) {
        self.value = value;
        self.version += 1;
    }
}

/// The camera's status, with a reason for people.
#[derive(Debug, Clone, PartialEq)]
pub struct Camera {
    /// The status.
    pub status: CameraStatus,
    /// Why; may be empty.
    pub reason: heapless::String<MAX_REASON>,
}

/// The newest values of everything that is published as a state.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// The tracked faces, the primary one first. `raw` holds the newest classification, even if it is some
    /// frames old.
    pub faces: heapless::Vec<TrackedFace, MAX_FACES>,
    /// Whether there are faces that `publish.min_faces` withholds.
    pub withheld: bool,
    /// Everybody in view; `None` if no frame is current.
    pub scene: Option<Scene>,
    /// The visits so far; they outlast the loss of the camera.
    pub visits: Versioned<VisitTotals>,
    /// Frame size in pixels.
    pub size: (u32, u32),
    /// When the newest frame was captured; `None` if no frame is current.
    pub captured: Option<Duration>,
    /// Grows with each frame.
    pub frame_version: u64,
    /// The camera.
    pub camera: Versioned<Camera>,
    /// Whether privacy is on, for any reason.
    pub privacy: Versioned<bool>,
    /// Whether privacy was turned on by a command; `None` while that is unknown.
    pub privacy_command: Versioned<Option<bool>>,
    /// The daemon's newest health.
    pub health: Versioned<Option<Health>>,
    /// Events dropped since the start.
    pub events_dropped: u64,
}

impl Snapshot {
    /// Whether results may be published at all.
    #[must_use]
    pub fn is_sensing(&self) -> bool {
        !self.privacy.value && self.camera.value.status == CameraStatus::Ok
    }

    /// Clears the faces, because no frame is current.
    fn forget_faces(&mut self) {
        self.faces.clear();
        self.withheld = false;
        self.scene = None;
        self.captured = None;
        self.frame_version += 1;
    }
}

/// An event that waits to be published.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct QueuedEvent {
    /// What happened.
    pub event: Event,
    /// Its number since the start.
    pub seq: u64,
    /// When it was reported, on the monotonic clock.
    pub at: Duration,
}

#[derive(Debug)]
struct State {
    newest: Snapshot,
    events: heapless::Deque<QueuedEvent, MAX_EVENTS>,
    next_event: u64,
}

/// The values, shared by the threads.
#[derive(Debug)]
pub struct Outbox {
    state: Mutex<State>,
    stopping: AtomicBool,
    /// Wakes the publishing thread.
    pub wake: Notify,
}

impl Outbox {
    /// Nothing known yet: privacy counts as on, and the camera as missing until it is reported.
    #[must_use]
    pub fn new() -> Self {
        Self {
            state: Mutex::new(State {
                newest: Snapshot {
                    faces: heapless::Vec::new(),
                    withheld: false,
                    scene: None,
                    visits: Versioned::default(),
                    size: (0, 0),
                    captured: None,
                    frame_version: 0,
                    camera: Versioned::new(Camera {
                        status: CameraStatus::Missing,
                        reason: heapless::String::try_from("starting").unwrap_or_default(),
                    }),
                    privacy: Versioned::new(true),
                    privacy_command: Versioned::default(),
                    health: Versioned::default(),
                    events_dropped: 0,
                },
                events: heapless::Deque::new(),
                next_event: 0,
            }),
            stopping: AtomicBool::new(false),
            wake: Notify::new(),
        }
    }

    /// Stores a report made at `now`. It is ignored while privacy is on. While the camera is not ok, only the
    /// end of visits is stored, so a frame that was still being processed cannot restore what was just
    /// overwritten.
    pub fn report(&self, report: &Report, now: Duration) {
        let mut state = self.lock();
        if state.newest.privacy.value {
            return;
        }
        let is_sensing = state.newest.is_sensing();
        for &event in &report.events {
            if is_sensing || matches!(event, Event::Left { .. }) {
                state.push(event, now);
            }
        }
        let newest = &mut state.newest;
        if newest.visits.value != report.visits {
            newest.visits.set(report.visits);
        }
        if !is_sensing {
            drop(state);
            self.wake.notify_one();
            return;
        }
        let mut faces = report.faces.clone();
        for face in &mut faces {
            if face.raw.is_none() {
                let before = newest.faces.iter().find(|before| before.track == face.track);
                face.raw = before.and_then(|before| before.raw);
            }
        }
        newest.scene = report.captured.map(|_| report.scene);
        newest.withheld = report.withheld;
        newest.frame_version += 1;
        newest.faces = faces;
        newest.size = report.size;
        newest.captured = report.captured;
        drop(state);
        self.wake.notify_one();
    }

    /// Stores the camera's status; any but ok clears the faces. A reason that is too long is truncated.
    pub fn camera(&self, status: CameraStatus, reason: &str) {
        let mut state = self.lock();
        let newest = &mut state.newest;
        let reason = &reason[..reason.floor_char_boundary(MAX_REASON)];
        let camera = Camera {
            status,
            reason: heapless::String::try_from(reason).unwrap_or_default(),
        };
        if newest.camera.value == camera {
            return;
        }
        if status != CameraStatus::Ok && newest.camera.value.status == CameraStatus::Ok {
            newest.forget_faces();
        }
        newest.camera.set(camera);
        drop(state);
        self.wake.notify_one();
    }

    /// Stores the daemon's newest health.
    pub fn health(&self, health: &Health) {
        self.lock().newest.health.set(Some(health.clone()));
        self.wake.notify_one();
    }

    /// Stores the inputs of the privacy gate. When privacy turns on, the faces and the queued events are
    /// cleared.
    pub fn privacy(&self, privacy: &Privacy) {
        let mut state = self.lock();
        let is_on = privacy.is_on();
        if is_on && !state.newest.privacy.value {
            state.newest.forget_faces();
            state.events.clear();
        }
        state.newest.privacy.set(is_on);
        let command = match privacy.command {
            Input::On => Some(true),
            Input::Off => Some(false),
            Input::Unknown | Input::Unreadable(_) => None,
        };
        if state.newest.privacy_command.value != command {
            state.newest.privacy_command.set(command);
        }
        drop(state);
        self.wake.notify_one();
    }

    /// A copy of the newest values.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.lock().newest.clone()
    }

    /// The oldest queued event that happened at `oldest` or later; older ones are dropped and counted.
    #[must_use]
    pub fn first_event(&self, oldest: Duration) -> Option<QueuedEvent> {
        let mut state = self.lock();
        while state.events.pop_front_if(|queued| queued.at < oldest).is_some() {
            state.newest.events_dropped += 1;
        }
        state.events.front().copied()
    }

    /// Removes the event with this number, if it is still the first.
    pub fn remove_event(&self, seq: u64) {
        self.lock().events.pop_front_if(|queued| queued.seq == seq);
    }

    /// Asks the publishing thread to publish `stopped` and to end.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        self.wake.notify_one();
    }

    /// Whether [`Self::stop`] was called.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Plain values: a panic elsewhere cannot leave them half written in a way that matters.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn push(&mut self, event: Event, at: Duration) {
        let seq = self.next_event;
        self.next_event += 1;
        if self.events.is_full() {
            self.events.pop_front();
            self.newest.events_dropped += 1;
        }
        // There is room now.
        let _ = self.events.push_back(QueuedEvent { event, seq, at });
    }
}

#[cfg(test)]
#[path = "outbox_tests.rs"]
mod tests;

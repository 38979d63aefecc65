//! What stands between sensing and publishing: the newest value per topic and a small ring of events.
//!
//! Its size is fixed, so a broker outage costs neither memory nor freshness. Writers copy a few kilobytes
//! under a lock that is never held across input or output, and allocate nothing.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::sync::Notify;

use super::payload::{CameraStatus, HealthPayload};
use crate::{
    privacy::{Privacy, Switch},
    sense::face::{Event, MAX_FACES, Report, TrackedFace},
};

/// Most events that wait; the oldest is dropped for a new one.
pub const MAX_EVENTS: usize = 32;

/// Longest reason on the camera topic, in bytes.
pub const MAX_REASON: usize = 240;

/// The newest of everything that is published as a state. A version grows with each change of its value.
#[derive(Debug, Clone)]
pub struct Current {
    /// The followed faces, the primary one first. `raw` holds the newest reading, also if it is some frames old.
    pub faces: heapless::Vec<TrackedFace, MAX_FACES>,
    /// Frame size in pixels.
    pub size: (u32, u32),
    /// Capture of the newest frame; `None` where there is none to speak of.
    pub captured: Option<Duration>,
    /// Grows with each frame.
    pub frame: u64,
    /// Grows when anything on the state topic changes.
    pub state: u64,
    /// Status, reason and version.
    pub camera: (CameraStatus, heapless::String<MAX_REASON>, u64),
    /// On or off, and version.
    pub privacy: (bool, u64),
    /// Newest health, and version.
    pub health: (Option<HealthPayload>, u64),
    /// Events dropped so far.
    pub events_dropped: u64,
}

impl Current {
    /// Whether results may be published at all.
    #[must_use]
    pub fn sensing(&self) -> bool {
        !self.privacy.0 && self.camera.0 == CameraStatus::Ok
    }

    /// Forgets the faces: there is no camera, or nobody may look.
    fn blank(&mut self) {
        self.faces.clear();
        self.captured = None;
        self.frame += 1;
        self.state += 1;
    }
}

/// An event that waits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Waiting {
    /// What happened.
    pub event: Event,
    /// Its number since the start.
    pub seq: u64,
    /// When it was reported, monotonic.
    pub at: Duration,
}

#[derive(Debug)]
struct Slots {
    current: Current,
    privacy: Privacy,
    events: heapless::Deque<Waiting, MAX_EVENTS>,
    next_event: u64,
}

/// The slots, shared by the threads.
#[derive(Debug)]
pub struct Outbox {
    slots: Mutex<Slots>,
    /// Of [`Slots::privacy`], for readers that must not wait.
    private: AtomicBool,
    stopping: AtomicBool,
    /// Wakes the publishing thread.
    pub wake: Notify,
}

impl Outbox {
    /// Nothing known yet: the camera counts as missing until it is reported.
    #[must_use]
    pub fn new() -> Self {
        let starting = heapless::String::try_from("starting").unwrap_or_default();
        Self {
            slots: Mutex::new(Slots {
                current: Current {
                    faces: heapless::Vec::new(),
                    size: (0, 0),
                    captured: None,
                    frame: 0,
                    state: 0,
                    camera: (CameraStatus::Missing, starting, 0),
                    privacy: (false, 0),
                    health: (None, 0),
                    events_dropped: 0,
                },
                privacy: Privacy::default(),
                events: heapless::Deque::new(),
                next_event: 0,
            }),
            private: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            wake: Notify::new(),
        }
    }

    /// Takes a report made at `now`. Ignored while privacy is on or the camera is not ok, so that a frame that
    /// was still in work cannot bring back what was just overwritten.
    pub fn report(&self, report: &Report, now: Duration) {
        let mut slots = self.lock();
        if !slots.current.sensing() {
            return;
        }
        for &event in &report.events {
            slots.push(event, now);
        }
        let current = &mut slots.current;
        let mut faces = report.faces.clone();
        for face in &mut faces {
            if face.raw.is_none() {
                let before = current.faces.iter().find(|before| before.track == face.track);
                face.raw = before.and_then(|before| before.raw);
            }
        }
        let shown = |face: &TrackedFace| (face.track, face.raw, face.smoothed);
        let changed = faces.len() != current.faces.len()
            || faces.first().map(shown) != current.faces.first().map(shown);
        current.state += u64::from(changed);
        current.frame += 1;
        current.faces = faces;
        current.size = report.size;
        current.captured = Some(report.captured);
        drop(slots);
        self.wake.notify_one();
    }

    /// Takes the camera's status; any but ok forgets the faces. A reason that is too long is cut.
    pub fn camera(&self, status: CameraStatus, reason: &str) {
        let mut slots = self.lock();
        let current = &mut slots.current;
        let reason = &reason[..reason.floor_char_boundary(MAX_REASON)];
        if current.camera.0 == status && current.camera.1 == reason {
            return;
        }
        if status != CameraStatus::Ok && current.camera.0 == CameraStatus::Ok {
            current.blank();
        }
        current.camera.0 = status;
        current.camera.1 = heapless::String::try_from(reason).unwrap_or_default();
        current.camera.2 += 1;
        drop(slots);
        self.wake.notify_one();
    }

    /// Takes the newest health.
    pub fn health(&self, health: &HealthPayload) {
        let mut slots = self.lock();
        slots.current.health.0 = Some(health.clone());
        slots.current.health.1 += 1;
        drop(slots);
        self.wake.notify_one();
    }

    /// Takes a command to turn privacy on or off; says whether it is news. It is answered in any case: who commands
    /// waits for that.
    pub fn command_privacy(&self, on: bool) -> bool {
        let mut slots = self.lock();
        let news = slots.privacy.commanded != on;
        slots.privacy.commanded = on;
        self.apply_privacy(slots);
        news
    }

    /// Takes the state of the switch on the device.
    pub fn switch(&self, switch: &Switch) {
        let mut slots = self.lock();
        if slots.privacy.switch != *switch {
            slots.privacy.switch.clone_from(switch);
            self.apply_privacy(slots);
        }
    }

    /// Privacy that has just come on forgets the faces and the waiting events at once.
    fn apply_privacy(&self, mut slots: MutexGuard<'_, Slots>) {
        let on = slots.privacy.is_on();
        self.private.store(on, Ordering::Release);
        if on && !slots.current.privacy.0 {
            slots.current.blank();
            slots.events.clear();
        }
        slots.current.privacy.0 = on;
        slots.current.privacy.1 += 1;
        drop(slots);
        self.wake.notify_one();
    }

    /// Whether privacy is on, for whichever reason.
    #[must_use]
    pub fn is_private(&self) -> bool {
        self.private.load(Ordering::Acquire)
    }

    /// Why privacy is on, if it is.
    #[must_use]
    pub fn privacy_reason(&self) -> Option<String> {
        self.lock().privacy.reason()
    }

    /// A copy of the newest values.
    #[must_use]
    pub fn current(&self) -> Current {
        self.lock().current.clone()
    }

    /// The oldest waiting event that happened at `oldest` or later; older ones are dropped and counted.
    #[must_use]
    pub fn first_event(&self, oldest: Duration) -> Option<Waiting> {
        let mut slots = self.lock();
        while slots.events.pop_front_if(|waiting| waiting.at < oldest).is_some() {
            slots.current.events_dropped += 1;
        }
        slots.events.front().copied()
    }

    /// Takes out the event with this number, if it still waits in front.
    pub fn remove_event(&self, seq: u64) {
        self.lock().events.pop_front_if(|waiting| waiting.seq == seq);
    }

    /// Asks the publishing thread to say goodbye and end.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        self.wake.notify_one();
    }

    /// Whether [`Self::stop`] was called.
    #[must_use]
    pub fn stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }

    fn lock(&self) -> MutexGuard<'_, Slots> {
        // Plain values: a panic elsewhere cannot leave them half written in a way that matters.
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slots {
    fn push(&mut self, event: Event, at: Duration) {
        let seq = self.next_event;
        self.next_event += 1;
        if self.events.is_full() {
            self.events.pop_front();
            self.current.events_dropped += 1;
        }
        // There is room now.
        let _ = self.events.push_back(Waiting { event, seq, at });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        publish::samples::{face, report},
        sense::face::Prediction,
    };

    const SECOND: Duration = Duration::from_secs(1);

    fn outbox() -> Outbox {
        let outbox = Outbox::new();
        outbox.camera(CameraStatus::Ok, "");
        outbox
    }

    #[test]
    fn the_newest_report_wins() {
        let outbox = outbox();
        outbox.report(&report(&[face(1)]), SECOND);
        outbox.report(&report(&[face(2), face(3)]), SECOND);
        let current = outbox.current();
        assert_eq!(
            (current.faces[0].track, current.faces.len(), current.state),
            (2, 2, 2)
        );
    }

    #[test]
    fn an_unchanged_state_keeps_its_version() {
        let outbox = outbox();
        let mut report = report(&[face(1)]);
        outbox.report(&report, SECOND);
        report.faces[0].detection.rect.x += 5.0;
        report.faces[0].raw = None;
        outbox.report(&report, SECOND);
        let current = outbox.current();
        assert_eq!((current.state, current.frame), (1, 2));
        assert!(current.faces[0].raw.is_some(), "the newest reading stays");
        report.faces[0].raw = face(1).raw.map(|raw| Prediction {
            valence: Some(-1.0),
            ..raw
        });
        outbox.report(&report, SECOND);
        assert_eq!(outbox.current().state, 2);
    }

    #[test]
    fn nothing_passes_without_camera_or_in_privacy() {
        let outbox = Outbox::new();
        outbox.report(&report(&[face(1)]), SECOND);
        assert!(outbox.current().faces.is_empty(), "the camera is not known yet");
        outbox.camera(CameraStatus::Ok, "");
        for end in [
            &(|| outbox.camera(CameraStatus::Missing, "unplugged")) as &dyn Fn(),
            &|| outbox.switch(&Switch::On),
        ] {
            outbox.report(&report(&[face(1)]), SECOND);
            assert_eq!(outbox.current().faces.len(), 1);
            end();
            outbox.report(&report(&[face(1)]), SECOND);
            let current = outbox.current();
            assert!(current.faces.is_empty() && current.captured.is_none());
            outbox.camera(CameraStatus::Ok, "");
        }
        assert!(outbox.is_private());
        assert_eq!(outbox.first_event(Duration::ZERO), None);
    }

    #[test]
    fn a_command_cannot_overrule_the_switch_nor_the_switch_a_command() {
        let outbox = outbox();
        outbox.switch(&Switch::Unreadable("it is gone".into()));
        let answered = outbox.current().privacy.1;
        outbox.command_privacy(false);
        assert_eq!(outbox.current().privacy, (true, answered + 1), "ON is the answer");
        outbox.command_privacy(true);
        outbox.switch(&Switch::Off);
        assert!(outbox.is_private());
        assert_eq!(outbox.privacy_reason().as_deref(), Some("privacy was commanded"));
        let told = outbox.current().privacy.1;
        outbox.switch(&Switch::Off);
        assert_eq!(outbox.current().privacy.1, told, "nothing new is not told");
        outbox.command_privacy(false);
        assert!(!outbox.is_private() && !outbox.current().privacy.0);
        assert_eq!(outbox.privacy_reason(), None);
    }

    #[test]
    fn events_are_bounded_and_losses_counted() {
        let outbox = outbox();
        for _ in 0..100 {
            let mut report = report(&[]);
            let _ = report.events.push(Event::Appeared { track: 1 });
            outbox.report(&report, SECOND);
        }
        let front = outbox.first_event(Duration::ZERO).map(|waiting| waiting.seq);
        assert_eq!(front, Some(100 - MAX_EVENTS as u64));
        assert_eq!(outbox.current().events_dropped, 100 - MAX_EVENTS as u64);
        outbox.remove_event(0);
        assert_eq!(
            outbox.first_event(Duration::ZERO).map(|waiting| waiting.seq),
            front
        );
        assert_eq!(outbox.first_event(2 * SECOND), None, "all too old");
        assert_eq!(outbox.current().events_dropped, 100);
    }

    #[test]
    fn a_long_reason_is_cut_between_characters() {
        let outbox = outbox();
        outbox.camera(CameraStatus::Stalled, &"é".repeat(MAX_REASON));
        assert_eq!(outbox.current().camera.1.as_str(), "é".repeat(MAX_REASON / 2));
    }
}

//! Limits the rate of messages about each tracked face.

use std::time::Duration;

use crate::sense::face::{MAX_FACES, TrackedFace};

/// When each tracked face was last published.
#[derive(Debug)]
pub struct FaceRate {
    interval: Duration,
    last: heapless::Vec<LastMessage, MAX_FACES>,
}

#[derive(Debug, Clone, Copy)]
struct LastMessage {
    track: u32,
    at: Duration,
}

impl FaceRate {
    /// At most one message per `interval` and face.
    pub fn new(interval: Duration) -> Self {
        Self {
            interval,
            last: heapless::Vec::new(),
        }
    }

    /// Forgets every face that is not among `faces`.
    pub fn forget_others(&mut self, faces: &[TrackedFace]) {
        self.last
            .retain(|last| faces.iter().any(|face| face.track == last.track));
    }

    /// When the next message about this track is due; at once for a new one.
    pub fn due(&self, track: u32) -> Duration {
        let last = self.last.iter().find(|last| last.track == track);
        last.map_or(Duration::ZERO, |last| last.at.saturating_add(self.interval))
    }

    /// When the first of the known tracks is due; [`Duration::MAX`] without any.
    pub fn next_due(&self) -> Duration {
        let due = self.last.iter().map(|last| last.at.saturating_add(self.interval));
        due.min().unwrap_or(Duration::MAX)
    }

    /// A message about this track was sent at `now`.
    pub fn record(&mut self, track: u32, now: Duration) {
        match self.last.iter_mut().find(|last| last.track == track) {
            Some(last) => last.at = now,
            // There are at most as many entries as faces.
            None => self.last.push(LastMessage { track, at: now }).unwrap_or_default(),
        }
    }
}

//! The state of each tracked face between two frames: whether the following detector saw it when it last
//! looked, and whether its surroundings have changed since a search found it.

use std::time::Duration;

use super::{face::MAX_FACES, motion::ChangeFlag, track::Track};

/// The states of all tracks.
#[derive(Debug, Default)]
pub struct FollowStates {
    states: heapless::Vec<FollowState, MAX_FACES>,
}

/// The state of one track.
#[derive(Debug, Clone, Copy)]
struct FollowState {
    track: u32,
    /// Index of its change flag among the tracks' flags.
    slot: u8,
    /// When a detector last looked for it.
    at: Duration,
    /// Whether it was seen then.
    is_seen: bool,
    /// Whether its surroundings have changed since a search found it.
    has_changed: bool,
}

impl FollowStates {
    /// Drops tracks that ended, adds new ones, and records which were seen at `now` by either detector.
    pub fn update(&mut self, tracks: &[Track], now: Duration) {
        self.states
            .retain(|state| tracks.iter().any(|track| track.id == state.track));
        for state in &mut self.states {
            let is_seen = tracks
                .iter()
                .any(|track| track.id == state.track && track.seen == now);
            if is_seen || state.at == now {
                (state.at, state.is_seen) = (now, is_seen);
            }
        }
        for track in tracks {
            if self.find(track.id).is_none() {
                let is_free = |slot: &u8| self.states.iter().all(|state| state.slot != *slot);
                let slot = (0..MAX_FACES as u8).find(is_free).unwrap_or(0);
                // There is room for one per track.
                let _ = self.states.push(FollowState {
                    track: track.id,
                    slot,
                    at: now,
                    is_seen: true,
                    has_changed: true,
                });
            }
        }
    }

    /// The change flag of a track: its slot, counted from `first`.
    #[must_use]
    pub fn change_flag(&self, track: u32, first: u8) -> ChangeFlag {
        ChangeFlag::new(first + self.find(track).map_or(0, |state| state.slot))
    }

    /// Whether the track was seen when a detector last looked for it.
    #[must_use]
    pub fn is_seen(&self, track: u32) -> bool {
        self.find(track).is_some_and(|state| state.is_seen)
    }

    /// Records what the following detector found at `now`: whether it saw the track, and whether the track's
    /// surroundings had changed.
    pub fn record(&mut self, track: u32, now: Duration, is_seen: bool, is_changed: bool) {
        if let Some(state) = self.states.iter_mut().find(|state| state.track == track) {
            state.at = now;
            state.is_seen = is_seen;
            state.has_changed |= is_changed;
        }
    }

    /// Whether a track's surroundings have changed since a search found it.
    #[must_use]
    pub fn has_changed(&self, track: u32) -> bool {
        self.find(track).is_none_or(|state| state.has_changed)
    }

    /// A search found the track.
    pub fn confirm(&mut self, track: u32) {
        if let Some(state) = self.states.iter_mut().find(|state| state.track == track) {
            state.has_changed = false;
        }
    }

    /// Forgets all tracks.
    pub fn clear(&mut self) {
        self.states.clear();
    }

    fn find(&self, track: u32) -> Option<&FollowState> {
        self.states.iter().find(|state| state.track == track)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sense::{
        detection::Detection,
        geometry::Rect,
        track::{Track, Tracker},
    };

    const FRAME: Duration = Duration::from_millis(66);

    #[test]
    fn concurrent_tracks_have_different_change_flags() {
        let mut tracker = Tracker::new(Duration::from_secs(1), Duration::from_secs(2));
        let mut states = FollowStates::default();
        let face = |x: f32| Detection {
            rect: Rect {
                x,
                y: 0.0,
                width: 50.0,
                height: 50.0,
            },
            score: 0.9,
            ..Detection::default()
        };
        let flags = |tracks: &[Track], states: &FollowStates| -> Vec<ChangeFlag> {
            tracks
                .iter()
                .map(|track| states.change_flag(track.id, 5))
                .collect()
        };
        tracker.update(&[face(0.0), face(200.0)], 0, FRAME);
        states.update(tracker.tracks(), FRAME);
        let first = flags(tracker.tracks(), &states);
        assert_ne!(first[0], first[1]);
        // The first face leaves and another arrives.
        let later = Duration::from_secs(2);
        tracker.update(&[face(200.0), face(400.0)], 0, FRAME * 2);
        tracker.update(&[face(200.0), face(400.0)], 0, later);
        states.update(tracker.tracks(), later);
        let now = flags(tracker.tracks(), &states);
        assert_eq!(now.len(), 2);
        assert_ne!(now[0], now[1]);
    }
}

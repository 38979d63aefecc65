//! What the looks at the tracked faces have shown: which are in sight, and which have changed since a search found
//! them. The following detector looks at every track in every frame.

use std::time::Duration;

use super::{face::MAX_FACES, motion::Viewer, track::Track};

/// The tracks of one frame and the looks at them.
#[derive(Debug, Default)]
pub struct Looks {
    looks: heapless::Vec<Look, MAX_FACES>,
}

/// The looks at one track.
#[derive(Debug, Clone, Copy)]
struct Look {
    track: u32,
    /// Number of its viewer among those of tracks.
    slot: u8,
    /// When it was looked at last.
    at: Duration,
    /// Whether the last look saw it.
    in_sight: bool,
    /// Whether its surroundings have changed since a search found it.
    has_changed: bool,
}

impl Looks {
    /// Drops tracks that ended, adds new ones, and notes which were in fact seen at `now`, by either detector.
    pub fn update(&mut self, tracks: &[Track], now: Duration) {
        self.looks
            .retain(|look| tracks.iter().any(|track| track.id == look.track));
        for look in &mut self.looks {
            let is_seen = tracks
                .iter()
                .any(|track| track.id == look.track && track.seen == now);
            if is_seen || look.at == now {
                (look.at, look.in_sight) = (now, is_seen);
            }
        }
        for track in tracks {
            if self.find(track.id).is_none() {
                let is_free = |slot: &u8| self.looks.iter().all(|look| look.slot != *slot);
                let slot = (0..MAX_FACES as u8).find(is_free).unwrap_or(0);
                // There is room: at most as many as tracks.
                let _ = self.looks.push(Look {
                    track: track.id,
                    slot,
                    at: now,
                    in_sight: true,
                    has_changed: true,
                });
            }
        }
    }

    /// The viewer of a track: the one after `first` by its slot.
    #[must_use]
    pub fn viewer(&self, track: u32, first: u8) -> Viewer {
        Viewer::new(first + self.find(track).map_or(0, |look| look.slot))
    }

    /// Whether the last look saw the track.
    #[must_use]
    pub fn is_in_sight(&self, track: u32) -> bool {
        self.find(track).is_some_and(|look| look.in_sight)
    }

    /// Records a look at `now`: whether it saw the track, and whether the track's surroundings had changed.
    pub fn record(&mut self, track: u32, now: Duration, in_sight: bool, is_changed: bool) {
        if let Some(look) = self.looks.iter_mut().find(|look| look.track == track) {
            look.at = now;
            look.in_sight = in_sight;
            look.has_changed |= is_changed;
        }
    }

    /// Whether a track's surroundings have changed since a search found it.
    #[must_use]
    pub fn has_changed(&self, track: u32) -> bool {
        self.find(track).is_none_or(|look| look.has_changed)
    }

    /// A search found the track.
    pub fn confirm(&mut self, track: u32) {
        if let Some(look) = self.looks.iter_mut().find(|look| look.track == track) {
            look.has_changed = false;
        }
    }

    /// Forgets all tracks.
    pub fn clear(&mut self) {
        self.looks.clear();
    }

    fn find(&self, track: u32) -> Option<&Look> {
        self.looks.iter().find(|look| look.track == track)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sense::{
        face::Detection,
        geometry::Rect,
        track::{Track, Tracker},
    };

    const FRAME: Duration = Duration::from_millis(66);

    #[test]
    fn tracks_have_viewers_of_their_own_as_long_as_they_last() {
        let mut tracker = Tracker::new(Duration::from_secs(1), Duration::from_secs(2));
        let mut looks = Looks::default();
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
        let viewers = |tracks: &[Track], looks: &Looks| -> Vec<Viewer> {
            tracks.iter().map(|track| looks.viewer(track.id, 5)).collect()
        };
        tracker.update(&[face(0.0), face(200.0)], 0, FRAME);
        looks.update(tracker.tracks(), FRAME);
        let first = viewers(tracker.tracks(), &looks);
        assert_ne!(first[0], first[1]);
        // The first leaves, another comes.
        let later = Duration::from_secs(2);
        tracker.update(&[face(200.0), face(400.0)], 0, FRAME * 2);
        tracker.update(&[face(200.0), face(400.0)], 0, later);
        looks.update(tracker.tracks(), later);
        let now = viewers(tracker.tracks(), &looks);
        assert_eq!(now.len(), 2);
        assert_ne!(now[0], now[1]);
    }
}

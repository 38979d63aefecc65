//! When to look at a tracked face: in every frame while something is uncertain, otherwise when its
//! surroundings changed, as often as its speed requires, and after a bounded time in any case.

use std::time::Duration;

use super::{face::MAX_FACES, motion::Viewer, track::Track};

/// A face that moves is looked at again once it may have moved by this fraction of its width.
const MAX_SHIFT: f32 = 0.05;

/// Longest time between two looks at a face whose surroundings change.
const CHANGING: Duration = Duration::from_millis(200);

/// Longest time between two looks at a face whose surroundings do not change.
pub const STILL: Duration = Duration::from_millis(1000);

/// A new face is looked at in every frame for this long: its means begin with few predictions.
pub const NEW: Duration = Duration::from_millis(500);

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
    /// When the track began.
    since: Duration,
    /// When it was looked at last.
    at: Duration,
    /// Whether the last look saw it.
    in_sight: bool,
    /// Whether it was looked at because of a change since a search found it.
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
                .any(|track| track.id == look.track && track.looked() == now);
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
                    since: now,
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

    /// Whether the track is in sight and nobody looked at it at `now`.
    #[must_use]
    pub fn rests(&self, track: u32, now: Duration) -> bool {
        self.find(track)
            .is_some_and(|look| look.in_sight && look.at != now)
    }

    /// Whether to look at a track at `now`; `is_changed` tells whether its surroundings changed since the last
    /// look.
    #[must_use]
    pub fn is_due(&self, track: &Track, now: Duration, is_changed: bool) -> bool {
        let Some(look) = self.find(track.id) else {
            return true;
        };
        let since = now.saturating_sub(look.at);
        let is_certain = look.in_sight && track.is_confirmed() && now.saturating_sub(look.since) >= NEW;
        if !is_certain {
            return true;
        }
        if !is_changed {
            return since >= STILL;
        }
        since.as_secs_f32() * track.speed() >= MAX_SHIFT || since >= CHANGING
    }

    /// Records a look at `now`: whether it saw the track, and whether a change was its reason.
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

    /// A face of 100 pixels that moves by `step` pixels a frame, the track of which is confirmed.
    struct Scene {
        tracker: Tracker,
        looks: Looks,
        step: f32,
        frame: u32,
        count: u32,
    }

    impl Scene {
        fn new(step: f32) -> Self {
            Self {
                tracker: Tracker::new(Duration::from_secs(1), Duration::from_secs(2)),
                looks: Looks::default(),
                step,
                frame: 0,
                count: 0,
            }
        }

        /// Plays this many frames; looks that are due see the face unless it `is_gone`. Returns how many looks
        /// there were.
        fn play(&mut self, frames: u32, is_changed: bool, is_gone: bool) -> u32 {
            let before = self.count;
            for _ in 0..frames {
                self.frame += 1;
                let now = FRAME * self.frame;
                let face = Detection {
                    rect: Rect {
                        x: self.step * self.frame as f32,
                        y: 100.0,
                        width: 100.0,
                        height: 100.0,
                    },
                    score: 0.9,
                    ..Detection::default()
                };
                let tracks = self.tracker.tracks();
                let is_due = tracks
                    .iter()
                    .any(|track| self.looks.is_due(track, now, is_changed));
                let ids: Vec<u32> = tracks.iter().map(|track| track.id).collect();
                if tracks.is_empty() || is_due {
                    self.count += 1;
                    for id in ids {
                        self.looks.record(id, now, !is_gone, is_changed);
                    }
                    let seen = [face];
                    self.tracker.update(if is_gone { &[] } else { &seen }, 0, now);
                } else {
                    for track in self.tracker.tracks_mut() {
                        track.keep(now);
                    }
                    self.tracker.update(&[], 0, now);
                }
                self.looks.update(self.tracker.tracks(), now);
            }
            self.count - before
        }
    }

    #[test]
    fn a_new_face_is_looked_at_in_every_frame_and_a_still_one_once_a_second() {
        let mut scene = Scene::new(0.0);
        assert_eq!(scene.play(8, false, false), 8);
        assert!((9..=12).contains(&scene.play(150, false, false)));
    }

    #[test]
    fn a_face_that_changes_is_looked_at_as_often_as_its_speed_requires() {
        for (step, looks) in [(0.0, 36..=52), (2.0, 36..=80), (4.0, 70..=120), (10.0, 150..=150)] {
            let mut scene = Scene::new(step);
            scene.play(8, true, false);
            let count = scene.play(150, true, false);
            assert!(looks.contains(&count), "{count} looks at {step} pixels a frame");
        }
    }

    #[test]
    fn a_face_out_of_sight_is_looked_for_in_every_frame() {
        let mut scene = Scene::new(0.0);
        scene.play(30, false, false);
        scene.play(1, true, true);
        while scene.looks.is_in_sight(scene.tracker.tracks()[0].id) {
            scene.play(1, true, true);
        }
        assert_eq!(scene.play(5, false, true), 5);
    }

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

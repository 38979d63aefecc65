//! Finds and follows faces: a search of the picture every so often and when a face got out of sight, and in every
//! frame a cheap look at each face's own surroundings.

use std::time::Duration;

use super::{
    detect::{DetectError, Detector, Found, NetworkDetector},
    face::{Detection, MAX_FACES},
    geometry::Rect,
    search::{Cadence, Part, same_face},
    track::{MAX_DETECTIONS, Track, TrackEvents, Tracker},
};
use crate::{config::Detect, infer::InferError, model::Registry, picture::Picture};

/// Side of the surroundings, in sides of the face's box. BlazeFace finds a face of 14 pixels best at this one, and
/// larger ones at any (models/detectors.md).
const SURROUNDINGS: f32 = 2.5;
/// A face that no search saw for so many intervals is none. One far away is searched for every fourth, so it has two
/// chances.
const DOUBT: u32 = 8;

/// A piece of work of one update, for timing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// The followed faces were looked at, each on its own surroundings.
    Follow,
    /// A part of the picture, or all of it, was searched.
    Search,
}

/// A followed face in one frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Followed {
    /// Short-lived number of its track.
    pub track: u32,
    /// Where it is, or where it was seen last.
    pub detection: Detection,
    /// Whether it was seen in this very frame; only then is a crop of it worth anything.
    pub seen: bool,
}

/// Finds and follows faces with two detectors, over fixed-capacity state.
pub struct Follower {
    search: Box<dyn Detector>,
    follow: Box<dyn Detector>,
    tracker: Tracker,
    cadence: Cadence,
    min_face_px: f32,
    updated: Duration,
    found: Found,
    seen: heapless::Vec<Detection, MAX_DETECTIONS>,
    events: TrackEvents,
}

impl Follower {
    /// Opens both detectors by the names in `settings`.
    ///
    /// # Errors
    /// [`DetectError`] if a manifest or its network is unusable.
    pub fn open(settings: &Detect, registry: &Registry) -> Result<Self, DetectError> {
        let open = |name: &str| NetworkDetector::open(&registry.find(name)?, settings.min_score);
        Ok(Self::new(
            settings,
            Box::new(open(&settings.model)?),
            Box::new(open(&settings.follow_model)?),
        ))
    }

    /// Searches with one detector and follows with the other.
    #[must_use]
    pub fn new(settings: &Detect, search: Box<dyn Detector>, follow: Box<dyn Detector>) -> Self {
        let interval = settings.interval;
        Self {
            search,
            follow,
            tracker: Tracker::new(settings.lost, interval * DOUBT),
            cadence: Cadence::new(interval),
            min_face_px: settings.min_face_px,
            updated: Duration::ZERO,
            found: Found::new(),
            seen: heapless::Vec::new(),
            events: TrackEvents::new(),
        }
    }

    /// Time spent inside the networks so far.
    #[must_use]
    pub fn network_time(&self) -> Duration {
        self.search.network_time() + self.follow.network_time()
    }

    /// Sets the time between two searches of the whole picture.
    pub fn set_interval(&mut self, interval: Duration) {
        self.cadence.set_interval(interval);
        self.tracker.set_doubt(interval * DOUBT);
    }

    /// Takes the frame of time `now`. `done` is called as each piece of work ends, so that the caller can time it.
    ///
    /// # Errors
    /// [`InferError`] if a network fails; the tracks are then as before.
    pub fn update(
        &mut self,
        picture: &Picture,
        now: Duration,
        mut done: impl FnMut(Work),
    ) -> Result<(), InferError> {
        self.seen.clear();
        let out_of_sight = self.look_at_tracks(picture, now)?;
        if !self.tracker.tracks().is_empty() {
            done(Work::Follow);
        }
        // What the follower saw comes first and keeps the places steady; a search only adds what is new.
        let starting = self.seen.len();
        let quarters = Part::quarters_help(picture, self.search.as_ref());
        if let Some(part) = self.cadence.next(now, out_of_sight, quarters) {
            part.search(self.search.as_mut(), picture, &mut self.found, &mut self.seen)?;
            self.tracker.confirm(&self.found, now);
            let mut index = 0;
            self.seen.retain(|face| {
                index += 1;
                index <= starting || face.rect.width >= self.min_face_px
            });
            done(Work::Search);
        }
        self.tracker.update(&self.seen, starting, now, &mut self.events);
        self.updated = now;
        Ok(())
    }

    /// The confirmed faces after the last update, the primary one first.
    pub fn faces(&self) -> heapless::Vec<Followed, MAX_FACES> {
        let followed = |track: &Track| Followed {
            track: track.id,
            detection: track.detection,
            seen: track.seen == self.updated,
        };
        self.tracker.faces().iter().map(followed).collect()
    }

    /// Which faces appeared and left in the last update.
    #[must_use]
    pub fn events(&self) -> &TrackEvents {
        &self.events
    }

    /// Looks for each track on its surroundings; true if one was there in the last frame and is not in this one.
    fn look_at_tracks(&mut self, picture: &Picture, now: Duration) -> Result<bool, InferError> {
        let mut out_of_sight = false;
        for track in self.tracker.tracks() {
            self.follow
                .detect(picture, &surroundings(&track.expected(now)), &mut self.found)?;
            // Other faces in the surroundings have tracks of their own, or wait for the next search.
            let fitting = self.found.iter().filter(|face| track.fits(face, now));
            let mut in_sight = false;
            for face in fitting {
                in_sight = true;
                merge(&mut self.seen, face);
            }
            out_of_sight |= track.seen == self.updated && !in_sight;
        }
        Ok(out_of_sight)
    }
}

/// The square around a face that a follower looks at.
fn surroundings(face: &Rect) -> Rect {
    let side = SURROUNDINGS * face.width.max(face.height);
    let centre = face.centre();
    Rect {
        x: centre.x - side / 2.0,
        y: centre.y - side / 2.0,
        width: side,
        height: side,
    }
}

/// Adds a detection; of two of the same face, seen from two tracks, the better one stays.
fn merge(seen: &mut heapless::Vec<Detection, MAX_DETECTIONS>, face: &Detection) {
    match seen.iter_mut().find(|other| same_face(other, face)) {
        Some(other) if other.score < face.score => *other = *face,
        Some(_) => {}
        None => {
            let _ = seen.push(*face); // there is room for one a track and more
        }
    }
}

#[cfg(test)]
#[path = "follow_tests.rs"]
mod tests;

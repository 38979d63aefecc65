//! When to search the whole picture and when to look only where faces were: a search every so often and when a face
//! got out of sight, and for every frame a cheap look at each face's own surroundings.

use std::time::Duration;

use super::{
    detect::{DetectError, Detector, Found, NetworkDetector},
    face::{Detection, MAX_FACES},
    geometry::Rect,
    track::{MAX_DETECTIONS, Track, TrackEvents, Tracker},
};
use crate::{config::Detect, infer::InferError, model::Catalogue, picture::Picture};

/// Side of the surroundings, in widths of the face's box.
const SURROUNDINGS: f32 = 2.25;
/// Two detections that share more than this (intersection over union) are one face, seen twice.
const SAME_FACE: f32 = 0.3;
/// A face out of sight brings a search at once, but not more often than so many times within the interval.
const HURRY: u32 = 4;

/// A piece of work of one update, for timing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// The followed faces were looked at, each on its own surroundings.
    Follow,
    /// The whole picture was searched.
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
    interval: Duration,
    min_face_px: f32,
    searched: Option<Duration>,
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
    pub fn open(settings: &Detect, catalogue: &Catalogue) -> Result<Self, DetectError> {
        let open = |name: &str| NetworkDetector::open(&catalogue.find(name)?, settings.min_score);
        Ok(Self::new(
            settings,
            Box::new(open(&settings.model)?),
            Box::new(open(&settings.follow_model)?),
        ))
    }

    /// Searches with one detector and follows with the other.
    #[must_use]
    pub fn new(settings: &Detect, search: Box<dyn Detector>, follow: Box<dyn Detector>) -> Self {
        Self {
            search,
            follow,
            tracker: Tracker::new(Duration::from_secs_f32(settings.lost_s)),
            interval: Duration::from_secs_f32(settings.interval_s),
            min_face_px: settings.min_face_px,
            searched: None,
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
        if self.search_is_due(out_of_sight, now) {
            self.search.detect(picture, None, &mut self.found)?;
            for face in &self.found {
                if face.rect.width >= self.min_face_px {
                    add(&mut self.seen, face);
                }
            }
            self.searched = Some(now);
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
            self.follow.detect(
                picture,
                Some(&surroundings(&track.expected(now))),
                &mut self.found,
            )?;
            for face in &self.found {
                add(&mut self.seen, face);
            }
            out_of_sight |=
                track.seen == self.updated && !self.found.iter().any(|face| track.fits(face, now));
        }
        Ok(out_of_sight)
    }

    fn search_is_due(&self, out_of_sight: bool, now: Duration) -> bool {
        self.searched.is_none_or(|searched| {
            let since = now.saturating_sub(searched);
            since >= self.interval || (out_of_sight && since >= self.interval / HURRY)
        })
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

/// Adds a detection, unless the face is there already.
fn add(seen: &mut heapless::Vec<Detection, MAX_DETECTIONS>, face: &Detection) {
    if seen.iter().all(|other| other.rect.iou(&face.rect) < SAME_FACE) {
        let _ = seen.push(*face); // a full list holds the better ones
    }
}

#[cfg(test)]
#[path = "follow_tests.rs"]
mod tests;

//! Finds and tracks faces: searches the picture at intervals and when a face got out of sight, and looks at
//! the surroundings of each tracked face in every frame.

use affectd_infer::InferError;
use std::time::Duration;

use super::{
    detect::{Detections, Detector},
    face::{Detection, MAX_FACES},
    geometry::Rect,
    search::{SearchRegion, SearchSchedule},
    track::{MAX_OBSERVATIONS, Track, Tracker},
};
use crate::{config::Detect, health::Stage, picture::Picture};

/// Side of the surroundings, in sides of the face's box. BlazeFace finds a face of 14 pixels best at this
/// scale, and larger ones at any (models/detectors.md).
const SURROUNDINGS_SCALE: f32 = 2.5;
/// A face that no search found for this many intervals has left. A distant face is searched for in every
/// fourth interval, so it gets two chances.
const UNCONFIRMED_INTERVALS: u32 = 8;

/// A confirmed face in one frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FollowedFace {
    /// Short-lived number of its track.
    pub track: u32,
    /// Where it is, or where it was seen last.
    pub detection: Detection,
    /// Whether it was seen in this frame; otherwise a crop would show something else.
    pub seen: bool,
}

/// Finds and tracks faces with two detectors and state of fixed capacity.
pub struct FaceTracker {
    search: Box<dyn Detector>,
    follow: Box<dyn Detector>,
    tracker: Tracker,
    schedule: SearchSchedule,
    min_face_px: f32,
    updated: Duration,
    found: Detections,
    seen: heapless::Vec<Detection, MAX_OBSERVATIONS>,
}

impl FaceTracker {
    /// Searches with one detector and follows with the other.
    #[must_use]
    pub fn new(settings: &Detect, search: Box<dyn Detector>, follow: Box<dyn Detector>) -> Self {
        let interval = settings.interval;
        Self {
            search,
            follow,
            tracker: Tracker::new(settings.lost, interval * UNCONFIRMED_INTERVALS),
            schedule: SearchSchedule::new(interval),
            min_face_px: settings.min_face_px,
            updated: Duration::ZERO,
            found: Detections::new(),
            seen: heapless::Vec::new(),
        }
    }

    /// Time spent inside the networks so far.
    #[must_use]
    pub fn network_time(&self) -> Duration {
        self.search.network_time() + self.follow.network_time()
    }

    /// How long an unseen face is kept.
    #[must_use]
    pub fn lost_after(&self) -> Duration {
        self.tracker.lost_after()
    }

    /// Drops all tracks.
    pub fn clear(&mut self) {
        self.tracker.clear();
    }

    /// Sets the time between two searches of the whole picture.
    pub fn set_interval(&mut self, interval: Duration) {
        self.schedule.set_interval(interval);
        self.tracker
            .set_unconfirmed_after(interval * UNCONFIRMED_INTERVALS);
    }

    /// Processes the frame captured at `now`. `done` is called as each stage of the work ends.
    ///
    /// # Errors
    /// [`InferError`] if a network fails; the tracks are then unchanged.
    pub fn update(
        &mut self,
        picture: &Picture,
        now: Duration,
        done: &mut dyn FnMut(Stage),
    ) -> Result<(), InferError> {
        self.seen.clear();
        let out_of_sight = self.follow_tracks(picture, now)?;
        if !self.tracker.tracks().is_empty() {
            done(Stage::Follow);
        }
        // What the following detector saw comes first, which keeps positions steady; a search only adds new
        // faces.
        let starting = self.seen.len();
        let quarters = SearchRegion::quarters_help(picture, self.search.as_ref());
        if let Some(region) = self.schedule.next(now, out_of_sight, quarters) {
            region.search(self.search.as_mut(), picture, &mut self.found, &mut self.seen)?;
            self.tracker.confirm(&self.found, now);
            let mut index = 0;
            self.seen.retain(|face| {
                index += 1;
                index <= starting || face.rect.width >= self.min_face_px
            });
            done(Stage::Detect);
        }
        self.tracker.update(&self.seen, starting, now);
        self.updated = now;
        Ok(())
    }

    /// The confirmed faces after the last update, the primary one first.
    #[must_use]
    pub fn faces(&self) -> heapless::Vec<FollowedFace, MAX_FACES> {
        let followed = |track: &Track| FollowedFace {
            track: track.id,
            detection: track.detection,
            seen: track.seen == self.updated,
        };
        self.tracker.faces().iter().map(followed).collect()
    }

    /// Looks for each track in its surroundings; true if one was seen in the last frame and not in this one.
    fn follow_tracks(&mut self, picture: &Picture, now: Duration) -> Result<bool, InferError> {
        let mut out_of_sight = false;
        for track in self.tracker.tracks() {
            self.follow
                .detect(picture, &surroundings(&track.expected(now)), &mut self.found)?;
            // Other faces in the surroundings have tracks of their own, or are left to the next search.
            let matching = self.found.iter().filter(|face| track.matches(face, now));
            let mut in_sight = false;
            for face in matching {
                in_sight = true;
                merge(&mut self.seen, face);
            }
            out_of_sight |= track.seen == self.updated && !in_sight;
        }
        Ok(out_of_sight)
    }
}

/// The square around a face in which it is looked for.
fn surroundings(face: &Rect) -> Rect {
    let side = SURROUNDINGS_SCALE * face.width.max(face.height);
    let centre = face.centre();
    Rect {
        x: centre.x - side / 2.0,
        y: centre.y - side / 2.0,
        width: side,
        height: side,
    }
}

/// Adds a detection; of two of the same face, seen from two tracks, the better one stays.
fn merge(seen: &mut heapless::Vec<Detection, MAX_OBSERVATIONS>, face: &Detection) {
    match seen.iter_mut().find(|other| other.is_same_face(face)) {
        Some(other) if other.score < face.score => *other = *face,
        Some(_) => {}
        None => {
            let _ = seen.push(*face); // there is room for more than one per track
        }
    }
}

#[cfg(test)]
#[path = "face_tracker_tests.rs"]
mod tests;

//! Finds and tracks faces. Searches the picture where something has changed, when a face has gone out of
//! sight, and in any case after a bounded time. Follows each tracked face, in every frame while any of them
//! moves fast or is in doubt.

use affectd_infer::InferError;
use std::time::Duration;

use super::{
    detect::{Detections, Detector},
    detection::Detection,
    explained::{ExplainedChanges, OWN_SCALE, SURROUNDINGS_SCALE, around},
    face::MAX_FACES,
    follow::FollowStates,
    geometry::Rect,
    intervals::Intervals,
    motion::{ChangeFlag, ChangeMap},
    rate::RateLimiter,
    region::SearchRegion,
    schedule::{Demand, RegionDemand, SearchSchedule},
    search::SearchWindow,
    track::{MAX_OBSERVATIONS, Track, Tracker},
};
use crate::{config::Detect, health::Stage, luma::LumaGrid, picture::Picture};

/// A face has left if no search has found it for this many intervals after the first search that should have:
/// five searches of the whole picture, or two of the quarter in which a distant face is searched for.
const UNCONFIRMED_INTERVALS: u32 = 5;

/// Once in this many intervals, a search must find each face that changes.
const CONFIRM_INTERVALS: u32 = 3;

/// A face whose detection scores less than this is searched for at once.
const CERTAIN_SCORE: f32 = 0.75;

/// While no face moves faster than this, in widths per second, the following detector need not run on every
/// frame.
const CALM_SPEED: f32 = 1.0;

/// Number of the first track's change flag; the flags of the search regions come before it.
const FIRST_TRACK: u8 = SearchRegion::COUNT as u8;

/// A confirmed face in one frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FollowedFace {
    /// Short-lived number of its track.
    pub track: u32,
    /// Where it is, or where it was seen last.
    pub detection: Detection,
    /// Whether it was in sight in the last picture processed; if not, a crop would show something else.
    pub seen: bool,
}

/// Finds and tracks faces with two detectors and state of fixed capacity.
pub struct FaceTracker {
    search: Box<dyn Detector>,
    follow: Box<dyn Detector>,
    tracker: Tracker,
    schedule: SearchSchedule,
    changes: ChangeMap,
    states: FollowStates,
    min_face_px: f32,
    interval: Duration,
    /// Limits how often slowly moving faces are followed.
    follows: RateLimiter,
    /// Width and height of the picture.
    size: (u32, u32),
    /// When the last picture was processed.
    looked: Duration,
    found: Detections,
    seen: heapless::Vec<Detection, MAX_OBSERVATIONS>,
    /// A face without a track that the following detector has seen and no search has looked for yet.
    untracked: Option<Rect>,
}

impl FaceTracker {
    /// Searches with one detector and follows with the other.
    #[must_use]
    pub fn new(
        settings: &Detect,
        intervals: &Intervals,
        search: Box<dyn Detector>,
        follow: Box<dyn Detector>,
    ) -> Self {
        let interval = intervals.search;
        let tracks: [ChangeFlag; MAX_FACES] =
            std::array::from_fn(|slot| ChangeFlag::new(FIRST_TRACK + slot as u8));
        Self {
            search,
            follow,
            tracker: Tracker::new(settings.lost, interval * UNCONFIRMED_INTERVALS),
            schedule: SearchSchedule::new(interval, settings.still_interval),
            changes: ChangeMap::new(&tracks),
            states: FollowStates::default(),
            min_face_px: settings.min_face_px,
            interval,
            follows: RateLimiter::new(intervals.follow),
            size: (0, 0),
            looked: Duration::ZERO,
            found: Detections::new(),
            seen: heapless::Vec::new(),
            untracked: None,
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

    /// Drops all tracks and all data about the picture.
    pub fn clear(&mut self) {
        self.tracker.clear();
        self.states.clear();
        self.changes.clear();
        self.found.clear();
        self.seen.clear();
        self.untracked = None;
    }

    /// Sets the time between two searches of the whole picture at the full rate.
    pub fn set_interval(&mut self, interval: Duration) {
        self.interval = interval;
        self.schedule.set_interval(interval);
        self.tracker
            .set_unconfirmed_after(interval * UNCONFIRMED_INTERVALS);
    }

    /// Whether nobody is in sight and nothing unexplained has changed for some seconds.
    #[must_use]
    pub fn is_resting(&self, now: Duration) -> bool {
        let is_settled = self.schedule.is_settled(now, self.quarters_help());
        self.tracker.tracks().is_empty() && self.changes.is_known() && is_settled
    }

    /// Takes the luma of the frame captured at `now`. Returns whether the frame's picture is needed.
    pub fn observe(&mut self, luma: &LumaGrid, now: Duration) -> bool {
        self.changes.update(luma);
        self.size = (luma.width(), luma.height());
        self.is_following_due(now) || {
            let demand = self.demand(now, false);
            self.schedule.is_due(now, &demand, self.quarters_help())
        }
    }

    /// Processes the frame captured at `now`, after [`FaceTracker::observe`]; `picture` may be `None` if it
    /// is not needed. `done` is called as each stage of the work ends.
    ///
    /// # Errors
    /// [`InferError`] if a network fails; the tracks are then unchanged.
    pub fn update(
        &mut self,
        picture: Option<&Picture>,
        now: Duration,
        done: &mut dyn FnMut(Stage),
    ) -> Result<(), InferError> {
        self.seen.clear();
        let Some(picture) = picture else {
            self.tracker.update(&[], 0, now);
            return Ok(());
        };
        let is_following = !self.tracker.tracks().is_empty();
        let out_of_sight = self.follow_tracks(picture, now)?;
        if is_following {
            done(Stage::Follow);
        }
        let starting = self.search(picture, now, out_of_sight, done)?;
        self.tracker.update(&self.seen, starting, now);
        self.states.update(self.tracker.tracks(), now);
        self.looked = now;
        Ok(())
    }

    /// The confirmed faces after the last update, the primary one first.
    #[must_use]
    pub fn faces(&self) -> heapless::Vec<FollowedFace, MAX_FACES> {
        let followed = |track: &Track| FollowedFace {
            track: track.id,
            detection: track.detection,
            seen: track.seen == self.looked,
        };
        self.tracker.faces().iter().map(followed).collect()
    }

    fn quarters_help(&self) -> bool {
        SearchRegion::quarters_help(self.size, self.search.as_ref())
    }

    fn change_flag(&self, track: &Track) -> ChangeFlag {
        self.states.change_flag(track.id, FIRST_TRACK)
    }

    fn has_changed(&self, track: &Track) -> bool {
        let own = around(&track.detection.rect, OWN_SCALE);
        self.changes.has_changed(self.change_flag(track), &own)
    }

    /// What asks for a search at `now`: changes that no face in sight explains, and faces to be found again.
    fn demand(&self, now: Duration, expedite: bool) -> Demand {
        let mut demand = Demand {
            expedite,
            ..Demand::default()
        };
        let tracks = self.tracker.tracks();
        let explained = self.explained(now);
        for region in SearchRegion::ALL {
            let window = SearchWindow::of(region, self.size, self.search.as_ref());
            let is_changed_outside = |explained: &[Rect]| {
                self.changes
                    .has_changed_outside(flag_of(region), window.rect(), explained)
            };
            let is_changed = is_changed_outside(&explained.by_faces(region));
            let mut covered = tracks.iter().filter(|track| window.covers(&track.detection.rect));
            let has_doubtful = covered.clone().any(|track| self.is_in_doubt(track));
            let has_unconfirmed = covered.any(|track| self.needs_confirming(track, now));
            let has_untracked_face = region == SearchRegion::Whole && self.untracked.is_some();
            let is_unsettled =
                has_doubtful || has_untracked_face || is_changed && is_changed_outside(explained.by_bodies());
            demand.unsettled[region.index()] = is_unsettled;
            demand.regions[region.index()] = if is_unsettled || has_unconfirmed {
                RegionDemand::Full
            } else if is_changed {
                RegionDemand::Body
            } else {
                RegionDemand::None
            };
        }
        demand
    }

    /// A window around everything that asks for a search, if it may replace the search of `region`, which is
    /// due.
    fn window(&self, region: SearchRegion, now: Duration, demand: &Demand) -> Option<SearchWindow> {
        if !(self.quarters_help() && self.schedule.allows_window(region, now, demand)) {
            return None;
        }
        let explained = self.explained(now);
        let changed = |region: &SearchRegion| {
            let rect = region.rect(self.size.0, self.size.1);
            self.changes
                .box_outside(flag_of(*region), &rect, &explained.by_all(*region))
        };
        let tracks = self.tracker.tracks().iter();
        let doubtful = tracks.filter(|track| self.is_in_doubt(track));
        let asking = doubtful.map(|track| track.expected(now));
        let asking = asking.chain(self.untracked);
        let asking = asking.chain(SearchRegion::ALL.iter().filter_map(changed));
        let asking = asking.reduce(|all, other| all.union(&other))?;
        SearchWindow::around(&asking, self.size, self.search.as_ref())
    }

    /// Which changes the faces in sight explain at `now`.
    fn explained(&self, now: Duration) -> ExplainedChanges {
        let tracks = self.tracker.tracks().iter();
        let in_sight = tracks.filter(|track| self.states.is_seen(track.id));
        ExplainedChanges::new(in_sight.map(|track| track.expected(now)).collect(), self.size.1)
    }

    /// Whether the following detector must look at a frame captured at `now`.
    fn is_following_due(&self, now: Duration) -> bool {
        let tracks = self.tracker.tracks();
        let is_calm =
            |track: &Track| track.is_confirmed() && !self.is_in_doubt(track) && track.speed() < CALM_SPEED;
        !tracks.is_empty()
            && (!self.changes.is_known() || self.follows.is_due(now) || !tracks.iter().all(is_calm))
    }

    /// Whether it is uncertain that this track's face is still there.
    fn is_in_doubt(&self, track: &Track) -> bool {
        track.is_doubtful() || !self.states.is_seen(track.id)
    }

    /// Whether a search should confirm this track, which is in sight.
    fn needs_confirming(&self, track: &Track, now: Duration) -> bool {
        let since = now.saturating_sub(track.searched());
        self.states.has_changed(track.id)
            && (since >= self.interval * CONFIRM_INTERVALS || track.detection.score < CERTAIN_SCORE)
    }

    /// Looks for each track in its surroundings; returns whether any track has gone out of sight.
    fn follow_tracks(&mut self, picture: &Picture, now: Duration) -> Result<bool, InferError> {
        self.follows.advance(now);
        let mut out_of_sight = false;
        let tracks: heapless::Vec<Track, MAX_FACES> = self.tracker.tracks().iter().copied().collect();
        for track in &tracks {
            let is_changed = self.has_changed(track);
            let surroundings = around(&track.expected(now), SURROUNDINGS_SCALE);
            self.follow.detect(picture, &surroundings, &mut self.found)?;
            let mut seen = None;
            for face in &self.found {
                if track.matches(face, now) {
                    seen = Some(*face);
                    merge(&mut self.seen, face);
                } else {
                    // Other faces have their own tracks or are left to a search.
                    if !tracks.iter().any(|other| other.matches(face, now)) {
                        self.untracked = Some(face.rect);
                    }
                }
            }
            out_of_sight |= self.states.is_seen(track.id) && seen.is_none();
            self.states.record(track.id, now, seen.is_some(), is_changed);
            if let Some(face) = seen {
                let flag = self.change_flag(track);
                self.changes.rebase(flag, &around(&face.rect, OWN_SCALE));
            }
        }
        Ok(out_of_sight)
    }

    /// Searches a region if one is due, and adds the faces found to those seen. Returns the index of the
    /// first detection that may start a track.
    fn search(
        &mut self,
        picture: &Picture,
        now: Duration,
        out_of_sight: bool,
        done: &mut dyn FnMut(Stage),
    ) -> Result<usize, InferError> {
        // The following detector's faces come first, which keeps positions steady; a search only adds new
        // faces.
        let starting = self.seen.len();
        let demand = self.demand(now, out_of_sight);
        let Some(region) = self.schedule.next(now, &demand, self.quarters_help()) else {
            return Ok(starting);
        };
        let window = self.window(region, now, &demand);
        let regions = if window.is_some() {
            self.schedule.record_window(now);
            &SearchRegion::ALL[..]
        } else {
            self.schedule.record(region, now, &demand);
            &SearchRegion::ALL[region.index()..=region.index()]
        };
        let window = window.unwrap_or_else(|| SearchWindow::of(region, self.size, self.search.as_ref()));
        window.search(self.search.as_mut(), picture, &mut self.found, &mut self.seen)?;
        self.tracker.confirm(&self.found, now, |face| window.covers(face));
        for track in self.tracker.tracks() {
            if track.searched() == now {
                self.states.confirm(track.id);
            }
        }
        if regions.contains(&SearchRegion::Whole) {
            self.untracked = None;
        }
        for region in regions {
            self.changes.mark_unchanged(flag_of(*region), window.rect());
        }
        let mut index = 0;
        self.seen.retain(|face| {
            index += 1;
            index <= starting || face.rect.width >= self.min_face_px
        });
        done(Stage::Detect);
        Ok(starting)
    }
}

fn flag_of(region: SearchRegion) -> ChangeFlag {
    ChangeFlag::new(region.index() as u8)
}

/// Adds a detection. If two tracks saw the same face, the better detection is kept.
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

//! Visits: how long people stay, and what their faces show in that time.
//!
//! A visit begins with a track and ends when its face has left. A track that begins near the place where
//! another face was lost, within `visit.gap_s`, continues that face's visit under its own number, so a person
//! who turns away for a moment is not counted twice. Otherwise the visit ends with the lost track.
//!
//! Times are those of the frames. Between two frames of a track, the state of the earlier one holds. The time
//! from a loss until the visit is continued counts only towards its length. A visit that spans midnight
//! counts for the day on which it ends.
//!
//! The state is bounded and kept in memory only.

use std::time::Duration;

use jiff::civil::Date;

use super::{
    face::TrackedFace,
    geometry::Rect,
    report::{Event, Events},
    visit::{MAX_VISITS, OpenVisit},
    visit_counters::{VisitCounters, VisitTotals},
};
use crate::config;

/// A track continues a visit only if its face is nearer than this many widths of the larger box to where the
/// visit's face was lost ...
const MAX_DISTANCE: f32 = 1.5;
/// ... and neither box is more than this many times as wide as the other.
const MAX_WIDTH_RATIO: f32 = 2.0;
/// An end noticed later than this is counted but not announced, because sensing had stopped in the meantime.
const MAX_DELAY: Duration = Duration::from_secs(5);

/// Follows the visits of all tracks.
#[derive(Debug, Clone)]
pub struct Visits {
    settings: config::Visit,
    open: heapless::Vec<OpenVisit, MAX_VISITS>,
    totals: VisitTotals,
}

impl Visits {
    /// No visits yet.
    #[must_use]
    pub fn new(settings: &config::Visit) -> Self {
        Self {
            settings: *settings,
            open: heapless::Vec::new(),
            totals: VisitTotals::default(),
        }
    }

    /// The counters after the last update.
    #[must_use]
    pub fn totals(&self) -> VisitTotals {
        self.totals
    }

    /// Whether anyone is in view, or left so recently that the visit may be continued.
    #[must_use]
    pub fn is_any_open(&self) -> bool {
        !self.open.is_empty()
    }

    /// Takes the tracked faces of a frame that was captured at `now` (monotonic), on the local date `today`.
    /// Adds what happened to `events`.
    pub fn update(&mut self, now: Duration, today: Date, faces: &[TrackedFace], events: &mut Events) {
        if self.totals.day != Some(today) {
            self.totals.day = Some(today);
            self.totals.today = VisitCounters::default();
        }
        // Existing tracks are matched first, so a new one cannot take over a visit whose own track still
        // exists.
        for visit in &mut self.open {
            visit.tracked = faces.iter().any(|face| face.track == visit.track);
        }
        self.end_visits(now, events);
        for face in faces.iter().filter(|face| face.seen) {
            let index = match self.open.iter().position(|visit| visit.track == face.track) {
                Some(index) => index,
                None => match self.begin(now, face, events) {
                    Some(index) => index,
                    None => continue,
                },
            };
            let visit = &mut self.open[index];
            visit.sample(now, face);
            let stay = now.saturating_sub(visit.first);
            if !visit.announced && stay >= self.settings.present {
                visit.announced = true;
                push(
                    events,
                    Event::Present {
                        track: face.track,
                        seconds: stay.as_secs_f32(),
                    },
                );
            }
        }
    }

    /// Ends all visits without waiting for a face to come back, because no more frames arrive.
    pub fn end_all(&mut self, events: &mut Events) {
        while let Some(ended) = self.open.pop() {
            self.end(&ended, true, events);
        }
    }

    /// Ends the visits whose face has been gone for longer than `visit.gap_s`.
    fn end_visits(&mut self, now: Duration, events: &mut Events) {
        let gap = self.settings.gap;
        let mut index = 0;
        while let Some(visit) = self.open.get(index) {
            let lost_for = now.saturating_sub(visit.last);
            if visit.tracked || lost_for <= gap {
                index += 1;
                continue;
            }
            let announce = lost_for <= gap + MAX_DELAY;
            let ended = self.open.swap_remove(index);
            self.end(&ended, announce, events);
        }
    }

    fn end(&mut self, ended: &OpenVisit, announce: bool, events: &mut Events) {
        let visit = ended.finish();
        self.totals.since_start.add(&visit, self.settings.smile);
        self.totals.today.add(&visit, self.settings.smile);
        if announce {
            let track = ended.track;
            push(events, Event::Left { track, visit });
        }
    }

    /// The visit of a new track: one that it continues, or a new one.
    fn begin(&mut self, now: Duration, face: &TrackedFace, events: &mut Events) -> Option<usize> {
        let nearest = self
            .open
            .iter()
            .enumerate()
            .filter(|(_, visit)| !visit.tracked)
            .filter_map(|(index, visit)| Some((index, distance(&visit.place, &face.detection.rect)?)))
            .min_by(|(_, a), (_, b)| a.total_cmp(b));
        let continues = nearest.map(|(index, _)| self.open[index].track);
        push(
            events,
            Event::Appeared {
                track: face.track,
                continues,
            },
        );
        if let Some((index, _)) = nearest {
            self.open[index].continue_as(face.track);
            return Some(index);
        }
        if self.open.is_full() {
            // More faces came and went within the gap than there is room for, so the visit of the face lost
            // first ends.
            let (oldest, _) = self
                .open
                .iter()
                .enumerate()
                .filter(|(_, visit)| !visit.tracked)
                .min_by_key(|(_, visit)| visit.last)?;
            let ended = self.open.swap_remove(oldest);
            self.end(&ended, true, events);
        }
        self.open.push(OpenVisit::new(now, face)).ok()?;
        Some(self.open.len() - 1)
    }
}

/// There is room for every event of an update, see [`Events`].
fn push(events: &mut Events, event: Event) {
    let _ = events.push(event);
}

/// How far a face is from where another was lost, in widths of the larger box; `None` if it cannot be the
/// same face.
fn distance(lost: &Rect, found: &Rect) -> Option<f32> {
    let (a, b) = (lost.centre(), found.centre());
    let (wider, narrower) = (lost.width.max(found.width), lost.width.min(found.width));
    let distance = (a.x - b.x).hypot(a.y - b.y) / wider;
    (distance <= MAX_DISTANCE && wider <= narrower * MAX_WIDTH_RATIO).then_some(distance)
}

#[cfg(test)]
#[path = "visits_tests.rs"]
mod tests;

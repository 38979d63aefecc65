//! Visits: how long people stay, and how they fare meanwhile.
//!
//! A visit begins with a track and ends when its face has left. A track that begins near the place where
//! another face was lost, within `visit.gap_s`, continues that face's visit under its own number: whoever
//! turns away for a moment does not count twice. A track that was lost is otherwise a visit of its own.
//!
//! Times are those of the frames. Between two frames of one track the earlier one's state holds; the time
//! from a loss until a visit is continued counts into its length alone. A visit that spans midnight counts
//! for the day on which it ends.
//!
//! The state is bounded and kept in memory only.

use std::time::Duration;

use jiff::civil::Date;

use super::{
    face::{Event, Events, Label, MAX_FACES, TrackedFace},
    geometry::Rect,
    scene::is_smiling,
};
use crate::config;

/// A track continues a visit only if its face is nearer than this many widths of the larger box to where the
/// visit's face was lost ...
const MAX_DISTANCE: f32 = 1.5;
/// ... and neither box is more than this many times as wide as the other.
const MAX_WIDTH_RATIO: f32 = 2.0;
/// Most visits that are going on: those of all tracks, and as many whose face was lost.
pub const MAX_VISITS: usize = 2 * MAX_FACES;
/// An end that is noticed later than this is counted but not announced: sensing had stopped meanwhile.
const MAX_DELAY: Duration = Duration::from_secs(5);

/// Mean and extremes of a value over time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// Mean over time.
    pub mean: f32,
    /// The smallest value.
    pub min: f32,
    /// The largest value.
    pub max: f32,
}

/// A visit that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Visit {
    /// From the first to the last sight of the face, in seconds.
    pub seconds: f32,
    /// How long the face looked towards the camera, in seconds.
    pub attended_s: f32,
    /// How long the face smiled, in seconds.
    pub smiled_s: f32,
    /// The share of each category in the time that the face was tracked, in the order of
    /// [`crate::category::Category::ALL`]. What their sum lacks to 1 was uncertain.
    pub shares: [f32; 8],
    /// `None` where the model gives none, or the face was never classified.
    pub valence: Option<Spread>,
    /// As for valence.
    pub arousal: Option<Spread>,
}

/// Visits that have ended.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct VisitCounters {
    /// All of them.
    pub visits: u64,
    /// Those in which the face looked towards the camera.
    pub attended: u64,
    /// Those in which the face smiled for at least `visit.smile_s`.
    pub smiled: u64,
    /// Length of all visits together, in seconds.
    pub seconds: f64,
    /// Length of the longest one, in seconds.
    pub longest_s: f32,
}

impl VisitCounters {
    /// Mean length in seconds; `None` without visits.
    #[must_use]
    pub fn mean_s(&self) -> Option<f32> {
        (self.visits > 0).then(|| (self.seconds / self.visits as f64) as f32)
    }

    fn add(&mut self, visit: &Visit, smile_s: f32) {
        self.visits += 1;
        self.attended += u64::from(visit.attended_s > 0.0);
        self.smiled += u64::from(visit.smiled_s > 0.0 && visit.smiled_s >= smile_s);
        self.seconds += f64::from(visit.seconds);
        self.longest_s = self.longest_s.max(visit.seconds);
    }
}

/// The counters of one moment.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct VisitTotals {
    /// Since the daemon's start.
    pub since_start: VisitCounters,
    /// Since local midnight of `day`.
    pub today: VisitCounters,
    /// The local date that `today` is about; `None` before the first frame.
    pub day: Option<Date>,
}

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

    /// Takes the tracked faces of a frame that was captured at `now` (monotonic), on the local date `today`.
    /// Adds what happened to `events`.
    pub fn update(&mut self, now: Duration, today: Date, faces: &[TrackedFace], events: &mut Events) {
        if self.totals.day != Some(today) {
            self.totals.day = Some(today);
            self.totals.today = VisitCounters::default();
        }
        // Tracks go on first, so that a new one cannot take a visit whose own track is still there.
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
            let seconds = now.saturating_sub(visit.first).as_secs_f32();
            if !visit.announced && seconds >= self.settings.present_s {
                visit.announced = true;
                push(
                    events,
                    Event::Present {
                        track: face.track,
                        seconds,
                    },
                );
            }
        }
    }

    /// Ends all visits, without waiting for a face to come back: nobody looks any more.
    pub fn end_all(&mut self, events: &mut Events) {
        while let Some(ended) = self.open.pop() {
            self.end(&ended, true, events);
        }
    }

    /// Ends the visits whose face has left for longer than the gap that may be bridged.
    fn end_visits(&mut self, now: Duration, events: &mut Events) {
        let gap = Duration::from_secs_f32(self.settings.gap_s);
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
        self.totals.since_start.add(&visit, self.settings.smile_s);
        self.totals.today.add(&visit, self.settings.smile_s);
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
            // More faces came and went within the gap than there is room for: the one lost first has left.
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
/// same.
fn distance(lost: &Rect, found: &Rect) -> Option<f32> {
    let (a, b) = (lost.centre(), found.centre());
    let (wider, narrower) = (lost.width.max(found.width), lost.width.min(found.width));
    let distance = (a.x - b.x).hypot(a.y - b.y) / wider;
    (distance <= MAX_DISTANCE && wider <= narrower * MAX_WIDTH_RATIO).then_some(distance)
}

/// A visit that goes on, or whose face was lost a moment ago.
#[derive(Debug, Clone)]
struct OpenVisit {
    /// Its newest track.
    track: u32,
    /// Whether that track is still there.
    tracked: bool,
    first: Duration,
    last: Duration,
    /// Where the face was seen last.
    place: Rect,
    /// Whether it was announced as present.
    announced: bool,
    /// The state that holds since `last`; `None` while the face is lost.
    state: Option<State>,
    /// Seconds that the face was tracked.
    tracked_s: f64,
    attended_s: f64,
    smiled_s: f64,
    category_s: [f64; 8],
    valence: Accumulator,
    arousal: Accumulator,
}

/// What a face does in one frame.
#[derive(Debug, Clone, Copy)]
struct State {
    attending: bool,
    smiling: bool,
    label: Label,
    valence: Option<f32>,
    arousal: Option<f32>,
}

impl State {
    fn of(face: &TrackedFace) -> Self {
        let usable = face.smoothed.filter(|smoothed| !smoothed.poor);
        Self {
            attending: face.attending,
            smiling: usable.as_ref().is_some_and(is_smiling),
            label: face.smoothed.map_or(Label::Uncertain, |smoothed| smoothed.label),
            valence: usable.and_then(|smoothed| smoothed.prediction.valence),
            arousal: usable.and_then(|smoothed| smoothed.prediction.arousal),
        }
    }
}

impl OpenVisit {
    fn new(now: Duration, face: &TrackedFace) -> Self {
        Self {
            track: face.track,
            tracked: true,
            first: now,
            last: now,
            place: face.detection.rect,
            announced: false,
            state: None,
            tracked_s: 0.0,
            attended_s: 0.0,
            smiled_s: 0.0,
            category_s: [0.0; 8],
            valence: Accumulator::default(),
            arousal: Accumulator::default(),
        }
    }

    /// Another track goes on where this visit's track was lost.
    fn continue_as(&mut self, track: u32) {
        self.track = track;
        self.tracked = true;
        self.state = None;
    }

    /// Adds the time since the last frame, in which the face was as it was then, and takes its state from now
    /// on.
    fn sample(&mut self, now: Duration, face: &TrackedFace) {
        let seconds = now.saturating_sub(self.last).as_secs_f64();
        if let Some(before) = self.state {
            self.tracked_s += seconds;
            self.attended_s += if before.attending { seconds } else { 0.0 };
            self.smiled_s += if before.smiling { seconds } else { 0.0 };
            if let Label::Category(category) = before.label {
                self.category_s[category as usize] += seconds;
            }
            self.valence.add_time(before.valence, seconds);
            self.arousal.add_time(before.arousal, seconds);
        }
        let state = State::of(face);
        self.valence.add_value(state.valence);
        self.arousal.add_value(state.arousal);
        self.state = Some(state);
        self.last = now;
        self.place = face.detection.rect;
    }

    fn finish(&self) -> Visit {
        let share = |seconds: f64| {
            if self.tracked_s > 0.0 {
                (seconds / self.tracked_s) as f32
            } else {
                0.0
            }
        };
        Visit {
            seconds: self.last.saturating_sub(self.first).as_secs_f32(),
            attended_s: self.attended_s as f32,
            smiled_s: self.smiled_s as f32,
            shares: self.category_s.map(share),
            valence: self.valence.spread(),
            arousal: self.arousal.spread(),
        }
    }
}

/// Collects mean and extremes of a value.
#[derive(Debug, Clone, Copy, Default)]
struct Accumulator {
    /// Integral of the value over time.
    integral: f64,
    /// The time that it is known for, in seconds.
    seconds: f64,
    /// Smallest and largest value.
    extremes: Option<(f32, f32)>,
}

impl Accumulator {
    /// Adds the time that the value was held.
    fn add_time(&mut self, value: Option<f32>, seconds: f64) {
        if let Some(value) = value {
            self.integral += f64::from(value) * seconds;
            self.seconds += seconds;
        }
    }

    /// The value became this.
    fn add_value(&mut self, value: Option<f32>) {
        if let Some(value) = value {
            let (min, max) = self.extremes.unwrap_or((value, value));
            self.extremes = Some((min.min(value), max.max(value)));
        }
    }

    fn spread(&self) -> Option<Spread> {
        let (min, max) = self.extremes?;
        let mean = if self.seconds > 0.0 {
            (self.integral / self.seconds) as f32
        } else {
            // A single frame.
            f32::midpoint(min, max)
        };
        Some(Spread { mean, min, max })
    }
}

#[cfg(test)]
#[path = "visits_tests.rs"]
mod tests;

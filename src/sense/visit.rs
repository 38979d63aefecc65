//! One visit: what happens from a face's arrival until it has left.

use std::time::Duration;

use super::{
    face::{Label, MAX_FACES, TrackedFace},
    geometry::Rect,
    scene::is_smiling,
};

/// Maximum number of open visits: those of all tracks, and as many whose face was lost.
pub const MAX_VISITS: usize = 2 * MAX_FACES;

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
    /// Time from the first to the last sighting of the face, in seconds.
    pub seconds: f32,
    /// How long the face looked towards the camera, in seconds.
    pub attended_s: f32,
    /// How long the face smiled, in seconds.
    pub smiled_s: f32,
    /// The share of each category in the time that the face was tracked, in the order of
    /// [`crate::category::Category::ALL`]. The remainder to 1 was uncertain.
    pub shares: [f32; 8],
    /// `None` if the model does not predict it or the face was never classified.
    pub valence: Option<Spread>,
    /// As for valence.
    pub arousal: Option<Spread>,
}

/// A visit in progress, or one whose face was lost a moment ago.
#[derive(Debug, Clone)]
pub(super) struct OpenVisit {
    /// Its newest track.
    pub track: u32,
    /// Whether that track still exists.
    pub tracked: bool,
    /// When the face was seen first.
    pub first: Duration,
    /// When it was seen last.
    pub last: Duration,
    /// Where the face was seen last.
    pub place: Rect,
    /// Whether it was announced as present.
    pub announced: bool,
    /// The state that has held since `last`; `None` while the face is lost.
    state: Option<State>,
    /// Seconds for which the face was tracked.
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
    /// Begins a visit with the first sighting of `face`.
    pub fn new(now: Duration, face: &TrackedFace) -> Self {
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

    /// Continues the visit with another track after its own was lost.
    pub fn continue_as(&mut self, track: u32) {
        self.track = track;
        self.tracked = true;
        self.state = None;
    }

    /// Adds the time since the last frame, during which the previous state held, and records the face's state
    /// from now on.
    pub fn sample(&mut self, now: Duration, face: &TrackedFace) {
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

    /// The whole visit.
    pub fn finish(&self) -> Visit {
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
    /// How long the value was known, in seconds.
    seconds: f64,
    /// Smallest and largest value.
    extremes: Option<(f32, f32)>,
}

impl Accumulator {
    /// Adds the time for which the value held.
    fn add_time(&mut self, value: Option<f32>, seconds: f64) {
        if let Some(value) = value {
            self.integral += f64::from(value) * seconds;
            self.seconds += seconds;
        }
    }

    /// Records a new value.
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

//! Tracks faces from frame to frame: which detection is which face, where each is now, which one is primary.

use std::time::Duration;

use super::{
    detect::MAX_DETECTIONS,
    detection::Detection,
    face::MAX_FACES,
    geometry::{Point, Rect},
};

/// A first detection of at least this score confirms a track; a weaker one must be seen again.
const CONFIRMING_SCORE: f32 = 0.75;
/// Detections that confirm a track whose scores are lower.
const CONFIRMING_HITS: u32 = 2;
/// A detection belongs to a track only if their centres are nearer than this many widths of the larger box
/// ...
const MAX_DISTANCE: f32 = 0.8;
/// ... and neither is more than this many times as wide as the other. Detectors differ in their boxes by up
/// to 1.5.
const MAX_WIDTH_RATIO: f32 = 2.5;
/// Another face becomes primary only if its area is this many times larger ...
const PRIMARY_MARGIN: f32 = 1.3;
/// ... for this long.
const PRIMARY_DWELL: Duration = Duration::from_millis(1000);
/// Time constant of the velocity, in seconds.
const VELOCITY_TAU_S: f32 = 0.15;
/// Longest extrapolation of the velocity, in seconds.
const HORIZON_S: f32 = 0.3;
/// Cut-off frequency of the position's low-pass filter for a face at rest, in hertz; removes the networks'
/// jitter.
const REST_HZ: f32 = 2.0;
/// How much the cut-off rises for each width per second that the face moves, so the position does not lag.
const HZ_PER_SPEED: f32 = 8.0;

/// A tracked face.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Track {
    /// Short-lived number.
    pub id: u32,
    /// Where it was seen last, low-pass filtered.
    pub detection: Detection,
    /// When it was in sight last.
    pub seen: Duration,
    /// When a search of the picture found it last.
    searched: Duration,
    /// The first search since then that should have found it and did not.
    missed: Option<Duration>,
    /// Detections so far; saturates.
    hits: u32,
    confirmed: bool,
    /// The last detection's centre, not filtered.
    centre: Point,
    /// In pixels per second.
    velocity: Point,
}

impl Track {
    /// The predicted box at `now`.
    #[must_use]
    pub fn expected(&self, now: Duration) -> Rect {
        let ahead = now.saturating_sub(self.seen).as_secs_f32().min(HORIZON_S);
        let Rect { width, height, .. } = self.detection.rect;
        Rect {
            x: self.centre.x + self.velocity.x * ahead - width / 2.0,
            y: self.centre.y + self.velocity.y * ahead - height / 2.0,
            width,
            height,
        }
    }

    /// Whether a detection at `now` can be this face.
    #[must_use]
    pub fn matches(&self, detection: &Detection, now: Duration) -> bool {
        affinity(&self.expected(now), &detection.rect).is_some()
    }

    /// Speed in widths of the face per second.
    #[must_use]
    pub fn speed(&self) -> f32 {
        self.velocity.x.hypot(self.velocity.y) / self.detection.rect.width.max(1.0)
    }

    /// Whether it has been seen often enough, or with a high enough score, to count as a face.
    #[must_use]
    pub fn is_confirmed(&self) -> bool {
        self.confirmed
    }

    /// When a search of the picture found it last.
    #[must_use]
    pub fn searched(&self) -> Duration {
        self.searched
    }

    /// Whether the last search that should have found it did not.
    #[must_use]
    pub fn is_doubtful(&self) -> bool {
        self.missed.is_some()
    }

    fn start(id: u32, detection: &Detection, now: Duration) -> Self {
        Self {
            id,
            detection: *detection,
            seen: now,
            searched: now,
            missed: None,
            hits: 1,
            confirmed: false,
            centre: detection.rect.centre(),
            velocity: Point::default(),
        }
    }

    fn see(&mut self, detection: &Detection, now: Duration) {
        let dt = now.saturating_sub(self.seen).as_secs_f32();
        let centre = detection.rect.centre();
        if dt > HORIZON_S {
            // The last detection is too old to estimate a velocity from or to filter with.
            self.velocity = Point::default();
            self.detection = *detection;
        } else if dt > 0.0 {
            let newest = Point {
                x: (centre.x - self.centre.x) / dt,
                y: (centre.y - self.centre.y) / dt,
            };
            self.velocity = self.velocity.lerp(newest, 1.0 - (-dt / VELOCITY_TAU_S).exp());
            let cut_off = REST_HZ + HZ_PER_SPEED * self.speed();
            let gain = 1.0 - (-dt * std::f32::consts::TAU * cut_off).exp();
            self.detection = self.detection.lerp(detection, gain);
        }
        self.detection.score = detection.score;
        self.centre = centre;
        self.seen = now;
        self.hits = self.hits.saturating_add(1);
    }
}

/// Maximum number of detections passed to one update: those of a search, and one for each tracked face.
pub const MAX_OBSERVATIONS: usize = MAX_DETECTIONS + MAX_FACES;

/// At most [`MAX_FACES`] tracks. Deterministic: the time is passed in with the detections.
#[derive(Debug)]
pub struct Tracker {
    lost_after: Duration,
    unconfirmed_after: Duration,
    tracks: heapless::Vec<Track, MAX_FACES>,
    next_id: u32,
    primary: Option<u32>,
    /// A face larger than the primary one, and since when it has been larger.
    challenger: Option<(u32, Duration)>,
}

impl Tracker {
    /// A face not seen for `lost_after` has left; so has one that no search has found for `unconfirmed_after`
    /// since the first search that should have.
    #[must_use]
    pub fn new(lost_after: Duration, unconfirmed_after: Duration) -> Self {
        Self {
            lost_after,
            unconfirmed_after,
            tracks: heapless::Vec::new(),
            next_id: 1,
            primary: None,
            challenger: None,
        }
    }

    /// How long an unseen face is kept.
    #[must_use]
    pub fn lost_after(&self) -> Duration {
        self.lost_after
    }

    /// Drops all tracks.
    pub fn clear(&mut self) {
        self.tracks.clear();
        self.primary = None;
        self.challenger = None;
    }

    /// Sets how long a track is kept after the first search that should have found it but did not.
    pub fn set_unconfirmed_after(&mut self, unconfirmed_after: Duration) {
        self.unconfirmed_after = unconfirmed_after;
    }

    /// All tracks in no particular order, including those not yet confirmed.
    #[must_use]
    pub fn tracks(&self) -> &[Track] {
        &self.tracks
    }

    /// The confirmed tracks: the primary face first, then by size.
    #[must_use]
    pub fn faces(&self) -> heapless::Vec<Track, MAX_FACES> {
        let mut faces: heapless::Vec<Track, MAX_FACES> = self
            .tracks
            .iter()
            .filter(|track| track.confirmed)
            .copied()
            .collect();
        faces.sort_unstable_by(|a, b| {
            let primary = |track: &Track| Some(track.id) == self.primary;
            primary(b)
                .cmp(&primary(a))
                .then(b.detection.rect.area().total_cmp(&a.detection.rect.area()))
                .then(a.id.cmp(&b.id))
        });
        faces
    }

    /// Records which tracks a search of the picture at `now` found, and which it `covers` but missed. The
    /// detector that follows a face looks only at its surroundings, and may stay on a face-like patch of
    /// background after the person has left.
    pub fn confirm(&mut self, found: &[Detection], now: Duration, covers: impl Fn(&Rect) -> bool) {
        for track in &mut self.tracks {
            if found.iter().any(|detection| track.matches(detection, now)) {
                track.searched = now;
                track.missed = None;
            } else if covers(&track.detection.rect) {
                track.missed.get_or_insert(now);
            }
        }
    }

    /// Updates the tracks with the detections of one frame. Those from index `starting` on may start new
    /// tracks; earlier ones only continue tracks.
    pub fn update(&mut self, detections: &[Detection], starting: usize, now: Duration) {
        let detections = &detections[..detections.len().min(MAX_OBSERVATIONS)];
        let matched = self.associate(detections, now);
        self.remove_lost(now);
        let mut newcomers: heapless::Vec<&Detection, MAX_OBSERVATIONS> = detections
            .iter()
            .zip(&matched)
            .skip(starting)
            .filter_map(|(detection, matched)| (!matched).then_some(detection))
            .collect();
        // The largest first: there may be more of them than free slots.
        newcomers.sort_unstable_by(|a, b| order(b, a));
        for detection in newcomers {
            if self
                .tracks
                .push(Track::start(self.next_id, detection, now))
                .is_err()
            {
                break;
            }
            self.next_id = self.next_id.wrapping_add(1);
        }
        for track in &mut self.tracks {
            track.confirmed |= track.hits >= CONFIRMING_HITS || track.detection.score >= CONFIRMING_SCORE;
        }
        self.choose_primary(now);
    }

    /// Assigns detections to tracks; returns which detections were assigned.
    ///
    /// Greedy, best pair first. Two faces cannot occupy the same place: a detection matches two tracks only
    /// while they pass each other, and then their velocities separate them, so an optimal assignment would
    /// make the same choice.
    fn associate(
        &mut self,
        detections: &[Detection],
        now: Duration,
    ) -> heapless::Vec<bool, MAX_OBSERVATIONS> {
        let mut matched: heapless::Vec<bool, MAX_OBSERVATIONS> = detections.iter().map(|_| false).collect();
        let mut taken = [false; MAX_FACES];
        loop {
            let mut best: Option<(f32, usize, usize)> = None;
            for (t, track) in self.tracks.iter().enumerate().filter(|(t, _)| !taken[*t]) {
                let expected = track.expected(now);
                for (d, detection) in detections.iter().enumerate().filter(|(d, _)| !matched[*d]) {
                    let Some(affinity) = affinity(&expected, &detection.rect) else {
                        continue;
                    };
                    let better = best.is_none_or(|(held, _, other)| {
                        affinity
                            .total_cmp(&held)
                            .then(order(detection, &detections[other]))
                            .is_gt()
                    });
                    if better {
                        best = Some((affinity, t, d));
                    }
                }
            }
            let Some((_, t, d)) = best else { return matched };
            taken[t] = true;
            matched[d] = true;
            self.tracks[t].see(&detections[d], now);
        }
    }

    fn remove_lost(&mut self, now: Duration) {
        let (lost_after, unconfirmed_after) = (self.lost_after, self.unconfirmed_after);
        self.tracks.retain(|track| {
            let is_unconfirmed = track
                .missed
                .is_some_and(|missed| now.saturating_sub(missed) >= unconfirmed_after);
            now.saturating_sub(track.seen) < lost_after && !is_unconfirmed
        });
    }

    fn choose_primary(&mut self, now: Duration) {
        let confirmed = || self.tracks.iter().filter(|track| track.confirmed);
        let area = |track: &Track| track.detection.rect.area();
        let largest = confirmed().max_by(|a, b| area(a).total_cmp(&area(b)).then(b.id.cmp(&a.id)));
        let held = confirmed().find(|track| Some(track.id) == self.primary);
        let (primary, challenger) = match (held, largest) {
            (Some(held), Some(largest)) if area(largest) > area(held) * PRIMARY_MARGIN => {
                let since = self
                    .challenger
                    .filter(|(id, _)| *id == largest.id)
                    .map_or(now, |(_, since)| since);
                if now.saturating_sub(since) >= PRIMARY_DWELL {
                    (Some(largest.id), None)
                } else {
                    (Some(held.id), Some((largest.id, since)))
                }
            }
            (Some(held), _) => (Some(held.id), None),
            (None, largest) => (largest.map(|track| track.id), None),
        };
        (self.primary, self.challenger) = (primary, challenger);
    }
}

/// How well a detection matches a track: larger is better, `None` means no match. Overlap alone is too strict
/// for small and fast faces, so the distance counts as well.
fn affinity(expected: &Rect, found: &Rect) -> Option<f32> {
    let (a, b) = (expected.centre(), found.centre());
    let distance = (a.x - b.x).hypot(a.y - b.y) / expected.width.max(found.width);
    let ratio = expected.width.max(found.width) / expected.width.min(found.width);
    (distance < MAX_DISTANCE && ratio < MAX_WIDTH_RATIO).then(|| expected.iou(found) - distance)
}

/// A total order of detections by their values, so results do not depend on their order in a list.
fn order(a: &Detection, b: &Detection) -> std::cmp::Ordering {
    let key = |d: &Detection| [d.rect.area(), d.score, d.rect.x, d.rect.y];
    let (a, b) = (key(a), key(b));
    a.iter()
        .zip(&b)
        .map(|(a, b)| a.total_cmp(b))
        .find(|o| o.is_ne())
        .unwrap_or(std::cmp::Ordering::Equal)
}

#[cfg(test)]
#[path = "track_tests.rs"]
mod tests;

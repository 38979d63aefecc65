//! Follows faces from frame to frame: which detection is which face, where each is now, which one is primary.

use std::time::Duration;

use super::{
    face::{Detection, Event, MAX_FACES},
    geometry::{Point, Rect},
};

/// A first detection of this score is a face at once; a weaker one must be seen again.
const SURE_SCORE: f32 = 0.75;
/// Detections that confirm a weak first one.
const CONFIRMING_HITS: u32 = 2;
/// A detection belongs to a track only if their centres are nearer than this many widths of the larger box ...
const REACH: f32 = 0.8;
/// ... and neither is more than this many times as wide as the other. Detectors differ in their boxes by up to 1.5.
const LARGEST_RATIO: f32 = 2.5;
/// Another face becomes primary only if its area is so many times larger ...
const PRIMARY_MARGIN: f32 = 1.3;
/// ... for so long.
const PRIMARY_DWELL: Duration = Duration::from_millis(1000);
/// Time constant of the velocity, in seconds.
const VELOCITY_TAU_S: f32 = 0.15;
/// The velocity says nothing about a time further away than this, in seconds.
const HORIZON_S: f32 = 0.3;
/// Cut-off of the smoothing for a face at rest, in hertz; takes out the networks' jitter.
const REST_HZ: f32 = 2.0;
/// How much the cut-off rises for each width a second that the face moves, so that it does not lag.
const HZ_PER_SPEED: f32 = 8.0;

/// A face that is followed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Track {
    /// Short-lived number.
    pub id: u32,
    /// Where it was seen last, smoothed lightly.
    pub detection: Detection,
    /// When that was.
    pub seen: Duration,
    /// When it was seen first.
    first: Duration,
    /// When a search of the picture saw it last.
    searched: Duration,
    hits: u32,
    confirmed: bool,
    /// The last detection's centre, not smoothed.
    centre: Point,
    /// In pixels a second.
    velocity: Point,
}

impl Track {
    /// Where it should be at `now`.
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
    pub fn fits(&self, detection: &Detection, now: Duration) -> bool {
        fit(&self.expected(now), &detection.rect).is_some()
    }

    fn start(id: u32, detection: &Detection, now: Duration) -> Self {
        Self {
            id,
            detection: *detection,
            seen: now,
            first: now,
            searched: now,
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
            // Too long ago to tell anything of its way, or to be mixed with.
            self.velocity = Point::default();
            self.detection = *detection;
        } else if dt > 0.0 {
            let part = 1.0 - (-dt / VELOCITY_TAU_S).exp();
            self.velocity.x += ((centre.x - self.centre.x) / dt - self.velocity.x) * part;
            self.velocity.y += ((centre.y - self.centre.y) / dt - self.velocity.y) * part;
            let speed = self.velocity.x.hypot(self.velocity.y) / detection.rect.width.max(1.0);
            let cut_off = REST_HZ + HZ_PER_SPEED * speed;
            let part = 1.0 - (-dt * std::f32::consts::TAU * cut_off).exp();
            approach(&mut self.detection, detection, part);
        }
        self.detection.score = detection.score;
        self.centre = centre;
        self.seen = now;
        self.hits += 1;
    }
}

/// Moves all places of `held` towards those of `new`.
fn approach(held: &mut Detection, new: &Detection, part: f32) {
    let towards = |held: &mut f32, new: f32| *held += (new - *held) * part;
    let towards_point = |held: &mut Point, new: Point| {
        towards(&mut held.x, new.x);
        towards(&mut held.y, new.y);
    };
    towards(&mut held.rect.x, new.rect.x);
    towards(&mut held.rect.y, new.rect.y);
    towards(&mut held.rect.width, new.rect.width);
    towards(&mut held.rect.height, new.rect.height);
    towards_point(&mut held.landmarks.right_eye, new.landmarks.right_eye);
    towards_point(&mut held.landmarks.left_eye, new.landmarks.left_eye);
    towards_point(&mut held.landmarks.nose, new.landmarks.nose);
    towards_point(&mut held.landmarks.mouth, new.landmarks.mouth);
}

/// Appeared and left, of one update: every track can leave and another come in its place.
pub type TrackEvents = heapless::Vec<Event, { 2 * MAX_FACES }>;

/// At most [`MAX_FACES`] tracks. Pure: time comes in with the detections.
#[derive(Debug)]
pub struct Tracker {
    lost: Duration,
    doubt: Duration,
    tracks: heapless::Vec<Track, MAX_FACES>,
    next_id: u32,
    primary: Option<u32>,
    /// A larger face than the primary one, and since when it is.
    challenger: Option<(u32, Duration)>,
}

impl Tracker {
    /// A face not seen for `lost` has left; so has one that only followers saw, and no search, for `doubt`.
    #[must_use]
    pub fn new(lost: Duration, doubt: Duration) -> Self {
        Self {
            lost,
            doubt,
            tracks: heapless::Vec::new(),
            next_id: 1,
            primary: None,
            challenger: None,
        }
    }

    /// Sets how long a face is believed that only followers see.
    pub fn set_doubt(&mut self, doubt: Duration) {
        self.doubt = doubt;
    }

    /// All tracks, in no particular order, those not yet confirmed among them.
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

    /// Notes which tracks a search of the picture at `now` found. A follower asks "where is the face?" rather than "is
    /// there one?", and may hold on to a stain on the wall that a person has left.
    pub fn confirm(&mut self, found: &[Detection], now: Duration) {
        for track in &mut self.tracks {
            if found.iter().any(|detection| track.fits(detection, now)) {
                track.searched = now;
            }
        }
    }

    /// Takes the detections of one frame. Those from `starting` on may begin new tracks; the ones before only
    /// continue tracks. Writes who came and who left into `events`.
    pub fn update(
        &mut self,
        detections: &[Detection],
        starting: usize,
        now: Duration,
        events: &mut TrackEvents,
    ) {
        events.clear();
        let detections = &detections[..detections.len().min(MAX_DETECTIONS)];
        let matched = self.associate(detections, now);
        self.leave(now, events);
        let mut newcomers: heapless::Vec<&Detection, MAX_DETECTIONS> = detections
            .iter()
            .zip(&matched)
            .skip(starting)
            .filter_map(|(detection, matched)| (!matched).then_some(detection))
            .collect();
        // The largest first, for there may be more of them than free places.
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
            let sure = track.hits >= CONFIRMING_HITS || track.detection.score >= SURE_SCORE;
            if !track.confirmed && sure {
                track.confirmed = true;
                let _ = events.push(Event::Appeared { track: track.id }); // at most one a slot
            }
        }
        self.choose_primary(now);
    }

    /// Gives each detection to the track it fits best; tells which detections were given away.
    ///
    /// Greedy, the best pair first. Faces are solid: a detection lies within reach of two tracks only while they
    /// pass each other, and then the velocities tell them apart, so an optimal assignment would choose the same.
    fn associate(&mut self, detections: &[Detection], now: Duration) -> heapless::Vec<bool, MAX_DETECTIONS> {
        let mut matched: heapless::Vec<bool, MAX_DETECTIONS> = detections.iter().map(|_| false).collect();
        let mut taken = [false; MAX_FACES];
        loop {
            let mut best: Option<(f32, usize, usize)> = None;
            for (t, track) in self.tracks.iter().enumerate().filter(|(t, _)| !taken[*t]) {
                let expected = track.expected(now);
                for (d, detection) in detections.iter().enumerate().filter(|(d, _)| !matched[*d]) {
                    let Some(fit) = fit(&expected, &detection.rect) else {
                        continue;
                    };
                    let better = best.is_none_or(|(held, _, other)| {
                        fit.total_cmp(&held)
                            .then(order(detection, &detections[other]))
                            .is_gt()
                    });
                    if better {
                        best = Some((fit, t, d));
                    }
                }
            }
            let Some((_, t, d)) = best else { return matched };
            taken[t] = true;
            matched[d] = true;
            self.tracks[t].see(&detections[d], now);
        }
    }

    fn leave(&mut self, now: Duration, events: &mut TrackEvents) {
        let (lost, doubt) = (self.lost, self.doubt);
        self.tracks.retain(|track| {
            let stays = now.saturating_sub(track.seen) < lost && now.saturating_sub(track.searched) < doubt;
            if !stays && track.confirmed {
                let seconds = track.seen.saturating_sub(track.first).as_secs_f32();
                let _ = events.push(Event::Left {
                    track: track.id,
                    seconds,
                }); // at most one a slot
            }
            stays
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

/// Most detections taken in one update: a search's, and one for each followed face.
pub const MAX_DETECTIONS: usize = 32 + MAX_FACES;

/// How well a detection fits a track: larger is better, `None` is not at all. Overlap alone is too strict for small
/// and fast faces, so the distance counts as well.
fn fit(expected: &Rect, found: &Rect) -> Option<f32> {
    let (a, b) = (expected.centre(), found.centre());
    let distance = (a.x - b.x).hypot(a.y - b.y) / expected.width.max(found.width);
    let ratio = expected.width.max(found.width) / expected.width.min(found.width);
    (distance < REACH && ratio < LARGEST_RATIO).then(|| expected.iou(found) - distance)
}

/// A total order of detections, by what they are, so that their order in a list does not matter.
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

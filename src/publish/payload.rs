//! What the messages say. Every payload is one JSON object, but for availability (`online`, `offline`,
//! `stopped`) and privacy (`ON`, `OFF`), which are the bare word.
//!
//! Numbers are rounded to four decimals. A number that is not known is `null`.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Serialize, Serializer, ser::SerializeMap};

use super::Identity;
use crate::sense::{
    face::{Category, Event, Label, Prediction, Probabilities, TrackedFace},
    geometry::Rect,
};

/// Where a message stands in time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stamp {
    /// The message's number, see the payloads.
    pub seq: u64,
    /// When the message is made.
    pub time: Timestamp,
    /// How old the frame is that it tells of; `None` where there is no frame.
    pub age: Option<Duration>,
}

/// A number with four decimals.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rounded(pub f32);

impl Serialize for Rounded {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Adding 0 turns -0 into 0; JSON has no NaN, serde_json writes null.
        serializer.serialize_f64((f64::from(self.0) * 1e4).round() / 1e4 + 0.0)
    }
}

/// RFC 3339 in UTC with milliseconds, e.g. `2026-03-01T09:30:00.250Z`.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Moment(Timestamp);

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{:.3}", self.0))
    }
}

/// The model that made a result.
#[derive(Debug, Serialize)]
struct ModelPayload<'a> {
    /// Its manifest's name.
    name: &'a str,
    /// The first twelve digits of its file's SHA-256.
    sha256: &'a str,
    /// Where valence and arousal come from: `annotated` (the model was trained on people's judgements), `projected`
    /// (on a projection of the categories) or `none` (it has neither).
    va: &'static str,
}

impl<'a> ModelPayload<'a> {
    fn of(identity: &'a Identity) -> Self {
        Self {
            name: &identity.model,
            sha256: &identity.sha256,
            va: identity.va.name(),
        }
    }
}

/// Category names and their probabilities, of the categories that the model knows.
#[derive(Debug)]
struct Distribution<'a> {
    categories: &'a [Category],
    probabilities: Probabilities,
}

impl Serialize for Distribution<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.categories.len()))?;
        for &category in self.categories {
            map.serialize_entry(category.name(), &Rounded(self.probabilities.of(category)))?;
        }
        map.end()
    }
}

/// The network's newest answer before smoothing.
#[derive(Debug, Serialize)]
struct RawPayload<'a> {
    /// As in [`Expression`].
    probabilities: Option<Distribution<'a>>,
    /// As in [`Expression`].
    valence: Option<Rounded>,
    /// As in [`Expression`].
    arousal: Option<Rounded>,
}

/// What one face shows: the fields that the state and the face message share.
#[derive(Debug, Serialize)]
struct Expression<'a> {
    /// The smoothed category: a category's name, `none` (no face, no camera or privacy) or `uncertain`
    /// (a face, but no category stands out, it has not been classified yet, or the model has no categories).
    category: &'static str,
    /// The most probable category of the newest single frame, or `none` or `uncertain` as above.
    raw_category: &'static str,
    /// Smoothed probability of each category the model knows, 0 to 1, sum 1; `null` without a face or without
    /// categories.
    probabilities: Option<Distribution<'a>>,
    /// Smoothed, -1 (unpleasant) to 1 (pleasant).
    valence: Option<Rounded>,
    /// Smoothed, -1 (calm) to 1 (excited).
    arousal: Option<Rounded>,
    /// `probabilities`, `valence` and `arousal` before smoothing; `null` until the first classification.
    raw: Option<RawPayload<'a>>,
}

impl<'a> Expression<'a> {
    fn of(face: Option<&TrackedFace>, categories: &'a [Category]) -> Self {
        let unread = if face.is_some() {
            Label::Uncertain
        } else {
            Label::None
        };
        let raw = face.and_then(|face| face.raw);
        let smoothed = face.and_then(|face| face.smoothed);
        let prediction = smoothed.map(|smoothed| smoothed.prediction);
        let distribution = |prediction: Prediction| {
            prediction.probabilities.map(|probabilities| Distribution {
                categories,
                probabilities,
            })
        };
        Self {
            category: smoothed.map_or(unread, |smoothed| smoothed.label).name(),
            raw_category: raw
                .and_then(|raw| raw.probabilities)
                .map_or(unread.name(), |probabilities| probabilities.argmax().0.name()),
            probabilities: prediction.and_then(distribution),
            valence: prediction.and_then(|prediction| prediction.valence).map(Rounded),
            arousal: prediction.and_then(|prediction| prediction.arousal).map(Rounded),
            raw: raw.map(|raw| RawPayload {
                probabilities: distribution(raw),
                valence: raw.valence.map(Rounded),
                arousal: raw.arousal.map(Rounded),
            }),
        }
    }
}

/// `base/state`: the primary face.
#[derive(Debug, Serialize)]
pub struct StatePayload<'a> {
    #[serde(flatten)]
    expression: Expression<'a>,
    /// How many faces are followed.
    faces: usize,
    /// Number of the primary face's track, as in `base/face/<track>`; means nothing after a restart.
    track: Option<u32>,
    /// Counts the state messages since the daemon's start: a gap is lost messages.
    seq: u64,
    /// Drawn anew at each start of the daemon: when it differs, tracks and seq start again.
    boot: &'a str,
    /// When the message was made.
    time: Moment,
    /// Seconds from the capture of the frame to `time`; `null` where no frame is behind it (no camera, privacy,
    /// just started). Grows when the daemon has nothing newer.
    age: Option<Rounded>,
    /// The next state message comes within so many seconds: a subscriber that hears none for twice as long
    /// holds a stale one.
    refresh: Rounded,
    model: ModelPayload<'a>,
}

impl<'a> StatePayload<'a> {
    /// The state with `faces` followed, the primary one first.
    #[must_use]
    pub fn new(identity: &'a Identity, faces: &[TrackedFace], refresh: Duration, stamp: Stamp) -> Self {
        let primary = faces.first();
        Self {
            expression: Expression::of(primary, &identity.categories),
            faces: faces.len(),
            track: primary.map(|face| face.track),
            seq: stamp.seq,
            boot: &identity.boot,
            time: Moment(stamp.time),
            age: seconds(stamp.age),
            refresh: Rounded(refresh.as_secs_f32()),
            model: ModelPayload::of(identity),
        }
    }
}

/// `base/face/<track>`: one followed face.
#[derive(Debug, Serialize)]
pub struct FacePayload<'a> {
    #[serde(flatten)]
    expression: Expression<'a>,
    /// The track's number, as in the topic.
    track: u32,
    /// The detector's box: left, top, width, height as fractions of the frame; a face at the edge may reach
    /// beyond 0 to 1.
    r#box: [Rounded; 4],
    /// Quality of the crop, 0 to 1: small, blurred or turned faces count less.
    quality: Rounded,
    /// Counts the face messages of all tracks since the daemon's start.
    seq: u64,
    /// As in [`StatePayload`].
    boot: &'a str,
    /// When the message was made.
    time: Moment,
    /// Seconds from the capture of the frame to `time`.
    age: Option<Rounded>,
    model: ModelPayload<'a>,
}

impl<'a> FacePayload<'a> {
    /// One face in a frame of `size` pixels.
    #[must_use]
    pub fn new(identity: &'a Identity, face: &TrackedFace, size: (u32, u32), stamp: Stamp) -> Self {
        Self {
            expression: Expression::of(Some(face), &identity.categories),
            track: face.track,
            r#box: fractions(&face.detection.rect, size),
            quality: Rounded(face.quality),
            seq: stamp.seq,
            boot: &identity.boot,
            time: Moment(stamp.time),
            age: seconds(stamp.age),
            model: ModelPayload::of(identity),
        }
    }
}

fn fractions(rect: &Rect, (width, height): (u32, u32)) -> [Rounded; 4] {
    let (width, height) = (width.max(1) as f32, height.max(1) as f32);
    [
        Rounded(rect.x / width),
        Rounded(rect.y / height),
        Rounded(rect.width / width),
        Rounded(rect.height / height),
    ]
}

fn seconds(age: Option<Duration>) -> Option<Rounded> {
    age.map(|age| Rounded(age.as_secs_f32()))
}

/// `base/event`: what just happened. Never retained, and dropped rather than delivered late.
#[derive(Debug, Serialize)]
pub struct EventPayload<'a> {
    /// `appeared`, `left` or `changed`.
    event: &'static str,
    /// The track it happened to.
    track: u32,
    /// `left`: how long the face was followed.
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds: Option<Rounded>,
    /// `changed`: the category before.
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<&'static str>,
    /// `changed`: the category now.
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<&'static str>,
    /// Counts all events since the daemon's start, also those that were dropped: a gap is lost events.
    seq: u64,
    /// As in [`StatePayload`].
    boot: &'a str,
    /// When it happened.
    time: Moment,
}

impl<'a> EventPayload<'a> {
    /// `event`, which happened at `time`.
    #[must_use]
    pub fn new(identity: &'a Identity, event: &Event, seq: u64, time: Timestamp) -> Self {
        let (name, track, seconds, change) = match *event {
            Event::Appeared { track } => ("appeared", track, None, None),
            Event::Left { track, seconds } => ("left", track, Some(Rounded(seconds)), None),
            Event::Changed { track, from, to } => ("changed", track, None, Some((from.name(), to.name()))),
        };
        Self {
            event: name,
            track,
            seconds,
            from: change.map(|(from, _)| from),
            to: change.map(|(_, to)| to),
            seq,
            boot: &identity.boot,
            time: Moment(time),
        }
    }
}

/// How the camera is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CameraStatus {
    /// Frames arrive.
    Ok,
    /// It is there but gives no frames.
    Stalled,
    /// It is not there or cannot be opened.
    Missing,
    /// It has no format that can be used.
    Unsupported,
    /// Sensing is switched off.
    Disabled,
}

impl CameraStatus {
    /// All of them, for Home Assistant's list of options.
    pub const ALL: [Self; 5] = [
        Self::Ok,
        Self::Stalled,
        Self::Missing,
        Self::Unsupported,
        Self::Disabled,
    ];
}

/// `base/camera`: whether frames arrive, and if not, why.
#[derive(Debug, Serialize)]
pub struct CameraPayload<'a> {
    /// `ok`, `stalled`, `missing`, `unsupported` or `disabled`.
    status: CameraStatus,
    /// For a person: what was found and, where there is one, the way out. May be empty.
    reason: &'a str,
    /// As in [`StatePayload`].
    boot: &'a str,
    /// When the message was made.
    time: Moment,
}

impl<'a> CameraPayload<'a> {
    /// The camera's `status` as of `time`.
    #[must_use]
    pub fn new(identity: &'a Identity, status: CameraStatus, reason: &'a str, time: Timestamp) -> Self {
        Self {
            status,
            reason,
            boot: &identity.boot,
            time: Moment(time),
        }
    }
}

/// Most stages in a [`HealthPayload`].
pub const MAX_STAGES: usize = 12;

/// Latency of one stage of the line over the last health interval, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct StageLatency {
    /// The stage's name, e.g. `detect`.
    #[serde(skip)]
    pub stage: &'static str,
    /// Half of all runs took at most this.
    pub p50: Rounded,
    /// 95 of 100 runs took at most this.
    pub p95: Rounded,
    /// 99 of 100 runs took at most this.
    pub p99: Rounded,
}

/// How the daemon itself is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HealthPayload {
    /// Frames sensed a second over the last health interval.
    pub fps: Rounded,
    /// Frames dropped since the start because sensing was busy or the driver lost them.
    pub drops: u64,
    /// By the stage's name, each with `p50`, `p95` and `p99` in milliseconds.
    #[serde(serialize_with = "by_stage")]
    pub latency: heapless::Vec<StageLatency, MAX_STAGES>,
    /// Hottest sensor of the board in degrees Celsius; `null` without one.
    pub temperature: Option<Rounded>,
    /// The board's throttle bits as its firmware gives them; `null` where there are none.
    pub throttled: Option<u32>,
    /// Whether the supply's voltage is too low; `null` where nothing tells.
    pub undervoltage: Option<bool>,
    /// The part of the work that is left out, 0 to 1.
    pub shed: Rounded,
    /// Why: `hot`, `throttled`, `undervoltage` or `overload`; `null` at the full rate.
    pub strain: Option<&'static str>,
    /// Resident memory in bytes.
    pub rss: u64,
    /// Seconds since the daemon's start.
    pub uptime: u64,
}

fn by_stage<S: Serializer>(
    stages: &heapless::Vec<StageLatency, MAX_STAGES>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(stages.iter().map(|latency| (latency.stage, latency)))
}

/// `base/health`: how the daemon is, every `mqtt.health_s` seconds.
#[derive(Debug, Serialize)]
pub struct HealthMessage<'a> {
    #[serde(flatten)]
    health: &'a HealthPayload,
    /// Events dropped since the start, because too many came at once or the broker was away.
    events_dropped: u64,
    /// As in [`StatePayload`].
    boot: &'a str,
    /// When the message was made.
    time: Moment,
}

impl<'a> HealthMessage<'a> {
    /// `health` as of `time`.
    #[must_use]
    pub fn new(identity: &'a Identity, health: &'a HealthPayload, dropped: u64, time: Timestamp) -> Self {
        Self {
            health,
            events_dropped: dropped,
            boot: &identity.boot,
            time: Moment(time),
        }
    }
}

/// The bare word of `base/privacy` and `base/privacy/set`.
#[must_use]
pub fn privacy_word(on: bool) -> &'static str {
    if on { "ON" } else { "OFF" }
}

#[cfg(test)]
#[path = "payload_tests.rs"]
mod tests;

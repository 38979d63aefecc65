//! The payloads. Each is one JSON object, except for availability (`online`, `offline`, `stopped`) and privacy (`ON`,
//! `OFF`), which are a bare word.
//!
//! Numbers are rounded to four decimals. An unknown number is `null`.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Serialize, Serializer};

use super::identity::Identity;
use crate::{
    capture::CameraStatus,
    health::{Health, StageLatency, Summary, ThrottleReason},
    json::{Distribution, Rounded},
    sense::{
        face::{Category, Event, Label, Prediction, TrackedFace},
        geometry::Rect,
    },
};

/// The number and the time of a message.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stamp {
    /// The message's number, see the payloads.
    pub seq: u64,
    /// When the message is made.
    pub time: Timestamp,
    /// Age of the frame that it is about; `None` without a frame.
    pub age: Option<Duration>,
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
}

impl<'a> ModelPayload<'a> {
    fn of(identity: &'a Identity) -> Self {
        Self {
            name: &identity.model,
            sha256: &identity.sha256,
        }
    }
}

/// The network's newest output before smoothing.
#[derive(Debug, Serialize)]
struct RawPayload<'a> {
    /// As in [`Expression`].
    probabilities: Option<Distribution<'a>>,
    /// As in [`Expression`].
    valence: Option<Rounded>,
    /// As in [`Expression`].
    arousal: Option<Rounded>,
}

/// The expression of one face: the fields that the state and the face message share.
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
    /// Number of the primary face's track, as in `base/face/<track>`; meaningless after a restart.
    track: Option<u32>,
    /// Counts the state messages since the daemon's start: a gap means lost messages.
    seq: u64,
    /// Random for each start of the daemon: when it changes, tracks and seq start again.
    boot: &'a str,
    /// When the message was made.
    time: Moment,
    /// Seconds from the capture of the frame to `time`; `null` without a frame (no camera, privacy, just started).
    /// Grows while the daemon has nothing newer.
    age: Option<Rounded>,
    /// The next state message comes within this many seconds: a subscriber that receives none for twice as long holds
    /// a stale one.
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
    /// Quality of the crop, 0 to 1: lower for small, blurred or turned faces.
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
    /// Counts all events since the daemon's start, including those that were dropped: a gap means lost events.
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

/// `base/camera`: whether frames arrive, and if not, why.
#[derive(Debug, Serialize)]
pub struct CameraPayload<'a> {
    /// `ok`, `stalled`, `missing`, `unsupported` or `disabled`.
    status: &'static str,
    /// For a person: what was found and, if there is one, the remedy. May be empty.
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
            status: status.name(),
            reason,
            boot: &identity.boot,
            time: Moment(time),
        }
    }
}

/// `base/health`: the daemon's condition, every `mqtt.health_s` seconds.
#[derive(Debug, Serialize)]
pub struct HealthPayload<'a> {
    /// Frames sensed per second over the last health interval.
    fps: Rounded,
    /// Frames dropped since the start because sensing was busy or the driver lost them.
    drops: u64,
    /// By the stage's name.
    #[serde(serialize_with = "by_stage")]
    latency: &'a [StageLatency],
    /// The board's hottest sensor in degrees Celsius; `null` without one.
    temperature: Option<Rounded>,
    /// The board's throttle bits as its firmware gives them; `null` where there are none.
    throttled: Option<u32>,
    /// Whether the supply voltage is too low; `null` if the board does not say.
    undervoltage: Option<bool>,
    /// The fraction of the work that is shed, 0 to 1.
    shed: Rounded,
    /// Why: `hot`, `throttled`, `undervoltage` or `overload`; `null` at the full rate.
    shed_reason: Option<&'static str>,
    /// Resident memory in bytes.
    rss: u64,
    /// Seconds since the daemon's start.
    uptime: u64,
    /// Events dropped since the start, because too many came at once or the broker was away.
    events_dropped: u64,
    /// As in [`StatePayload`].
    boot: &'a str,
    /// When the message was made.
    time: Moment,
}

impl<'a> HealthPayload<'a> {
    /// `health` as of `time`.
    #[must_use]
    pub fn new(identity: &'a Identity, health: &'a Health, events_dropped: u64, time: Timestamp) -> Self {
        let Health { board, work_rate, .. } = health;
        Self {
            fps: Rounded(health.fps),
            drops: health.drops,
            latency: &health.latency,
            temperature: board.temperature_c.map(Rounded),
            throttled: board.throttled,
            undervoltage: board.undervoltage,
            shed: Rounded(1.0 - work_rate.fraction),
            shed_reason: work_rate.throttle_reason.map(ThrottleReason::name),
            rss: board.rss_bytes.unwrap_or(0),
            uptime: health.uptime.as_secs(),
            events_dropped,
            boot: &identity.boot,
            time: Moment(time),
        }
    }
}

/// Percentiles in milliseconds: 50, 95 and 99 % of all runs took at most this.
#[derive(Serialize)]
struct LatencyPayload {
    p50: Rounded,
    p95: Rounded,
    p99: Rounded,
}

impl LatencyPayload {
    fn new(summary: &Summary) -> Self {
        let milliseconds = |time: Duration| Rounded(time.as_secs_f32() * 1e3);
        Self {
            p50: milliseconds(summary.p50),
            p95: milliseconds(summary.p95),
            p99: milliseconds(summary.p99),
        }
    }
}

fn by_stage<S: Serializer>(stages: &[StageLatency], serializer: S) -> Result<S::Ok, S::Error> {
    let entries = stages.iter();
    serializer
        .collect_map(entries.map(|latency| (latency.stage.name(), LatencyPayload::new(&latency.summary))))
}

/// The bare word of `base/privacy` and the topics below it.
#[must_use]
pub fn privacy_word(on: bool) -> &'static str {
    if on { "ON" } else { "OFF" }
}

#[cfg(test)]
#[path = "payload_tests.rs"]
mod tests;

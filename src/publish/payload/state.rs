//! The state of the primary face.

use std::time::Duration;

use serde::Serialize;

use super::{
    expression::Expression,
    value::{ModelPayload, Moment, Seconds, Stamp, seconds},
};
use crate::{
    json::Decimals,
    publish::identity::Identity,
    sense::face::{Label, TrackedFace},
};

/// What is known of the faces in view.
#[derive(Debug, Clone, Copy)]
pub enum StateFaces<'a> {
    /// No frame is current: there is no camera, it may not look, or frames have stopped.
    Unknown,
    /// There are faces, but individual ones are not published.
    Withheld,
    /// The tracked faces, the primary one first.
    Followed(&'a [TrackedFace]),
}

/// `base/state`: the primary face.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct StatePayload<'a> {
    #[serde(flatten)]
    expression: Expression<'a>,
    /// Number of tracked faces; `null` while there is no current frame (no camera, no usable frames, privacy,
    /// just started) or while they are withheld.
    faces: Option<usize>,
    /// Number of the primary face's track, as in `base/face/<track>`; meaningless after a restart.
    track: Option<u32>,
    /// Counts the state messages since the daemon's start: a gap means lost messages.
    seq: u64,
    /// Random for each start of the daemon: when it changes, tracks and seq start again.
    boot: &'a str,
    /// When the message was made.
    time: Moment,
    /// Seconds from the capture of the frame to `time`; `null` without a current frame, as for `faces`. Grows
    /// while the daemon has nothing newer.
    age: Option<Seconds>,
    /// The next state message comes within this many seconds: a subscriber that receives none for twice as
    /// long holds a stale one.
    refresh: Seconds,
    model: ModelPayload<'a>,
}

impl<'a> StatePayload<'a> {
    /// The state with these faces in view.
    #[must_use]
    pub fn new(identity: &'a Identity, faces: StateFaces<'_>, refresh: Duration, stamp: Stamp) -> Self {
        let (faces, unread) = match faces {
            StateFaces::Unknown => (None, Label::None),
            StateFaces::Withheld => (None, Label::Withheld),
            StateFaces::Followed([]) => (Some(&[][..]), Label::None),
            StateFaces::Followed(faces) => (Some(faces), Label::Uncertain),
        };
        let primary = faces.and_then(<[_]>::first);
        Self {
            expression: Expression::of(primary, unread, &identity.categories),
            faces: faces.map(<[_]>::len),
            track: primary.map(|face| face.track),
            seq: stamp.seq,
            boot: &identity.boot,
            time: Moment(stamp.time),
            age: seconds(stamp.age),
            refresh: Decimals(refresh.as_secs_f32()),
            model: ModelPayload::of(identity),
        }
    }
}

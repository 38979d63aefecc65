//! What just happened.

use jiff::Timestamp;
use serde::Serialize;

use super::value::{Moment, Rounded};
use crate::{publish::identity::Identity, sense::face::Event};

/// `base/event`: what just happened. Never retained, and dropped rather than delivered late.
#[derive(Debug, Serialize)]
pub struct EventPayload<'a> {
    /// `appeared`, `present`, `left` or `changed`.
    event: &'static str,
    /// The track it happened to.
    track: u32,
    /// `present` and `left`: how long the face has stayed, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds: Option<Rounded>,
    /// `changed`: the category before.
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<&'static str>,
    /// `changed`: the category now.
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<&'static str>,
    /// Counts all events since the daemon's start, including those that were dropped: a gap means lost
    /// events.
    seq: u64,
    /// As in [`super::StatePayload`].
    boot: &'a str,
    /// When it happened.
    time: Moment,
}

impl<'a> EventPayload<'a> {
    /// `event`, which happened at `time`.
    #[must_use]
    pub fn new(identity: &'a Identity, event: &Event, seq: u64, time: Timestamp) -> Self {
        let (name, track, seconds, change) = match *event {
            Event::Appeared { track, .. } => ("appeared", track, None, None),
            Event::Present { track, seconds } => ("present", track, Some(Rounded(seconds)), None),
            Event::Left { track, visit } => ("left", track, Some(Rounded(visit.seconds)), None),
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

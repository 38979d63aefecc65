//! What just happened.

use jiff::Timestamp;
use serde::{Serialize, Serializer, ser::SerializeMap as _};

use super::value::{Axis, Moment, Seconds};
use crate::{
    json::Decimals,
    publish::identity::Identity,
    sense::{
        face::Category,
        report::Event,
        visit::{Spread, Visit},
    },
};

/// `base/event`: what just happened. Never retained, and dropped rather than delivered late.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct EventPayload<'a> {
    /// `appeared`, `present`, `left` or `changed`.
    #[cfg_attr(test, schemars(with = "super::schema::EventName"))]
    event: &'static str,
    /// The track it happened to.
    track: u32,
    #[serde(flatten)]
    details: Details<'a>,
    /// Counts all events since the daemon's start, including those that were dropped: a gap means lost
    /// events.
    seq: u64,
    /// As in the state.
    boot: &'a str,
    /// When it happened.
    time: Moment,
}

/// The fields that depend on the event.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(untagged)]
enum Details<'a> {
    Appeared {
        /// The lost track whose visit this one continues; that track gets no `left`.
        continues: Option<u32>,
    },
    Present {
        /// How long the face has stayed, in seconds.
        seconds: Seconds,
    },
    Left(VisitPayload<'a>),
    Changed {
        /// The previous category.
        #[cfg_attr(test, schemars(with = "super::schema::Label"))]
        from: &'static str,
        /// The new category.
        #[cfg_attr(test, schemars(with = "super::schema::Label"))]
        to: &'static str,
    },
}

/// A visit that has ended.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
struct VisitPayload<'a> {
    /// From the first to the last sighting of the face, in seconds.
    seconds: Seconds,
    /// How long the face looked towards the camera, in seconds.
    attended_s: Seconds,
    /// How long the face smiled, in seconds.
    smiled_s: Seconds,
    /// The share of each category in the time that the face was tracked, 0 to 1.
    #[cfg_attr(test, schemars(with = "super::schema::ByCategory"))]
    shares: Shares<'a>,
    /// `null` if the model has no such output or the face was never classified.
    valence: Option<SpreadPayload>,
    /// As for valence.
    arousal: Option<SpreadPayload>,
}

impl<'a> VisitPayload<'a> {
    fn new(visit: &Visit, categories: &'a [Category]) -> Self {
        Self {
            seconds: Decimals(visit.seconds),
            attended_s: Decimals(visit.attended_s),
            smiled_s: Decimals(visit.smiled_s),
            shares: Shares {
                categories,
                shares: visit.shares,
            },
            valence: visit.valence.map(SpreadPayload::new),
            arousal: visit.arousal.map(SpreadPayload::new),
        }
    }
}

/// Shares of the model's categories by name. The remainder to 1 was uncertain.
#[derive(Debug)]
struct Shares<'a> {
    categories: &'a [Category],
    /// In the order of [`Category::ALL`].
    shares: [f32; 8],
}

impl Serialize for Shares<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.categories.len()))?;
        for &category in self.categories {
            map.serialize_entry(category.name(), &Decimals::<3>(self.shares[category as usize]))?;
        }
        map.end()
    }
}

/// Mean over time and extremes of a value.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(deny_unknown_fields))]
struct SpreadPayload {
    #[cfg_attr(test, schemars(range(min = -1, max = 1)))]
    mean: Axis,
    #[cfg_attr(test, schemars(range(min = -1, max = 1)))]
    min: Axis,
    #[cfg_attr(test, schemars(range(min = -1, max = 1)))]
    max: Axis,
}

impl SpreadPayload {
    fn new(spread: Spread) -> Self {
        Self {
            mean: Decimals(spread.mean),
            min: Decimals(spread.min),
            max: Decimals(spread.max),
        }
    }
}

impl<'a> EventPayload<'a> {
    /// `event`, which happened at `time`.
    #[must_use]
    pub fn new(identity: &'a Identity, event: &Event, seq: u64, time: Timestamp) -> Self {
        let (name, track, details) = match *event {
            Event::Appeared { track, continues } => ("appeared", track, Details::Appeared { continues }),
            Event::Present { track, seconds } => {
                let seconds = Decimals(seconds);
                ("present", track, Details::Present { seconds })
            }
            Event::Left { track, ref visit } => {
                let visit = VisitPayload::new(visit, &identity.categories);
                ("left", track, Details::Left(visit))
            }
            Event::Changed { track, from, to } => {
                let (from, to) = (from.name(), to.name());
                ("changed", track, Details::Changed { from, to })
            }
        };
        Self {
            event: name,
            track,
            details,
            seq,
            boot: &identity.boot,
            time: Moment(time),
        }
    }
}

//! How many visits there were.

use jiff::{Timestamp, civil::Date};
use serde::{Serialize, Serializer};

use super::value::{Moment, Seconds};
use crate::{
    json::Decimals,
    publish::identity::Identity,
    sense::visit_counters::{VisitCounters, VisitTotals},
};

/// `base/visits`: the visits that have ended.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct VisitsPayload<'a> {
    /// Since the daemon's start.
    since_start: CountersPayload,
    /// Since local midnight, or the daemon's start if that is later.
    today: CountersPayload,
    /// The local date that `today` covers, e.g. `2026-03-01`.
    #[serde(serialize_with = "as_text")]
    #[cfg_attr(test, schemars(with = "super::schema::Day"))]
    day: Date,
    /// As in the state.
    boot: &'a str,
    /// When the message was made.
    time: Moment,
}

/// The visits of one period.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(deny_unknown_fields))]
struct CountersPayload {
    /// Number of visits.
    visits: u64,
    /// Visits in which the face looked towards the camera.
    attended: u64,
    /// Visits in which the face smiled for at least `visit.smile_s`.
    smiled: u64,
    /// Mean length of a visit in seconds; `null` without visits.
    mean_s: Option<Seconds>,
    /// Length of the longest visit in seconds; `null` without visits.
    longest_s: Option<Seconds>,
}

impl CountersPayload {
    fn new(counters: &VisitCounters) -> Self {
        Self {
            visits: counters.visits,
            attended: counters.attended,
            smiled: counters.smiled,
            mean_s: counters.mean_s().map(Decimals),
            longest_s: counters.longest_s().map(Decimals),
        }
    }
}

impl<'a> VisitsPayload<'a> {
    /// The counters as of `time`, on the local date `today`.
    #[must_use]
    pub fn new(identity: &'a Identity, totals: &VisitTotals, today: Date, time: Timestamp) -> Self {
        Self {
            since_start: CountersPayload::new(&totals.since_start),
            today: CountersPayload::new(&totals.of_day(today)),
            day: today,
            boot: &identity.boot,
            time: Moment(time),
        }
    }
}

fn as_text<S: Serializer>(date: &Date, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(date)
}

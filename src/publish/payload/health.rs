//! The daemon's condition.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Serialize, Serializer};

use super::value::{Moment, Reading, Share};
use crate::{
    config::MessageRate,
    health::{Health, ShedReason, StageLatency, Summary},
    json::Decimals,
    publish::identity::Identity,
};

/// `base/health`, retained: the daemon's condition, every `mqtt.health_s` seconds.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct HealthPayload<'a> {
    /// Frames sensed per second over the last health interval.
    fps: Reading,
    /// Frames dropped since the start because sensing was busy, the driver lost them, or they had waited too
    /// long.
    drops: u64,
    /// Keyed by the stage's name.
    #[serde(serialize_with = "by_stage")]
    #[cfg_attr(test, schemars(with = "super::schema::ByStage"))]
    latency: &'a [StageLatency],
    /// The board's hottest sensor in degrees Celsius; `null` without one.
    temperature: Option<Reading>,
    /// The board's throttle bits as its firmware reports them; `null` if there are none.
    throttled: Option<u32>,
    /// Whether the supply voltage is too low; `null` if the board does not report it.
    undervoltage: Option<bool>,
    /// The fraction of the work that is shed, 0 to 1.
    #[cfg_attr(test, schemars(range(min = 0, max = 1)))]
    shed: Share,
    /// Why: `hot`, `throttled`, `undervoltage` or `overload`; `null` at the full rate.
    #[cfg_attr(test, schemars(with = "Option<super::schema::ShedReason>"))]
    shed_reason: Option<&'static str>,
    /// Resident memory in bytes.
    rss: u64,
    /// Seconds since the daemon's start.
    uptime: u64,
    /// Maximum number of state messages per second at present.
    rate: Decimals<3>,
    /// Events dropped since the start, because too many came at once or the broker was away.
    events_dropped: u64,
    /// As in the state.
    boot: &'a str,
    /// When the message was made.
    time: Moment,
}

impl<'a> HealthPayload<'a> {
    /// `health` as of `time`, with at most `rate` state messages per second.
    #[must_use]
    pub fn new(
        identity: &'a Identity,
        health: &'a Health,
        rate: MessageRate,
        events_dropped: u64,
        time: Timestamp,
    ) -> Self {
        let Health { board, work_rate, .. } = health;
        Self {
            fps: Decimals(health.fps),
            drops: health.drops,
            latency: &health.latency,
            temperature: board.temperature_c.map(Decimals),
            throttled: board.throttled,
            undervoltage: board.undervoltage,
            shed: Decimals(1.0 - work_rate.fraction),
            shed_reason: work_rate.shed_reason.map(ShedReason::name),
            rss: board.rss_bytes.unwrap_or(0),
            uptime: health.uptime.as_secs(),
            rate: Decimals(rate.per_second() as f32),
            events_dropped,
            boot: &identity.boot,
            time: Moment(time),
        }
    }
}

/// Percentiles in milliseconds: 50, 95 and 99 % of all runs took at most this.
#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[cfg_attr(test, schemars(deny_unknown_fields))]
pub(super) struct LatencyPayload {
    p50: Decimals<2>,
    p95: Decimals<2>,
    p99: Decimals<2>,
}

impl LatencyPayload {
    fn new(summary: &Summary) -> Self {
        let milliseconds = |time: Duration| Decimals(time.as_secs_f32() * 1e3);
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

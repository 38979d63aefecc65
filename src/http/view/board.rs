//! The board, the latency of the stages, and the connection to the broker.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{milliseconds, rounded};
use crate::health::{BrokerLink, Metrics, Reading, ShedReason, Stage};

/// The board and its load.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BoardView {
    /// Frames sensed over the last second.
    pub fps: f32,
    /// How busy the sensing thread was over the last second.
    pub load: f32,
    /// The hottest sensor in degrees Celsius; `null` without one.
    pub temperature: Option<f32>,
    /// The firmware's throttle bits; `null` if there are none.
    pub throttled: Option<u32>,
    /// Whether the supply voltage is too low; `null` if the board does not say.
    pub undervoltage: Option<bool>,
    /// Resident memory in bytes; `null` if the system does not say.
    pub rss: Option<u64>,
    /// The fraction of the work that is shed.
    pub shed: f32,
    /// Why: `hot`, `throttled`, `undervoltage` or `overload`; `null` at the full rate.
    pub shed_reason: Option<String>,
}

impl BoardView {
    pub(super) fn new(reading: &Reading) -> Self {
        let board = &reading.board;
        let work_rate = &reading.work_rate;
        Self {
            fps: rounded(reading.sensed_fps),
            load: rounded(reading.load),
            temperature: board.temperature_c.map(rounded),
            throttled: board.throttled,
            undervoltage: board.undervoltage,
            rss: board.rss_bytes,
            shed: rounded(1.0 - work_rate.fraction),
            shed_reason: work_rate.shed_reason.map(ShedReason::name).map(str::to_owned),
        }
    }
}

/// How long one stage took over the last minutes, in milliseconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StageView {
    /// Its name, e.g. `classify`.
    pub stage: String,
    /// Half of its runs took at most this long.
    pub p50: f32,
    /// 95 % took at most this long.
    pub p95: f32,
    /// 99 % took at most this long.
    pub p99: f32,
}

impl StageView {
    pub(super) fn all(metrics: &Metrics, now: Duration) -> Vec<Self> {
        let mut times = metrics.stages();
        let view = |stage: Stage| {
            let summary = times.summary(now, stage)?;
            Some(Self {
                stage: stage.name().to_owned(),
                p50: milliseconds(summary.p50),
                p95: milliseconds(summary.p95),
                p99: milliseconds(summary.p99),
            })
        };
        Stage::ALL.into_iter().filter_map(view).collect()
    }
}

/// The connection to the broker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BrokerView {
    /// `off` (no broker is configured), `connected` or `disconnected`.
    pub state: String,
    /// E.g. `mqtts://host:8883`; empty without a broker.
    pub address: String,
    /// Seconds since it connected; `null` while disconnected.
    pub connected_s: Option<f32>,
    /// Connections since the start.
    pub connects: u64,
    /// Why there is no connection, or why the last one ended; empty if none ever failed.
    pub reason: String,
    /// Messages published since the start.
    pub messages: u64,
}

impl BrokerView {
    pub(super) fn new(link: &BrokerLink, now: Duration) -> Self {
        let state = link.state();
        let name = match (state.address.is_empty(), state.connected) {
            (true, _) => "off",
            (false, Some(_)) => "connected",
            (false, None) => "disconnected",
        };
        Self {
            state: name.to_owned(),
            address: state.address,
            connected_s: state
                .connected
                .map(|since| rounded(now.saturating_sub(since).as_secs_f32())),
            connects: state.connects,
            reason: state.reason,
            messages: link.messages(),
        }
    }
}

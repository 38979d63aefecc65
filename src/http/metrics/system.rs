//! Process, board and broker.

use super::{
    exposition::{Exposition, Kind},
    truth,
};
use crate::{
    health::{BrokerLink, Reading, ShedReason},
    http::shared::Shared,
};

/// Memory, start and progress of the process. The first two use the standard names of process metrics.
pub(super) fn process(text: &mut Exposition, shared: &Shared) {
    let now = shared.clock.now();
    let started = shared.clock.wall().as_millisecond() as f64 / 1e3 - now.as_secs_f64();
    let rss = shared.metrics.reading().board.rss_bytes.map(|bytes| bytes as f64);
    text.single(
        "process_start_time_seconds",
        Kind::Gauge,
        "Start of the process since the epoch.",
        // Rounded so that corrections of the clock do not look like restarts.
        started.round(),
    );
    text.single(
        "process_resident_memory_bytes",
        Kind::Gauge,
        "Resident memory of the process.",
        rss,
    );
    text.single(
        "affectd_stuck_seconds",
        Kind::Gauge,
        "How long there has been work without a finished frame.",
        shared.metrics.stuck_for(now).as_secs_f64(),
    );
    text.single(
        "affectd_privacy",
        Kind::Gauge,
        "Whether privacy is on, so that nothing is sensed.",
        truth(shared.gate.privacy().is_on()),
    );
}

/// The firmware's throttle bits for current conditions.
const THROTTLE_BITS: [(u32, &str); 4] = [
    (0, "undervoltage"),
    (1, "frequency_capped"),
    (2, "throttled"),
    (3, "soft_temperature_limit"),
];

/// Temperature, throttling and shed load.
pub(super) fn board(text: &mut Exposition, reading: &Reading) {
    let board = &reading.board;
    text.single(
        "affectd_temperature_celsius",
        Kind::Gauge,
        "The board's hottest sensor.",
        board.temperature_c.map(f64::from),
    );
    text.single(
        "affectd_undervoltage",
        Kind::Gauge,
        "Whether the supply's voltage is too low.",
        board.undervoltage.map(truth),
    );
    if let Some(bits) = board.throttled {
        text.metric(
            "affectd_throttled",
            Kind::Gauge,
            "What the Raspberry Pi's firmware reports now.",
        );
        for (bit, name) in THROTTLE_BITS {
            text.sample(&[("state", name)], truth(bits >> bit & 1 == 1));
        }
    }
    text.single(
        "affectd_work_ratio",
        Kind::Gauge,
        "Fraction of the full processing rate; the rest is shed.",
        f64::from(reading.work_rate.fraction),
    );
    text.metric("affectd_shed", Kind::Gauge, "Whether load is shed, by reason.");
    for reason in ShedReason::ALL {
        let is_reason = reading.work_rate.shed_reason == Some(reason);
        text.sample(&[("reason", reason.name())], truth(is_reason));
    }
}

/// The connection to the broker, if there is one.
pub(super) fn broker(text: &mut Exposition, link: &BrokerLink) {
    text.single(
        "affectd_messages_total",
        Kind::Counter,
        "Messages handed to the broker, or written to standard output without one.",
        link.messages() as f64,
    );
    let state = link.state();
    if state.address.is_empty() {
        return;
    }
    text.single(
        "affectd_mqtt_connected",
        Kind::Gauge,
        "Whether the broker has accepted the connection.",
        truth(state.connected.is_some()),
    );
    text.single(
        "affectd_mqtt_connects_total",
        Kind::Counter,
        "Connections that the broker has accepted.",
        state.connects as f64,
    );
}

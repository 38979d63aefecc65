//! Camera, stages, faces and visits.

use super::{
    exposition::{Exposition, Kind},
    truth,
};
use crate::{
    capture::CameraStatus,
    health::{Metrics, Stage},
    http::{live::Newest, shared::Shared},
};

/// The camera and its frames.
pub(super) fn camera(text: &mut Exposition, shared: &Shared, newest: &Newest) {
    text.single(
        "affectd_camera_up",
        Kind::Gauge,
        "Whether usable frames arrive.",
        truth(newest.status == CameraStatus::Ok),
    );
    text.metric(
        "affectd_camera_status",
        Kind::Gauge,
        "1 for the camera's status, 0 for the others.",
    );
    for status in CameraStatus::ALL {
        text.sample(&[("status", status.name())], truth(status == newest.status));
    }
    let metrics = &shared.metrics;
    for (name, help, count) in [
        (
            "affectd_frames_total",
            "Frames that the camera delivered.",
            metrics.captured_frames(),
        ),
        (
            "affectd_frames_sensed_total",
            "Frames that were sensed, or needed no work.",
            metrics.sensed_frames(),
        ),
        (
            "affectd_frames_dropped_total",
            "Frames dropped because sensing was busy, the driver lost them, or they had waited too long.",
            metrics.reading().drops,
        ),
        (
            "affectd_frames_unusable_total",
            "Frames whose bytes could not be used.",
            metrics.corrupt_frames(),
        ),
    ] {
        text.single(name, Kind::Counter, help, count as f64);
    }
    let frame = newest.frame.as_ref();
    let age = frame.map(|frame| shared.clock.now().saturating_sub(frame.captured).as_secs_f64());
    text.single(
        "affectd_frame_age_seconds",
        Kind::Gauge,
        "Age of the newest frame with a result.",
        age,
    );
    let quality = frame.and_then(|frame| frame.quality);
    text.single(
        "affectd_frame_light_ratio",
        Kind::Gauge,
        "Mean brightness of a recent frame.",
        quality.map(|quality| f64::from(quality.light)),
    );
    text.single(
        "affectd_frame_sharpness_ratio",
        Kind::Gauge,
        "Sharpness of a recent frame; depends on the scene.",
        quality.map(|quality| f64::from(quality.sharpness)),
    );
}

/// The time taken by each stage since the start.
pub(super) fn stages(text: &mut Exposition, metrics: &Metrics) {
    text.metric(
        "affectd_stage_seconds",
        Kind::Histogram,
        "Time that each stage took for a frame; total is from the capture until the report has been handed over.",
    );
    let totals = metrics.totals();
    for stage in Stage::ALL {
        let total = totals.of(stage);
        text.histogram(
            ("stage", stage.name()),
            total.buckets().map(|(bound, below)| (bound.as_secs_f64(), below)),
            total.count(),
            total.sum().as_secs_f64(),
        );
    }
}

/// Faces in view, unless they are withheld, and visits.
pub(super) fn faces(text: &mut Exposition, newest: &Newest) {
    let counts = newest.frame.as_ref().and_then(|frame| frame.scene.counts);
    for (name, help, count) in [
        (
            "affectd_faces",
            "Faces in view.",
            counts.map(|counts| counts.faces),
        ),
        (
            "affectd_faces_attending",
            "Faces in view that look towards the camera.",
            counts.map(|counts| counts.attending),
        ),
        (
            "affectd_faces_smiling",
            "Faces in view that smile.",
            counts.map(|counts| counts.smiling),
        ),
    ] {
        text.single(name, Kind::Gauge, help, count.map(|count| count as f64));
    }
    let visits = &newest.visits.since_start;
    for (name, help, count) in [
        ("affectd_visits_total", "Visits that have ended.", visits.visits),
        (
            "affectd_visits_attended_total",
            "Visits in which the face looked towards the camera.",
            visits.attended,
        ),
        (
            "affectd_visits_smiled_total",
            "Visits in which the face smiled.",
            visits.smiled,
        ),
    ] {
        text.single(name, Kind::Counter, help, count as f64);
    }
    text.single(
        "affectd_visits_seconds_total",
        Kind::Counter,
        "Length of the visits that have ended.",
        visits.seconds,
    );
}

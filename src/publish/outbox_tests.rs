//! Tests of the parent module.

use super::*;
use crate::{
    publish::samples::{face, privacy, report},
    sense::visit::Visit,
};

const SECOND: Duration = Duration::from_secs(1);

/// An outbox whose camera works and may look.
fn outbox() -> Outbox {
    let outbox = Outbox::new();
    outbox.privacy(&privacy(Input::Off, Input::Off));
    outbox.camera(CameraStatus::Ok, "");
    outbox
}

fn report_event(outbox: &Outbox) {
    let mut report = report(&[]);
    let _ = report.events.push(Event::Appeared {
        track: 1,
        continues: None,
    });
    outbox.report(&report, SECOND);
}

#[test]
fn the_newest_report_wins() {
    let outbox = outbox();
    outbox.report(&report(&[face(1)]), SECOND);
    outbox.report(&report(&[face(2), face(3)]), SECOND);
    let newest = outbox.snapshot();
    assert_eq!((newest.faces[0].track, newest.faces.len()), (2, 2));
}

#[test]
fn the_newest_classification_of_a_face_stays() {
    let outbox = outbox();
    let mut report = report(&[face(1)]);
    outbox.report(&report, SECOND);
    let first = outbox.snapshot();
    report.faces[0].raw = None;
    outbox.report(&report, SECOND);
    let second = outbox.snapshot();
    assert_eq!(second.frame_version, first.frame_version + 1);
    assert!(first.faces[0].raw.is_some());
    assert_eq!(second.faces[0].raw, first.faces[0].raw);
}

#[test]
fn visits_get_a_new_version_only_when_they_change() {
    let outbox = outbox();
    let mut report = report(&[face(1)]);
    let before = outbox.snapshot().visits.version;
    outbox.report(&report, SECOND);
    assert_eq!(outbox.snapshot().visits.version, before);
    report.visits.today.visits = 1;
    for _ in 0..2 {
        outbox.report(&report, SECOND);
        assert_eq!(outbox.snapshot().visits.version, before + 1);
    }
}

#[test]
fn visits_outlast_the_camera() {
    let outbox = outbox();
    let mut report = report(&[]);
    report.visits.since_start.visits = 3;
    outbox.report(&report, SECOND);
    outbox.camera(CameraStatus::Missing, "unplugged");
    let visits = outbox.snapshot().visits.value;
    assert_eq!(visits.since_start.visits, 3);
}

/// When a camera is unplugged, its faces have left; faces of a frame in progress have not appeared.
#[test]
fn visits_end_after_the_camera_is_lost() {
    let outbox = outbox();
    outbox.camera(CameraStatus::Missing, "unplugged");
    report_event(&outbox);
    assert_eq!(outbox.first_event(Duration::ZERO), None);
    let left = Event::Left {
        track: 1,
        visit: Visit::default(),
    };
    let mut report = report(&[face(1)]);
    report.visits.since_start.visits = 1;
    let _ = report.events.push(left);
    outbox.report(&report, SECOND);
    let first = outbox.first_event(Duration::ZERO);
    assert_eq!(first.map(|queued| queued.event), Some(left));
    let newest = outbox.snapshot();
    assert_eq!(
        (newest.visits.value.since_start.visits, newest.faces.len()),
        (1, 0)
    );
    outbox.privacy(&privacy(Input::On, Input::Off));
    outbox.report(&report, SECOND);
    assert_eq!(
        outbox.first_event(Duration::ZERO),
        None,
        "not while privacy is on"
    );
}

/// Frames have stopped, but the camera still counts as ok.
#[test]
fn without_a_current_frame_neither_faces_nor_scene_are_known() {
    let outbox = outbox();
    outbox.report(&report(&[face(1)]), SECOND);
    assert!(outbox.snapshot().scene.is_some());
    let lost = Report {
        captured: None,
        ..report(&[])
    };
    outbox.report(&lost, SECOND);
    let newest = outbox.snapshot();
    assert!(newest.faces.is_empty() && newest.captured.is_none() && newest.scene.is_none());
    assert!(newest.is_sensing());
}

#[test]
fn nothing_passes_before_camera_and_privacy_are_known() {
    let outbox = Outbox::new();
    outbox.camera(CameraStatus::Ok, "");
    outbox.report(&report(&[face(1)]), SECOND);
    assert!(outbox.snapshot().faces.is_empty(), "privacy is not known yet");
    let outbox = Outbox::new();
    outbox.privacy(&privacy(Input::Off, Input::Off));
    outbox.report(&report(&[face(1)]), SECOND);
    assert!(outbox.snapshot().faces.is_empty(), "the camera is not known yet");
}

#[test]
fn nothing_passes_without_camera_or_in_privacy() {
    let outbox = outbox();
    for end in [
        &(|| outbox.camera(CameraStatus::Missing, "unplugged")) as &dyn Fn(),
        &|| outbox.privacy(&privacy(Input::Off, Input::On)),
        &|| outbox.privacy(&privacy(Input::On, Input::Off)),
    ] {
        outbox.report(&report(&[face(1)]), SECOND);
        assert_eq!(outbox.snapshot().faces.len(), 1);
        end();
        outbox.report(&report(&[face(1)]), SECOND);
        let newest = outbox.snapshot();
        assert!(newest.faces.is_empty() && newest.captured.is_none() && newest.scene.is_none());
        outbox.camera(CameraStatus::Ok, "");
        outbox.privacy(&privacy(Input::Off, Input::Off));
    }
}

#[test]
fn privacy_drops_the_events_that_wait() {
    let outbox = outbox();
    report_event(&outbox);
    assert!(outbox.first_event(Duration::ZERO).is_some());
    outbox.privacy(&privacy(Input::On, Input::Off));
    assert_eq!(outbox.first_event(Duration::ZERO), None);
    outbox.privacy(&privacy(Input::Off, Input::Off));
    assert_eq!(outbox.first_event(Duration::ZERO), None, "nor do they come back");
}

#[test]
fn every_command_is_answered_and_only_a_known_one_is_recorded() {
    let outbox = Outbox::new();
    let published = || {
        let newest = outbox.snapshot();
        (newest.privacy.value, newest.privacy_command.value)
    };
    assert_eq!(published(), (true, None));
    outbox.privacy(&privacy(Input::Off, Input::On));
    assert_eq!(published(), (true, Some(false)));
    let before = outbox.snapshot();
    outbox.privacy(&privacy(Input::Off, Input::On));
    let after = outbox.snapshot();
    assert_eq!(
        after.privacy.version,
        before.privacy.version + 1,
        "ON is the answer"
    );
    assert_eq!(
        after.privacy_command, before.privacy_command,
        "the record is not written again"
    );
    outbox.privacy(&privacy(Input::Unreadable("refused".into()), Input::Off));
    assert_eq!(published(), (true, None));
}

#[test]
fn events_are_bounded_and_losses_counted() {
    let outbox = outbox();
    for _ in 0..100 {
        report_event(&outbox);
    }
    let first = || outbox.first_event(Duration::ZERO).map(|queued| queued.seq);
    assert_eq!(first(), Some(100 - MAX_EVENTS as u64));
    assert_eq!(outbox.snapshot().events_dropped, 100 - MAX_EVENTS as u64);
    outbox.remove_event(0);
    assert_eq!(first(), Some(100 - MAX_EVENTS as u64));
    assert_eq!(outbox.first_event(2 * SECOND), None, "all too old");
    assert_eq!(outbox.snapshot().events_dropped, 100);
}

#[test]
fn a_long_reason_is_cut_between_characters() {
    let outbox = outbox();
    outbox.camera(CameraStatus::Stalled, &"é".repeat(MAX_REASON));
    let camera = outbox.snapshot().camera.value;
    assert_eq!(camera.reason.as_str(), "é".repeat(MAX_REASON / 2));
}

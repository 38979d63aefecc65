#![allow(clippy::unwrap_used)]
use super::*;
use crate::{
    capture::CaptureKind,
    health::Health,
    privacy::{Input, PrivacyGate},
    sense::report::Report,
};

#[derive(Default)]
struct Statuses(Mutex<Vec<(CameraStatus, String)>>);

impl Sink for Statuses {
    fn report(&self, _: &Report) {}

    fn camera(&self, status: CameraStatus, reason: &str) {
        self.0.lock().unwrap().push((status, reason.to_owned()));
    }

    fn health(&self, _: &Health) {}
}

struct Lab {
    sink: Arc<Statuses>,
    state: CameraState,
    gate: PrivacyGate,
}

impl Lab {
    fn new() -> Self {
        let sink = Arc::new(Statuses::default());
        let state = CameraState::new(sink.clone(), Arc::default(), Duration::from_secs(1));
        let gate = PrivacyGate::new().unwrap();
        gate.set_command(Input::Off);
        gate.set_switch(Input::Off);
        Self { sink, state, gate }
    }

    fn usable(&self, seconds: f32) {
        self.state
            .usable(Duration::from_secs_f32(seconds), self.gate.permit().unwrap());
    }

    fn statuses(&self) -> Vec<CameraStatus> {
        let statuses = self.sink.0.lock().unwrap();
        statuses.iter().map(|(status, _)| *status).collect()
    }
}

#[test]
fn a_slow_opening_ends_the_status_disabled() {
    let lab = Lab::new();
    let second = Duration::from_secs;
    lab.state
        .closed(CameraStatus::Disabled, "privacy was turned on by a command");
    lab.state.check_opening(second(9));
    lab.state.opening(second(10));
    lab.state.check_opening(Duration::from_millis(10_900));
    assert_eq!(lab.statuses(), [CameraStatus::Disabled]);
    lab.state.check_opening(second(11));
    lab.state.check_opening(second(12));
    assert_eq!(
        lab.sink.0.lock().unwrap()[1..],
        [(CameraStatus::Missing, "starting".to_owned())]
    );
    lab.state.opened(second(12), "a stream".into());
    lab.state.check_opening(second(20));
    assert_eq!(lab.statuses().len(), 2);
}

#[test]
fn an_unstable_camera_is_ok_only_after_a_while() {
    let lab = Lab::new();
    let bad = CaptureError::new(CaptureKind::Corrupt, "half a picture");
    let second = Duration::from_secs_f32;
    lab.state.opened(second(0.0), "a stream".into());
    // Four good frames in 0.8 s, then bad ones for 2 s, for five minutes.
    for round in 0..100 {
        let start = round as f32 * 3.0;
        for frame in 0..4 {
            lab.usable(start + frame as f32 * 0.2);
        }
        for frame in 0..10 {
            lab.state.unusable(second(start + 1.0 + frame as f32 * 0.2), &bad);
        }
    }
    let ok = lab
        .statuses()
        .iter()
        .filter(|status| **status == CameraStatus::Ok)
        .count();
    // The first frame, and two recoveries in a minute.
    assert!((3..=11).contains(&ok), "{ok} times ok in five minutes");

    for frame in 0..60 {
        lab.usable(300.0 + frame as f32 * 0.1);
    }
    assert_eq!(lab.statuses().last(), Some(&CameraStatus::Ok));
}

#[test]
fn privacy_does_not_make_a_camera_unstable() {
    let lab = Lab::new();
    for round in 0..5 {
        lab.state
            .closed(CameraStatus::Disabled, "privacy was turned on by a command");
        lab.state.opened(Duration::from_secs(round), "a stream".into());
        lab.usable(round as f32);
        assert_eq!(lab.statuses().last(), Some(&CameraStatus::Ok), "{round}");
    }
}

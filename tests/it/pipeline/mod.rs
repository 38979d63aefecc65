//! The pipeline with scripted cameras: every change must reach the sink, and no thread may hang.

mod script;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use affectd::{
    capture::{CameraStatus, CaptureKind},
    clock::Clock,
    config,
    error::{Exit, Failure},
    health::{Governor, Health},
    pipeline::{self, Deps, Metrics, SensorSource, Sink},
    preview::Preview,
    privacy::{Input, PrivacyGate},
    sense::report::{Event, Report},
    shutdown::Shutdown,
};

use self::script::{Act, Script};
use crate::common::{clock::Skewed, sensor};

#[derive(Default)]
struct Notes {
    cameras: Mutex<Vec<CameraStatus>>,
    events: Mutex<Vec<Event>>,
    faces: AtomicUsize,
    health: AtomicUsize,
    /// How long each report delays the sensing thread.
    pause: Duration,
}

impl Notes {
    fn wait_for(&self, status: CameraStatus) {
        let start = Instant::now();
        while !self.cameras.lock().unwrap().contains(&status) {
            assert!(
                start.elapsed() < Duration::from_secs(60),
                "the camera is never {status:?}"
            );
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Sink for Notes {
    fn report(&self, report: &Report) {
        self.faces.fetch_add(report.faces.len(), Relaxed);
        self.events.lock().unwrap().extend(report.events.iter().copied());
        thread::sleep(self.pause);
    }

    fn camera(&self, status: CameraStatus, _reason: &str) {
        self.cameras.lock().unwrap().push(status);
    }

    fn health(&self, _health: &Health) {
        self.health.fetch_add(1, Relaxed);
    }
}

/// Runs a script to completion.
fn play(acts: &[Act], notes: &Arc<Notes>, shutdown: &Shutdown) -> (Result<(), Failure>, Arc<Metrics>) {
    play_behind(&gate(), acts, notes, shutdown)
}

/// A gate that opens once the run has determined that no switch is configured.
fn gate() -> PrivacyGate {
    let gate = PrivacyGate::new().unwrap();
    gate.set_command(Input::Off);
    gate
}

fn play_behind(
    gate: &PrivacyGate,
    acts: &[Act],
    notes: &Arc<Notes>,
    shutdown: &Shutdown,
) -> (Result<(), Failure>, Arc<Metrics>) {
    let clock = Arc::new(Skewed::default());
    // So that a frame can be an hour old.
    clock.forward(3600);
    let clock: Arc<dyn Clock> = clock;
    let metrics = Arc::new(Metrics::new());
    let deps = Deps {
        opener: Box::new(Script {
            acts: acts.iter().copied().collect(),
            clock: clock.clone(),
            metrics: metrics.clone(),
        }),
        sensor: SensorSource::Loaded(Box::new(sensor::sensor().0)),
        gpio: None,
        preview: Preview::new(gate),
        gate: gate.clone(),
        requests: Arc::default(),
        sink: notes.clone(),
        clock,
        shutdown: shutdown.clone(),
        governor: Governor::new(config::Health {
            hot_c: 120.0,
            cool_c: 119.0,
            dwell: Duration::from_secs(3600),
        }),
        health_interval: Duration::from_millis(300),
    };
    let result = pipeline::run(deps, &metrics);
    (result, metrics)
}

#[test]
fn a_camera_that_disconnects_is_reopened_without_a_restart() {
    let notes = Arc::new(Notes::default());
    let acts = [
        Act::Refuse(CaptureKind::Missing),
        Act::Deliver {
            from: 30,
            frames: 8,
            then: CaptureKind::Stalled,
        },
        Act::Refuse(CaptureKind::Busy),
        Act::Deliver {
            from: 38,
            frames: 8,
            then: CaptureKind::Ended,
        },
    ];
    let (result, metrics) = play(&acts, &notes, &Shutdown::new());
    result.unwrap();
    use CameraStatus::{Missing, Ok, Stalled, Unsupported};
    assert_eq!(
        *notes.cameras.lock().unwrap(),
        [Missing, Ok, Stalled, Unsupported, Ok]
    );
    assert_eq!(metrics.captured_frames(), 16);
    assert_eq!(metrics.sensed_frames(), 16);
    assert!(
        notes.faces.load(Relaxed) > 0,
        "Collins is in every one of these frames"
    );
    assert!(matches!(notes.events.lock().unwrap()[0], Event::Appeared { .. }));
    assert!(notes.health.load(Relaxed) > 0);
}

#[test]
fn a_camera_that_fails_soon_after_every_start_is_reopened_less_and_less_often() {
    let failing = Act::Deliver {
        from: 30,
        frames: 1,
        then: CaptureKind::Missing,
    };
    let ending = Act::Deliver {
        from: 30,
        frames: 1,
        then: CaptureKind::Ended,
    };
    let begun = Instant::now();
    let (result, metrics) = play(&[failing, failing, ending], &Arc::default(), &Shutdown::new());
    result.unwrap();
    assert_eq!(metrics.captured_frames(), 3);
    // Half a second, then a second.
    assert!(begun.elapsed() >= Duration::from_millis(1500));
}

#[test]
fn visits_end_with_a_source_that_ends_while_its_last_frame_is_sensed() {
    let notes = Arc::new(Notes {
        pause: Duration::from_millis(500),
        ..Notes::default()
    });
    let acts = [Act::Deliver {
        from: 30,
        frames: 4,
        then: CaptureKind::Ended,
    }];
    play(&acts, &notes, &Shutdown::new()).0.unwrap();
    let events = notes.events.lock().unwrap();
    assert!(matches!(events.last(), Some(Event::Left { .. })), "{events:?}");
}

#[test]
fn a_permanent_camera_error_ends_the_run_with_its_reason() {
    for kind in [CaptureKind::Busy, CaptureKind::Denied, CaptureKind::Unsupported] {
        let notes = Arc::new(Notes::default());
        let (result, _) = play(&[Act::Refuse(kind)], &notes, &Shutdown::new());
        assert_eq!(*notes.cameras.lock().unwrap(), [CameraStatus::Unsupported]);
        let failure = result.unwrap_err();
        assert_eq!(failure.exit, Exit::Camera);
        assert_eq!(failure.to_string(), format!("scripted: {kind:?}"));
    }
}

#[test]
fn unusable_frames_are_counted_and_skipped() {
    let notes = Arc::new(Notes::default());
    // The clip has 130 pictures: from 128 on two are left, then every frame of the camera is corrupt.
    let shutdown = Shutdown::new();
    let stop = shutdown.clone();
    let watched = notes.clone();
    let stopper = thread::spawn(move || {
        watched.wait_for(CameraStatus::Ok);
        // Two frames, then corrupt ones for longer than a lost face is kept.
        watched.wait_for(CameraStatus::Unsupported);
        stop.raise();
    });
    let acts = [Act::Deliver {
        from: 128,
        frames: 2,
        then: CaptureKind::Corrupt,
    }];
    let (result, metrics) = play(&acts, &notes, &shutdown);
    stopper.join().unwrap();
    result.unwrap();
    assert!(metrics.corrupt_frames() >= 2);
    assert_eq!(
        *notes.cameras.lock().unwrap(),
        [CameraStatus::Ok, CameraStatus::Unsupported]
    );
}

#[test]
fn a_camera_that_delivers_only_corrupt_frames_loses_its_faces_and_is_not_ok() {
    let notes = Arc::new(Notes::default());
    // Collins, then two seconds of undecodable frames: longer than a lost face is kept.
    let acts = [Act::Spoil {
        from: 30,
        frames: 10,
        spoiled: 20,
    }];
    let (result, _) = play(&acts, &notes, &Shutdown::new());
    result.unwrap();
    let events = notes.events.lock().unwrap();
    let appeared = events
        .iter()
        .filter(|event| matches!(event, Event::Appeared { continues: None, .. }))
        .count();
    let left = events
        .iter()
        .filter(|event| matches!(event, Event::Left { .. }))
        .count();
    assert!(appeared >= 1, "{events:?}");
    assert_eq!(left, appeared, "{events:?}");
    assert_eq!(
        *notes.cameras.lock().unwrap(),
        [CameraStatus::Ok, CameraStatus::Unsupported]
    );
}

#[test]
fn a_camera_that_opens_without_frames_is_never_ok() {
    let notes = Arc::new(Notes::default());
    let nothing = Act::Deliver {
        from: 0,
        frames: 0,
        then: CaptureKind::Stalled,
    };
    let acts = [nothing, nothing, Act::Scramble { frames: 1 }];
    let (result, _) = play(&acts, &notes, &Shutdown::new());
    result.unwrap();
    assert_eq!(*notes.cameras.lock().unwrap(), [CameraStatus::Stalled]);
}

#[test]
fn frames_that_have_waited_for_a_minute_are_not_sensed() {
    let notes = Arc::new(Notes::default());
    let delayed = Act::Delay { from: 30, frames: 8 };
    let (result, metrics) = play(&[delayed], &notes, &Shutdown::new());
    result.unwrap();
    assert_eq!((metrics.sensed_frames(), metrics.stale_frames()), (0, 8));
    assert_eq!(metrics.finished_frames(), 8, "the watchdog would starve");
    assert_eq!(notes.faces.load(Relaxed), 0);
    assert_eq!(*notes.cameras.lock().unwrap(), []);
}

#[test]
fn undecodable_frames_count_as_progress() {
    let (result, metrics) = play(&[Act::Scramble { frames: 4 }], &Arc::default(), &Shutdown::new());
    result.unwrap();
    assert_eq!(metrics.sensed_frames(), 0);
    assert_eq!(metrics.corrupt_frames(), metrics.finished_frames());
    assert!(metrics.finished_frames() >= 2, "the watchdog would starve");
}

#[test]
fn privacy_closes_the_camera_and_shutdown_ends_at_once() {
    let notes = Arc::new(Notes::default());
    let shutdown = Shutdown::new();
    let gate = gate();
    let (stop, watched, switch) = (shutdown.clone(), notes.clone(), gate.clone());
    let person = thread::spawn(move || {
        watched.wait_for(CameraStatus::Ok);
        switch.set_command(Input::On);
        watched.wait_for(CameraStatus::Disabled);
        let pressed = Instant::now();
        stop.raise();
        pressed
    });
    let acts = [Act::Deliver {
        from: 30,
        frames: 60,
        then: CaptureKind::Stalled,
    }];
    let (result, _) = play_behind(&gate, &acts, &notes, &shutdown);
    let pressed = person.join().unwrap();
    result.unwrap();
    assert!(
        pressed.elapsed() < Duration::from_secs(5),
        "the run ended {:?} after the shutdown request",
        pressed.elapsed()
    );
    assert_eq!(
        *notes.cameras.lock().unwrap(),
        [CameraStatus::Ok, CameraStatus::Disabled]
    );
}

//! The privacy gate in the pipeline, with badly behaved cameras.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{
            AtomicBool, AtomicUsize,
            Ordering::{Relaxed, SeqCst},
        },
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use affectd::{
    capture::{CameraStatus, CaptureError, CaptureKind, Frame, Opener, PixelFormat, Source, Stream},
    clock::{Clock, SystemClock},
    error::Failure,
    health::{Governor, Health},
    interrupt::Interrupt,
    measure::clip,
    pipeline::{self, Deps, Metrics, SensorSource, Sink},
    preview::Preview,
    privacy::{Input, PrivacyGate},
    sense::report::Report,
    shutdown::Shutdown,
};

use crate::common::{broker::until, sensor};

/// What a camera does for each frame; receives the number of the frame, starting at 0.
type Next = Arc<dyn Fn(usize, &Interrupt) -> Result<(), CaptureError> + Send + Sync>;

/// A camera that shows one portrait.
struct Camera {
    next: Next,
    clock: Arc<dyn Clock>,
    opened: Arc<AtomicUsize>,
    frames: usize,
    stream: Stream,
}

impl Opener for Camera {
    fn discard(&mut self) {}

    fn open(&mut self, _: &Interrupt) -> Result<Box<dyn Source>, CaptureError> {
        self.opened.fetch_add(1, SeqCst);
        Ok(Box::new(Self {
            next: self.next.clone(),
            clock: self.clock.clone(),
            opened: self.opened.clone(),
            frames: 0,
            stream: self.stream.clone(),
        }))
    }
}

impl Source for Camera {
    fn next(&mut self, frame: &mut Frame, interrupt: &Interrupt) -> Result<(), CaptureError> {
        (self.next)(self.frames, interrupt)?;
        self.frames += 1;
        let portrait = clip::pictures().nth(30).unwrap();
        clip::fill(frame, portrait, 0, self.clock.now());
        Ok(())
    }

    fn stream(&self) -> &Stream {
        &self.stream
    }
}

/// Counts reports. While `held` is set a report does not return.
#[derive(Default)]
struct Reports {
    count: AtomicUsize,
    held: AtomicBool,
    cameras: Mutex<Vec<(CameraStatus, String)>>,
    /// The tracks of all faces in all reports.
    tracks: Mutex<Vec<u32>>,
    /// Closes and opens again when the first face is reported.
    toggled: Option<PrivacyGate>,
}

impl Sink for Reports {
    fn report(&self, report: &Report) {
        let mut tracks = self.tracks.lock().unwrap();
        let is_first = tracks.is_empty() && !report.faces.is_empty();
        tracks.extend(report.faces.iter().map(|face| face.track));
        drop(tracks);
        if let (true, Some(gate)) = (is_first, &self.toggled) {
            gate.set_command(Input::On);
            gate.set_command(Input::Off);
        }
        self.count.fetch_add(1, SeqCst);
        while self.held.load(SeqCst) {
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn camera(&self, status: CameraStatus, reason: &str) {
        self.cameras.lock().unwrap().push((status, reason.to_owned()));
    }

    fn health(&self, _health: &Health) {}
}

/// A running pipeline.
struct Run {
    gate: PrivacyGate,
    sink: Arc<Reports>,
    metrics: Arc<Metrics>,
    opened: Arc<AtomicUsize>,
    shutdown: Shutdown,
    thread: JoinHandle<Result<(), Failure>>,
}

impl Run {
    fn start(gate: &PrivacyGate, clock: Arc<dyn Clock>, sink: Arc<Reports>, next: Next) -> Self {
        let (metrics, opened) = (Arc::new(Metrics::new()), Arc::new(AtomicUsize::new(0)));
        let shutdown = Shutdown::new();
        let (width, height) = clip::SIZE;
        let deps = Deps {
            opener: Box::new(Camera {
                next,
                clock: clock.clone(),
                opened: opened.clone(),
                frames: 0,
                stream: Stream {
                    name: "portrait".into(),
                    format: PixelFormat::Mjpeg,
                    width,
                    height,
                    rate: None,
                },
            }),
            sensor: SensorSource::Loaded(Box::new(sensor::sensor().0)),
            gpio: None,
            preview: Preview::new(gate),
            gate: gate.clone(),
            requests: Arc::default(),
            sink: sink.clone(),
            clock,
            shutdown: shutdown.clone(),
            governor: Governor::new(sensor::settings().health),
            health_interval: Duration::from_secs(3600),
        };
        let counted = metrics.clone();
        Self {
            gate: gate.clone(),
            sink,
            metrics,
            opened,
            shutdown,
            thread: thread::spawn(move || pipeline::run(deps, &counted)),
        }
    }

    fn stop(self) {
        self.shutdown.raise();
        self.thread.join().unwrap().unwrap();
    }
}

/// A gate that opens as soon as the run has found that there is no switch.
fn gate() -> PrivacyGate {
    let gate = PrivacyGate::new().unwrap();
    gate.set_command(Input::Off);
    gate
}

/// Blocks while `held` is set, like a driver that ignores an interrupt.
fn block(held: &AtomicBool) {
    while held.load(SeqCst) {
        thread::sleep(Duration::from_millis(5));
    }
}

fn stalled() -> CaptureError {
    CaptureError::new(CaptureKind::Stalled, "blocked")
}

#[test]
fn the_camera_stays_closed_until_a_command_is_known() {
    let gate = PrivacyGate::new().unwrap();
    let next = |_, _: &Interrupt| {
        thread::sleep(Duration::from_millis(20));
        Ok(())
    };
    let run = Run::start(
        &gate,
        Arc::new(SystemClock::new()),
        Arc::default(),
        Arc::new(next),
    );
    let cameras = || run.sink.cameras.lock().unwrap().clone();
    until("the camera's status", || !cameras().is_empty());
    assert_eq!(
        cameras(),
        [(
            CameraStatus::Disabled,
            "the broker has not answered yet".to_owned()
        )]
    );
    assert_eq!(run.opened.load(SeqCst), 0);
    run.gate.set_command(Input::Off);
    until("a report", || run.sink.count.load(SeqCst) > 0);
    run.stop();
}

#[test]
fn a_frame_that_waits_when_the_gate_closes_is_never_read() {
    for reopens in [false, true] {
        let camera_held = Arc::new(AtomicBool::new(true));
        let sink = Arc::new(Reports::default());
        sink.held.store(true, SeqCst);
        let (held, watched) = (camera_held.clone(), sink.clone());
        // The first frame keeps the sensing thread busy, the second waits, then the camera blocks.
        let next = move |frame, _: &Interrupt| match frame {
            0 => Ok(()),
            1 => {
                until("the first report", || watched.count.load(SeqCst) == 1);
                Ok(())
            }
            _ => {
                block(&held);
                Err(stalled())
            }
        };
        let run = Run::start(&gate(), Arc::new(SystemClock::new()), sink, Arc::new(next));
        until("two frames", || run.metrics.captured_frames() == 2);
        run.gate.set_command(Input::On);
        if reopens {
            run.gate.set_command(Input::Off);
        }
        run.sink.held.store(false, SeqCst);
        until("the first frame is done", || run.metrics.sensed_frames() > 0);
        let metrics = run.metrics.clone();
        run.shutdown.raise();
        camera_held.store(false, SeqCst);
        run.stop();
        assert_eq!(metrics.sensed_frames(), 1, "a frame from before was read");
    }
}

/// The gate closes and opens again while a frame is being sensed, so the sensing thread never sees it closed.
#[test]
fn faces_from_before_the_gate_closed_are_not_tracked_on() {
    let gate = gate();
    let sink = Arc::new(Reports {
        toggled: Some(gate.clone()),
        ..Reports::default()
    });
    let next = |_, _: &Interrupt| {
        thread::sleep(Duration::from_millis(20));
        Ok(())
    };
    let run = Run::start(&gate, Arc::new(SystemClock::new()), sink, Arc::new(next));
    let tracks = || run.sink.tracks.lock().unwrap().clone();
    until("a face before and one after", || tracks().len() >= 2);
    let [before, after @ ..] = &*tracks() else {
        panic!("there are two")
    };
    assert!(!after.contains(before), "{before}, then {after:?}");
    run.stop();
}

#[test]
fn a_frame_that_is_captured_while_the_gate_closes_is_not_handed_on() {
    let gate = gate();
    let switch = gate.clone();
    let next = move |_, _: &Interrupt| {
        switch.set_command(Input::On);
        Ok(())
    };
    let run = Run::start(
        &gate,
        Arc::new(SystemClock::new()),
        Arc::default(),
        Arc::new(next),
    );
    until("the camera is closed", || {
        let cameras = run.sink.cameras.lock().unwrap();
        cameras
            .last()
            .is_some_and(|(status, _)| *status == CameraStatus::Disabled)
    });
    let cameras = run.sink.cameras.lock().unwrap().clone();
    assert_eq!(cameras.len(), 1, "never ok: {cameras:?}");
    assert_eq!(run.metrics.captured_frames(), 0);
    assert_eq!(run.opened.load(SeqCst), 1);
    run.stop();
}

#[test]
fn closing_ends_a_wait_for_a_frame() {
    let waiting = Arc::new(AtomicBool::new(false));
    let reached = waiting.clone();
    // The camera delivers one frame and then nothing for an hour.
    let next = move |frame, interrupt: &Interrupt| {
        if frame == 0 {
            return Ok(());
        }
        reached.store(true, SeqCst);
        let interrupted = interrupt.wait(Duration::from_secs(3600));
        assert!(interrupted);
        Err(CaptureError::new(CaptureKind::Interrupted, "interrupted"))
    };
    let run = Run::start(
        &gate(),
        Arc::new(SystemClock::new()),
        Arc::default(),
        Arc::new(next),
    );
    let cameras = || run.sink.cameras.lock().unwrap().clone();
    // The camera is `ok` once its frame is decoded, which another thread does.
    until("the camera waits, and its frame was used", || {
        waiting.load(SeqCst) && !cameras().is_empty()
    });
    run.gate.set_command(Input::On);
    until("the camera is closed", || {
        cameras()
            .last()
            .is_some_and(|(status, _)| *status == CameraStatus::Disabled)
    });
    let seen: Vec<_> = cameras().into_iter().map(|(status, _)| status).collect();
    assert_eq!(seen, [CameraStatus::Ok, CameraStatus::Disabled], "not a failure");
    run.stop();
}

/// Closes a gate when the sensing thread reads the time, which it does while it processes a frame.
struct Closing {
    system: SystemClock,
    gate: PrivacyGate,
}

impl Clock for Closing {
    fn now(&self) -> Duration {
        if thread::current().name() == Some("sense") {
            self.gate.set_command(Input::On);
        }
        self.system.now()
    }

    fn wall(&self) -> jiff::Timestamp {
        self.system.wall()
    }

    fn local_date(&self) -> jiff::civil::Date {
        self.system.local_date()
    }
}

#[test]
fn a_frame_in_processing_when_the_gate_closes_is_not_reported() {
    let gate = gate();
    let clock = Closing {
        system: SystemClock::new(),
        gate: gate.clone(),
    };
    let next = |_, _: &Interrupt| {
        thread::sleep(Duration::from_millis(20));
        Ok(())
    };
    let run = Run::start(&gate, Arc::new(clock), Arc::default(), Arc::new(next));
    until("a frame is sensed", || run.metrics.sensed_frames() == 1);
    assert_eq!(run.sink.count.load(SeqCst), 0);
    run.stop();
}

#[test]
fn a_camera_that_never_returns_keeps_neither_the_process_nor_the_sensing_thread() {
    let held = Arc::new(AtomicBool::new(true));
    let blocked = Arc::new(AtomicBool::new(false));
    let (for_camera, reached) = (held.clone(), blocked.clone());
    let next = move |frame, _: &Interrupt| {
        if frame == 0 {
            return Ok(());
        }
        reached.store(true, SeqCst);
        block(&for_camera);
        Err(stalled())
    };
    let run = Run::start(
        &gate(),
        Arc::new(SystemClock::new()),
        Arc::default(),
        Arc::new(next),
    );
    until("the camera blocks", || blocked.load(SeqCst));
    until("the sensing thread waits", || run.metrics.sensed_frames() == 1);
    let sink = run.sink.clone();
    run.stop();
    // Ours, and two of the capture thread, which still hangs in its driver: its own and its camera state's.
    assert_eq!(Arc::strong_count(&sink), 3, "the sensing thread has not ended");
    held.store(false, Relaxed);
}

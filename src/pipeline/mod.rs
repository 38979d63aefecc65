//! Threads, slots and shutdown: the only room that knows all the others.
//!
//! The capture thread puts its newest frame into a slot; the sensing thread takes it from there and hands
//! its report to a sink; the calling thread supervises. No queue anywhere: who is slow sees the newest.

mod camera;
mod figures;
mod sense;
mod sink;

use std::{sync::Arc, thread, time::Duration};

pub use figures::Figures;
pub use sink::Sink;

use crate::{
    capture::{Opener, Slot},
    clock::Clock,
    error::{Exit, Failure},
    health::{Board, Watchdog},
    sense::Sensor,
    shutdown::Shutdown,
};

/// How often the supervisor looks around: well below the second in which a shutdown must be done.
const SUPERVISE: Duration = Duration::from_millis(100);

/// How long a camera that blocks in its driver may hold up the end of the process.
const CAMERA_RELEASE: Duration = Duration::from_millis(700);

/// What a run is made of; everything that touches the outside is handed in.
pub struct Parts {
    /// Opens the camera.
    pub opener: Box<dyn Opener>,
    /// Finds, follows and reads faces.
    pub sensor: Sensor,
    /// Takes the results.
    pub sink: Arc<dyn Sink>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Ends the run.
    pub shutdown: Shutdown,
    /// Time between two health messages.
    pub health_every: Duration,
}

/// Runs the line until shutdown, the end of a finite source, or a failure that waiting will not mend.
///
/// # Errors
/// [`Failure`] with the exit code for the process.
pub fn run(parts: Parts, figures: &Arc<Figures>) -> Result<(), Failure> {
    let slot = Arc::new(Slot::new());
    let Parts {
        opener,
        sensor,
        sink,
        clock,
        shutdown,
        health_every,
    } = parts;

    let capture = {
        let (slot, sink, figures, shutdown) = (slot.clone(), sink.clone(), figures.clone(), shutdown.clone());
        spawn("capture", move || {
            camera::CameraLoop {
                opener,
                slot: &slot,
                sink: &*sink,
                figures: &figures,
                shutdown: &shutdown,
            }
            .run()
        })?
    };
    let sensing = {
        let (slot, sink, figures, clock) = (slot.clone(), sink.clone(), figures.clone(), clock.clone());
        spawn("sense", move || {
            sense::SenseLoop {
                sensor,
                slot: &slot,
                sink: &*sink,
                figures: &figures,
                clock,
            }
            .run()
        })?
    };

    let mut supervisor = Supervisor::new(&*sink, figures, &*clock, health_every);
    let watched = supervisor.watch(
        &shutdown,
        || capture.is_finished() || sensing.is_finished(),
        &slot,
    );
    let capture_ended = capture.is_finished();
    shutdown.raise();
    // A finite source ends by closing the slot; its last frame is still to be sensed.
    if !capture_ended {
        slot.close();
    }
    let sensed = join(sensing);
    let captured = join_within(capture, CAMERA_RELEASE);
    watched.and(sensed).and(captured)
}

type Worker = thread::JoinHandle<Result<(), Failure>>;

fn spawn(name: &str, body: impl FnOnce() -> Result<(), Failure> + Send + 'static) -> Result<Worker, Failure> {
    thread::Builder::new()
        .name(name.into())
        .spawn(body)
        .map_err(|error| Failure::new(Exit::Software, error))
}

fn join(worker: Worker) -> Result<(), Failure> {
    let name = worker.thread().name().unwrap_or("?").to_owned();
    worker.join().unwrap_or_else(|_| {
        Err(Failure::new(
            Exit::Software,
            anyhow::anyhow!("the {name} thread panicked; its message stands above"),
        ))
    })
}

/// Waits for the capture thread, but not for ever: the kernel releases the camera when the process ends.
fn join_within(worker: Worker, time: Duration) -> Result<(), Failure> {
    let step = Duration::from_millis(10);
    let mut left = time;
    while !worker.is_finished() {
        if left.is_zero() {
            tracing::warn!("the camera did not come back from its driver; leaving it to the kernel");
            return Ok(());
        }
        thread::sleep(step);
        left = left.saturating_sub(step);
    }
    join(worker)
}

/// Watches over the threads: health messages, the watchdog, the reasons to end.
struct Supervisor<'a> {
    sink: &'a dyn Sink,
    figures: &'a Figures,
    clock: &'a dyn Clock,
    watchdog: Watchdog,
    health_every: Duration,
    reported: (Duration, u64),
}

impl<'a> Supervisor<'a> {
    fn new(sink: &'a dyn Sink, figures: &'a Figures, clock: &'a dyn Clock, health_every: Duration) -> Self {
        let watchdog = Watchdog::from_environment();
        Self {
            sink,
            figures,
            clock,
            watchdog,
            health_every,
            reported: (clock.now(), 0),
        }
    }

    /// Returns when shutdown is raised, a thread has ended, or the sink has given up.
    fn watch(&mut self, shutdown: &Shutdown, ended: impl Fn() -> bool, slot: &Slot) -> Result<(), Failure> {
        self.watchdog.ready();
        while !ended() && !shutdown.wait(SUPERVISE) {
            if let Some(failure) = self.sink.failure() {
                return Err(failure);
            }
            let now = self.clock.now();
            self.watchdog
                .feed(now, self.figures.finished_frames(), !self.figures.is_sensing());
            let since = now.saturating_sub(self.reported.0);
            if since >= self.health_every {
                let sensed = self.figures.sensed_frames();
                let fps = (sensed - self.reported.1) as f32 / since.as_secs_f32();
                self.reported = (now, sensed);
                self.sink
                    .health(&self.figures.health(fps, slot.dropped(), Board::read(), now));
            }
        }
        self.watchdog.stopping();
        Ok(())
    }
}

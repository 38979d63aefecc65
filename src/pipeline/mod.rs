//! Threads, slots and shutdown: the only room that knows all the others.
//!
//! The capture thread puts its newest frame into a slot; the sensing thread takes it from there and hands
//! its report to a sink; the calling thread supervises. No queue anywhere: who is slow sees the newest.

mod camera;
mod figures;
mod panel;
mod sense;
mod sink;
mod supervisor;

use std::{sync::Arc, thread, time::Duration};

pub use figures::Figures;
pub use sink::Sink;
use supervisor::Supervisor;

use crate::{
    capture::{Opener, Slot},
    clock::Clock,
    error::{Exit, Failure},
    gpio::Fittings,
    health::Governor,
    sense::Sensor,
    shutdown::Shutdown,
};

/// How long a device that blocks in its driver may hold up the end of the process.
const RELEASE: Duration = Duration::from_millis(700);

/// What a run is made of; everything that touches the outside is handed in.
pub struct Parts {
    /// Opens the camera.
    pub opener: Box<dyn Opener>,
    /// Finds, follows and reads faces.
    pub sensor: Sensor,
    /// Light and switch on the device, where there are any.
    pub fittings: Option<Fittings>,
    /// Takes the results.
    pub sink: Arc<dyn Sink>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Ends the run.
    pub shutdown: Shutdown,
    /// Decides how much work to do.
    pub governor: Governor,
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
        fittings,
        sink,
        clock,
        shutdown,
        governor,
        health_every,
    } = parts;
    let has_switch = fittings
        .as_ref()
        .is_some_and(|fittings| fittings.switch.is_some());

    // First, so that nothing is sensed before the switch was read.
    let stop_panel = Shutdown::new();
    let panel = match fittings {
        None => None,
        Some(fittings) => {
            let (sink, figures, clock) = (sink.clone(), figures.clone(), clock.clone());
            let panel = panel::PanelLoop::new(fittings, sink, figures, clock, stop_panel.clone());
            Some(spawn("panel", move || {
                panel.run();
                Ok(())
            })?)
        }
    };

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

    let mut supervisor = Supervisor::new(&*sink, figures, &*clock, governor, has_switch, health_every);
    let watched = supervisor.watch(
        &shutdown,
        || {
            let panel = panel.as_ref().is_some_and(Worker::is_finished);
            capture.is_finished() || sensing.is_finished() || panel
        },
        &slot,
    );
    let capture_ended = capture.is_finished();
    shutdown.raise();
    // A finite source ends by closing the slot; its last frame is still to be sensed.
    if !capture_ended {
        slot.close();
    }
    // Otherwise nobody waits for it: on a slow board one in work takes longer than systemd lets a stop take.
    let sensed = if capture_ended {
        join(sensing)
    } else {
        join_within(sensing, "a frame in work")
    };
    let captured = join_within(capture, "the camera");
    // The light tells of the camera, so it goes out after it.
    stop_panel.raise();
    let shown = panel.map_or(Ok(()), |panel| join_within(panel, "the panel"));
    watched.and(sensed).and(captured).and(shown)
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

/// Waits for a thread, but not for ever: the kernel releases what it holds when the process ends.
fn join_within(worker: Worker, what: &str) -> Result<(), Failure> {
    let step = Duration::from_millis(10);
    let mut left = RELEASE;
    while !worker.is_finished() {
        if left.is_zero() {
            tracing::warn!("{what} did not come back in time; leaving it to the kernel");
            return Ok(());
        }
        thread::sleep(step);
        left = left.saturating_sub(step);
    }
    join(worker)
}

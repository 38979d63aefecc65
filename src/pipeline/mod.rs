//! Threads, slots and shutdown: the only module that knows all the others.
//!
//! While the privacy gate is open, the capture thread puts its newest frame into a slot; the sensing thread
//! takes it from there and hands its report to a sink; the calling thread supervises. There is no queue: a
//! slow reader gets the newest value.

mod camera;
mod camera_state;
mod frame_gaps;
mod gpio;
mod sense;
mod sink;
mod supervisor;
mod threads;

use std::{sync::Arc, time::Duration};

pub use self::sink::{FanOut, Sink};
use self::{
    camera::CameraLoop,
    camera_state::CameraState,
    gpio::GpioLoop,
    supervisor::Supervisor,
    threads::{Worker, join, join_within_limit, spawn},
};
pub use crate::health::Metrics;

use crate::{
    capture::{Opener, Slot},
    clock::Clock,
    error::Failure,
    gpio::GpioConfigured,
    health::Governor,
    interrupt::Cause,
    preview::Preview,
    privacy::{Input, PrivacyGate},
    requests::Requests,
    sense::Sensor,
    shutdown::Shutdown,
};

/// What a run needs. Everything that touches the outside is passed in.
pub struct Deps {
    /// Opens the camera.
    pub opener: Box<dyn Opener>,
    /// Finds and follows faces and classifies their expressions.
    pub sensor: SensorSource,
    /// The LED and the privacy switch of the device, if there are any.
    pub gpio: Option<GpioConfigured>,
    /// Whether the camera may be used. The run writes the switch's state to it; the receiver of commands must
    /// write those, or the camera is never opened.
    pub gate: PrivacyGate,
    /// Requests to the run from outside.
    pub requests: Arc<Requests>,
    /// Takes the picture for aiming, while it is open.
    pub preview: Preview,
    /// Takes the results.
    pub sink: Arc<dyn Sink>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Ends the run.
    pub shutdown: Shutdown,
    /// Decides how much work to do.
    pub governor: Governor,
    /// Time between two health reports.
    pub health_interval: Duration,
}

/// Where the sensor comes from.
pub enum SensorSource {
    /// Its networks are already loaded.
    Loaded(Box<Sensor>),
    /// They are loaded once the camera is open: a daemon that must not or cannot use its camera does not load
    /// them.
    OnceOpen {
        /// How long an unseen face is kept, as the sensor will report it.
        lost_after: Duration,
        /// Loads them; called in the sensing thread.
        load: Box<dyn FnOnce() -> Result<Sensor, Failure> + Send>,
    },
}

impl SensorSource {
    fn lost_after(&self) -> Duration {
        match self {
            Self::Loaded(sensor) => sensor.lost_after(),
            Self::OnceOpen { lost_after, .. } => *lost_after,
        }
    }
}

/// What the threads share.
#[derive(Clone)]
struct Context {
    slot: Arc<Slot>,
    gate: PrivacyGate,
    requests: Arc<Requests>,
    preview: Preview,
    sink: Arc<dyn Sink>,
    metrics: Arc<Metrics>,
    camera: Arc<CameraState>,
    clock: Arc<dyn Clock>,
    shutdown: Shutdown,
}

impl Context {
    /// Asks all threads to end, and interrupts those that wait for the camera.
    fn stop(&self) {
        self.shutdown.raise();
        self.gate.interrupt().raise(Cause::Shutdown);
    }
}

/// Runs until shutdown, the end of a finite source, or a permanent failure.
///
/// # Errors
/// [`Failure`] with the exit code for the process.
pub fn run(deps: Deps, metrics: &Arc<Metrics>) -> Result<(), Failure> {
    let camera_state = CameraState::new(deps.sink.clone(), metrics.clone(), deps.sensor.lost_after());
    let context = Context {
        slot: Arc::new(Slot::new()),
        gate: deps.gate,
        requests: deps.requests,
        preview: deps.preview,
        sink: deps.sink,
        metrics: metrics.clone(),
        camera: Arc::new(camera_state),
        clock: deps.clock,
        shutdown: deps.shutdown,
    };
    empty_when_closed(&context.slot, &context.gate);
    let has_switch = deps.gpio.as_ref().is_some_and(|gpio| gpio.debounce.is_some());
    if !has_switch {
        context.gate.set_switch(Input::Off);
    }

    let stop_gpio = Shutdown::new();
    let gpio = match deps.gpio {
        None => None,
        Some(gpio) => {
            let gpio = GpioLoop::new(gpio, context.clone(), stop_gpio.clone());
            Some(spawn("gpio", move || {
                gpio.run();
                Ok(())
            })?)
        }
    };
    let camera = CameraLoop::new(deps.opener, context.clone());
    let capture = spawn("capture", move || camera.run())?;
    let (sensor, sensing_context) = (deps.sensor, context.clone());
    let sensing = spawn("sense", move || sense::run(sensor, sensing_context))?;

    let has_ended = || {
        let gpio = gpio.as_ref().is_some_and(Worker::is_finished);
        capture.is_finished() || sensing.is_finished() || gpio
    };
    Supervisor::new(&context, deps.governor, has_switch, deps.health_interval).watch(has_ended);

    let sensed = if capture.is_finished() {
        // A finite source ends by closing the slot; its last frame is still to be sensed. Shutdown is raised
        // afterwards, because the sensing thread reports no ended visits during a shutdown.
        let sensed = join(sensing);
        context.stop();
        sensed
    } else {
        context.stop();
        context.slot.close();
        // On a slow board, a frame in progress can take longer than systemd allows for a stop.
        join_within_limit(sensing, "a frame in work")
    };
    let captured = join_within_limit(capture, "the camera");
    // The LED shows whether the camera is open, so it goes out last.
    stop_gpio.raise();
    let shown = gpio.map_or(Ok(()), |gpio| join_within_limit(gpio, "the GPIO thread"));
    sensed.and(captured).and(shown)
}

/// Overwrites the waiting frame with zeros as soon as the gate closes, so nothing captured before can be
/// read.
fn empty_when_closed(slot: &Arc<Slot>, gate: &PrivacyGate) {
    let slot = slot.clone();
    gate.observe(move |privacy| {
        if privacy.is_on() {
            slot.clear();
        }
    });
}

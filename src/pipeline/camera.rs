//! The capture thread: opens the camera while the privacy gate is open, hands on its newest frame, and opens
//! the camera again after it was lost.

use std::time::Duration;

use super::Context;
use crate::{
    capture::{CameraStatus, CaptureError, CaptureKind, Frame, Opener, Source},
    error::{Exit, Failure},
    privacy::Permit,
};

/// First pause between two attempts to open the camera: a replugged camera should be back at once.
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// Longest pause: a program that fails at every start must not be started all the time.
const LONGEST_PAUSE: Duration = Duration::from_secs(8);

/// How often a closed privacy gate is looked at, for an opening or a new reason.
const GATE_POLL: Duration = Duration::from_millis(100);

pub(super) struct CameraLoop {
    opener: Box<dyn Opener>,
    context: Context,
}

/// Why a running source stopped.
enum Stopped {
    /// By a shutdown or by privacy: not a failure.
    Requested,
    Failed(CaptureError),
}

impl CameraLoop {
    pub fn new(opener: Box<dyn Opener>, context: Context) -> Self {
        Self { opener, context }
    }

    /// Runs until shutdown or the end of a finite source, then closes the slot.
    ///
    /// # Errors
    /// Only if the very first attempt shows a permanent failure: another program holds the device, access is
    /// denied, or no format can be used. A missing camera is waited for, and so is one that worked before.
    pub fn run(mut self) -> Result<(), Failure> {
        let result = self.run_until_stopped();
        self.context.slot.close();
        result
    }

    fn run_until_stopped(&mut self) -> Result<(), Failure> {
        let Self { opener, context } = self;
        let Context { gate, metrics, .. } = &*context;
        let mut status = StatusLog::new(context);
        let mut pause = FIRST_PAUSE;
        let mut opened_before = false;
        while !context.shutdown.is_raised() {
            let Some(permit) = gate.permit() else {
                if let Some(reason) = gate.privacy().reason() {
                    status.enter(CameraStatus::Disabled, &reason);
                }
                let _ = context.shutdown.wait(GATE_POLL);
                continue;
            };
            let failure = match opener.open(gate.interrupt()) {
                Ok(mut source) => {
                    opened_before = true;
                    // The camera is open. Its status becomes `ok` only once a frame arrives.
                    metrics.set_camera_open(true);
                    match stream(context, &mut *source, permit, &mut status, &mut pause) {
                        Stopped::Requested => continue,
                        Stopped::Failed(error) => error,
                    }
                }
                Err(_) if must_stop(context, permit) => continue,
                Err(error) if !opened_before && is_permanent(error.kind) => {
                    // Publish the reason too: subscribers often have no access to the journal.
                    status.enter(error.kind.into(), &error.message());
                    return Err(Failure::new(Exit::Camera, error));
                }
                Err(error) => error,
            };
            if failure.kind == CaptureKind::Ended {
                let is_empty = metrics.captured_frames() == 0;
                return if is_empty {
                    Err(Failure::new(Exit::Camera, failure))
                } else {
                    Ok(())
                };
            }
            status.enter(failure.kind.into(), &failure.message());
            let _ = gate.interrupt().wait(pause);
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        Ok(())
    }
}

/// Hands frames on until the source fails or must stop. Leaves no picture behind in its own buffer.
fn stream(
    context: &Context,
    source: &mut dyn Source,
    permit: Permit<'_>,
    status: &mut StatusLog<'_>,
    pause: &mut Duration,
) -> Stopped {
    let mut frame = Frame::default();
    let mut was_corrupt = false;
    let stopped = loop {
        if must_stop(context, permit) {
            break Stopped::Requested;
        }
        match source.next(&mut frame, context.gate.interrupt()) {
            Ok(()) => {
                // First the status: reports are ignored while the camera is not ok.
                if permit.is_valid() {
                    status.enter_ok(source);
                }
                // A frame that was taken before the gate closed must not reach the slot afterwards.
                if !context.slot.put_if(&mut frame, || permit.is_valid()) {
                    break Stopped::Requested;
                }
                context.metrics.count_captured();
                *pause = FIRST_PAUSE;
                was_corrupt = false;
            }
            // An interrupted wait ends with an error too.
            Err(_) if must_stop(context, permit) => break Stopped::Requested,
            Err(error) if error.kind == CaptureKind::Corrupt => {
                context.metrics.count_corrupt();
                if !was_corrupt {
                    tracing::warn!(reason = %error, "a frame was unusable");
                }
                was_corrupt = true;
            }
            Err(error) => break Stopped::Failed(error),
        }
    };
    frame.clear();
    stopped
}

fn must_stop(context: &Context, permit: Permit<'_>) -> bool {
    context.shutdown.is_raised() || !permit.is_valid()
}

/// Publishes and logs the camera's status when it changes, and only then.
struct StatusLog<'a> {
    context: &'a Context,
    last: Option<Status>,
}

/// A status with its reason.
struct Status {
    status: CameraStatus,
    reason: String,
}

impl<'a> StatusLog<'a> {
    fn new(context: &'a Context) -> Self {
        Self { context, last: None }
    }

    /// The source has delivered a frame.
    fn enter_ok(&mut self, source: &dyn Source) {
        let is_ok = self
            .last
            .as_ref()
            .is_some_and(|last| last.status == CameraStatus::Ok);
        if !is_ok {
            self.enter(CameraStatus::Ok, &describe(source));
        }
    }

    fn enter(&mut self, status: CameraStatus, reason: &str) {
        self.context.metrics.set_camera_open(status == CameraStatus::Ok);
        let last = self.last.as_ref();
        if last.is_some_and(|last| last.status == status && last.reason == reason) {
            return;
        }
        match status {
            CameraStatus::Ok => tracing::info!(stream = reason, "camera is delivering"),
            CameraStatus::Disabled => tracing::info!(reason, "camera is off"),
            _ => tracing::warn!(?status, reason, "camera is unusable"),
        }
        self.context.sink.camera(status, reason);
        self.last = Some(Status {
            status,
            reason: reason.to_owned(),
        });
    }
}

fn describe(source: &dyn Source) -> String {
    let stream = source.stream();
    let rate = stream
        .rate
        .map_or(String::new(), |rate| format!(" at {rate:.1}/s"));
    format!(
        "{}: {} {}x{}{rate}",
        stream.name, stream.format, stream.width, stream.height
    )
}

/// Failures that another attempt a moment later will not mend; systemd tries again with its own backoff.
fn is_permanent(kind: CaptureKind) -> bool {
    matches!(
        kind,
        CaptureKind::Busy | CaptureKind::Denied | CaptureKind::Unsupported
    )
}

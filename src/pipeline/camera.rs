//! The capture thread: opens the camera while the privacy gate is open, hands on its newest frame, and opens the
//! camera again after it was lost.

use std::time::Duration;

use super::{Context, Metrics, Sink};
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
    /// Only if the very first attempt shows a permanent failure: another program holds the device, access is denied,
    /// or no format can be used. A missing camera is waited for, and so is one that worked before.
    pub fn run(mut self) -> Result<(), Failure> {
        let result = self.run_until_stopped();
        self.context.slot.close();
        result
    }

    fn run_until_stopped(&mut self) -> Result<(), Failure> {
        let context = self.context.clone();
        let Context { gate, metrics, .. } = &context;
        let mut status = StatusLog::new(&*context.sink, metrics);
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
            let failure = match self.opener.open() {
                Ok(mut source) => {
                    opened_before = true;
                    // The camera is open. Its status becomes `ok` only once a frame arrives.
                    metrics.set_camera_open(true);
                    match self.stream(&mut *source, permit, &mut status, &mut pause) {
                        Stopped::Requested => continue,
                        Stopped::Failed(error) => error,
                    }
                }
                Err(_) if self.must_stop(permit) => continue,
                Err(error) if !opened_before && is_permanent(error.kind) => {
                    // Publish the reason too: subscribers often have no access to the journal.
                    status.enter(error.kind.into(), &error.reason);
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
            status.enter(failure.kind.into(), &failure.reason);
            let _ = gate.interrupt().wait(pause);
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        Ok(())
    }

    /// Hands frames on until the source fails or must stop. Leaves no picture behind in its own buffer.
    fn stream(
        &self,
        source: &mut dyn Source,
        permit: Permit<'_>,
        status: &mut StatusLog<'_>,
        pause: &mut Duration,
    ) -> Stopped {
        let mut frame = Frame::default();
        let stopped = self.stream_into(&mut frame, source, permit, status, pause);
        frame.clear();
        stopped
    }

    fn stream_into(
        &self,
        frame: &mut Frame,
        source: &mut dyn Source,
        permit: Permit<'_>,
        status: &mut StatusLog<'_>,
        pause: &mut Duration,
    ) -> Stopped {
        let mut is_first = true;
        let mut was_corrupt = false;
        while !self.must_stop(permit) {
            match source.next(frame) {
                Ok(()) => {
                    // First the status: reports are ignored while the camera is not ok.
                    if is_first && permit.is_valid() {
                        status.enter(CameraStatus::Ok, &describe(source));
                        is_first = false;
                    }
                    // A frame that was taken before the gate closed must not reach the slot afterwards.
                    if !self.context.slot.put_if(frame, || permit.is_valid()) {
                        return Stopped::Requested;
                    }
                    self.context.metrics.count_captured();
                    *pause = FIRST_PAUSE;
                    was_corrupt = false;
                }
                // An interrupted wait ends with an error too.
                Err(_) if self.must_stop(permit) => return Stopped::Requested,
                Err(error) if error.kind == CaptureKind::Corrupt => {
                    self.context.metrics.count_corrupt();
                    if !was_corrupt {
                        tracing::warn!(reason = %error, "a frame was unusable");
                    }
                    was_corrupt = true;
                }
                Err(error) => return Stopped::Failed(error),
            }
        }
        Stopped::Requested
    }

    fn must_stop(&self, permit: Permit<'_>) -> bool {
        self.context.shutdown.is_raised() || !permit.is_valid()
    }
}

/// Publishes and logs the camera's status when it changes, and only then.
struct StatusLog<'a> {
    sink: &'a dyn Sink,
    metrics: &'a Metrics,
    last: Option<(CameraStatus, String)>,
}

impl<'a> StatusLog<'a> {
    fn new(sink: &'a dyn Sink, metrics: &'a Metrics) -> Self {
        Self {
            sink,
            metrics,
            last: None,
        }
    }

    fn enter(&mut self, status: CameraStatus, reason: &str) {
        self.metrics.set_camera_open(status == CameraStatus::Ok);
        if self
            .last
            .as_ref()
            .is_some_and(|(was, why)| *was == status && why == reason)
        {
            return;
        }
        match status {
            CameraStatus::Ok => tracing::info!(stream = reason, "camera is delivering"),
            CameraStatus::Disabled => tracing::info!(reason, "camera is off"),
            _ => tracing::warn!(?status, reason, "camera is unusable"),
        }
        self.sink.camera(status, reason);
        self.last = Some((status, reason.to_owned()));
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

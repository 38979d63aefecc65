//! The capture thread: opens the camera while the privacy gate is open, passes on its newest frame, and
//! reopens the camera after it was lost.

use std::time::Duration;

use super::Context;
use crate::{
    capture::{CameraStatus, CaptureError, CaptureKind, Frame, Opener, Source},
    error::{Exit, Failure},
    privacy::Permit,
};

/// First backoff between attempts to open the camera: a replugged camera should be back at once.
const FIRST_BACKOFF: Duration = Duration::from_millis(500);

/// Longest backoff: a source that fails soon after every start must not be reopened all the time.
const LONGEST_BACKOFF: Duration = Duration::from_secs(8);

/// After a source has delivered frames for this long, its next failure starts the backoff at its shortest.
const STEADY: Duration = Duration::from_secs(10);

/// How often a closed privacy gate is polled, in case it has opened or has a new reason.
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
        let state = &*context.camera;
        let mut backoff = FIRST_BACKOFF;
        let mut opened_before = false;
        while !context.shutdown.is_raised() {
            let Some(permit) = gate.permit() else {
                if let Some(reason) = gate.privacy().reason() {
                    state.closed(CameraStatus::Disabled, &reason);
                }
                let _ = context.shutdown.wait(GATE_POLL);
                if gate.permit().is_none() {
                    opener.discard();
                }
                continue;
            };
            state.opening(context.clock.now());
            let failure = match opener.open(gate.interrupt()) {
                Ok(mut source) => {
                    opened_before = true;
                    state.opened(context.clock.now(), source.stream().to_string());
                    match stream(context, &mut *source, permit, &mut backoff) {
                        Stopped::Requested => continue,
                        Stopped::Failed(error) => error,
                    }
                }
                Err(_) if must_stop(context, permit) => continue,
                Err(error) if !opened_before && is_permanent(error.kind) => {
                    // Publish the reason too: subscribers often have no access to the journal.
                    state.closed(error.kind.into(), &error.message());
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
            state.closed(failure.kind.into(), &failure.message());
            opener.discard();
            let _ = gate.interrupt().wait(backoff);
            backoff = (backoff * 2).min(LONGEST_BACKOFF);
        }
        Ok(())
    }
}

/// Passes frames on until the source fails or must stop. Leaves no picture behind in its own buffer.
fn stream(context: &Context, source: &mut dyn Source, permit: Permit<'_>, backoff: &mut Duration) -> Stopped {
    let opened = context.clock.now();
    let mut frame = Frame::default();
    let mut last: Option<u64> = None;
    let stopped = loop {
        if must_stop(context, permit) {
            break Stopped::Requested;
        }
        match source.next(&mut frame, context.gate.interrupt()) {
            Ok(()) => {
                let expected = last.map_or(frame.sequence, |last| last + 1);
                context
                    .metrics
                    .count_lost(frame.sequence.saturating_sub(expected));
                last = Some(frame.sequence);
                // A frame that was captured before the gate closed must not reach the slot afterwards.
                if !context.slot.put_if(&mut frame, || permit.is_valid()) {
                    break Stopped::Requested;
                }
                context.metrics.count_captured();
                if context.clock.now().saturating_sub(opened) >= STEADY {
                    *backoff = FIRST_BACKOFF;
                }
            }
            // An interrupted wait ends with an error too.
            Err(_) if must_stop(context, permit) => break Stopped::Requested,
            Err(error) if error.kind == CaptureKind::Corrupt => {
                context.metrics.count_corrupt();
                context.camera.unusable(context.clock.now(), &error);
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

/// Failures that a retry a moment later will not fix; systemd retries with its own backoff.
fn is_permanent(kind: CaptureKind) -> bool {
    matches!(
        kind,
        CaptureKind::Busy | CaptureKind::Denied | CaptureKind::Unsupported
    )
}

//! The capture thread: opens the camera, hands on its newest frame, and opens it again when it was lost.

use std::time::Duration;

use super::{Figures, Sink};
use crate::{
    capture::{CaptureError, CaptureKind, Frame, Opener, Slot, Source},
    error::{Exit, Failure},
    interrupt::Interrupt,
    publish::payload::CameraStatus,
    shutdown::Shutdown,
};

/// First and longest pause between two attempts to open the camera: a replugged camera should be back at
/// once, a program that fails at every start must not be started all the time.
const PAUSE: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(8));

/// How often a switched-off camera looks whether it may be switched on.
const PRIVACY_POLL: Duration = Duration::from_millis(100);

pub(super) struct CameraLoop<'a> {
    pub opener: Box<dyn Opener>,
    pub slot: &'a Slot,
    pub sink: &'a dyn Sink,
    pub figures: &'a Figures,
    pub shutdown: &'a Shutdown,
}

/// Why a running source stopped.
enum Stopped {
    /// Shutdown or privacy: not a failure.
    Asked,
    Failed(CaptureError),
}

impl CameraLoop<'_> {
    /// Runs until shutdown or the end of a finite source, and closes the slot then.
    ///
    /// # Errors
    /// Only when the very first attempt shows that waiting will not help: the device is held by
    /// another program, forbidden, or has no usable format. A missing camera is waited for, and one that
    /// worked before may do anything.
    pub fn run(mut self) -> Result<(), Failure> {
        let result = self.run_until_asked();
        self.slot.close();
        result
    }

    fn run_until_asked(&mut self) -> Result<(), Failure> {
        let mut status = StatusLog::new(self.sink, self.figures);
        let mut pause = PAUSE.0;
        let mut opened_before = false;
        let interrupt = Interrupt::new().map_err(|error| Failure::new(Exit::Software, error))?;
        while !self.shutdown.is_raised() {
            if let Some(reason) = self.sink.privacy_reason() {
                status.enter(CameraStatus::Disabled, &reason);
                let _ = self.shutdown.wait(PRIVACY_POLL);
                continue;
            }
            let failure = match self.opener.open(&interrupt) {
                Ok(mut source) => {
                    opened_before = true;
                    // It may look from now on; that it delivers is told with its first frame.
                    self.figures.set_sensing(true);
                    match self.stream(&mut *source, &interrupt, &mut status, &mut pause) {
                        Stopped::Asked => continue,
                        Stopped::Failed(error) => error,
                    }
                }
                Err(error) if !opened_before && is_hopeless(error.kind) => {
                    // Who subscribes is often nearer than who can read the journal.
                    status.enter(status_of(error.kind), &error.message());
                    return Err(Failure::new(Exit::Camera, error));
                }
                Err(error) => error,
            };
            if failure.kind == CaptureKind::Ended {
                let empty = self.figures.captured_frames() == 0;
                return if empty {
                    Err(Failure::new(Exit::Camera, failure))
                } else {
                    Ok(())
                };
            }
            status.enter(status_of(failure.kind), &failure.message());
            let _ = self.shutdown.wait(pause);
            pause = (pause * 2).min(PAUSE.1);
        }
        Ok(())
    }

    /// Hands frames on until the source fails or somebody asks to stop.
    fn stream(
        &self,
        source: &mut dyn Source,
        interrupt: &Interrupt,
        status: &mut StatusLog,
        pause: &mut Duration,
    ) -> Stopped {
        let mut frame = Frame::default();
        let mut first = true;
        let mut corrupt = false;
        while !self.shutdown.is_raised() && !self.sink.is_private() {
            match source.next(&mut frame, interrupt) {
                Ok(()) => {
                    if first {
                        status.enter(CameraStatus::Ok, &describe(source));
                        first = false;
                    }
                    self.slot.put(&mut frame);
                    self.figures.count_captured();
                    *pause = PAUSE.0;
                    corrupt = false;
                }
                Err(error) if error.kind == CaptureKind::Corrupt => {
                    self.figures.count_corrupt();
                    if !corrupt {
                        tracing::warn!(reason = %error, "a frame was unusable");
                    }
                    corrupt = true;
                }
                Err(error) => return Stopped::Failed(error),
            }
        }
        Stopped::Asked
    }
}

/// Publishes and logs the camera's state when it changes, and only then.
struct StatusLog<'a> {
    sink: &'a dyn Sink,
    figures: &'a Figures,
    last: Option<(CameraStatus, String)>,
}

impl<'a> StatusLog<'a> {
    fn new(sink: &'a dyn Sink, figures: &'a Figures) -> Self {
        Self {
            sink,
            figures,
            last: None,
        }
    }

    fn enter(&mut self, status: CameraStatus, reason: &str) {
        self.figures.set_sensing(status == CameraStatus::Ok);
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

/// Failures that a second attempt a moment later will not mend; systemd tries again with its own backoff.
fn is_hopeless(kind: CaptureKind) -> bool {
    matches!(
        kind,
        CaptureKind::Busy | CaptureKind::Denied | CaptureKind::Unsupported
    )
}

fn status_of(kind: CaptureKind) -> CameraStatus {
    match kind {
        CaptureKind::Missing | CaptureKind::Ended => CameraStatus::Missing,
        CaptureKind::Stalled | CaptureKind::Interrupted => CameraStatus::Stalled,
        CaptureKind::Busy | CaptureKind::Denied | CaptureKind::Unsupported | CaptureKind::Corrupt => {
            CameraStatus::Unsupported
        }
    }
}

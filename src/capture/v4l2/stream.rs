//! A running camera, which always delivers its newest frame.

use std::{io, os::fd::AsFd, path::PathBuf, sync::Arc, time::Duration};

use affectd_sys::v4l2::{Buffer, MmapStream, Wake};
use rustix::time::{ClockId, clock_gettime};

use super::{
    device::{Device, failure},
    negotiate::Negotiated,
};
use crate::{
    capture::{
        frame::Frame,
        pause::{LONGEST_WAIT, PauseDetector},
        source::{CaptureError, CaptureKind, Source, Stream},
        timeouts::Timeouts,
    },
    clock::Clock,
    interrupt::Interrupt,
    text,
};

/// Buffers that the driver may fill ahead.
const BUFFERS: u32 = 4;

/// A camera that is running. Dropping it stops the camera and closes the node.
pub(super) struct V4l2Source {
    path: PathBuf,
    buffers: MmapStream,
    negotiated: Negotiated,
    stream: Stream,
    /// Timeout for the next frame; longer before the first.
    timeout: Duration,
    timeouts: Timeouts,
    clock: Arc<dyn Clock>,
    pauses: PauseDetector,
    sequence: u64,
    /// The driver's own frame counter, which wraps.
    driver_sequence: Option<u32>,
}

impl V4l2Source {
    /// Maps the buffers, queues them and starts the camera.
    pub(super) fn start(
        device: Device,
        negotiated: Negotiated,
        stream: Stream,
        timeouts: Timeouts,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, CaptureError> {
        let Device { path, node } = device;
        let buffers = MmapStream::new(node, BUFFERS)
            .map_err(|error| failure(&path, "does not allocate buffers", error))?;
        buffers
            .start()
            .map_err(|error| failure(&path, "does not start streaming", error))?;
        Ok(Self {
            path,
            buffers,
            negotiated,
            stream,
            timeout: timeouts.start,
            timeouts,
            pauses: PauseDetector::new(Arc::clone(&clock)),
            clock,
            sequence: 0,
            driver_sequence: None,
        })
    }

    /// Drains the driver's queue and copies its newest good buffer into `frame`; the others are requeued at
    /// once. Returns whether there was a good one, and adds the number of damaged ones to `damaged`.
    fn newest(&mut self, frame: &mut Frame, damaged: &mut u32) -> Result<bool, CaptureError> {
        let refused = |error| failure(&self.path, "does not take a buffer back", error);
        let mut newest: Option<Buffer<'_>> = None;
        // No more than there are: a fast camera refills them in the meantime.
        for _ in 0..self.buffers.count() {
            let Some(buffer) = self.buffers.dequeue().map_err(|error| self.no_frame(error))? else {
                break;
            };
            if buffer.is_damaged() {
                *damaged += 1;
                buffer.queue().map_err(refused)?;
            } else if let Some(older) = newest.replace(buffer) {
                older.queue().map_err(refused)?;
            }
        }
        let Some(buffer) = newest else {
            return Ok(false);
        };
        buffer.copy_into(&mut frame.data);
        let (driver_sequence, captured) = (buffer.sequence(), buffer.captured());
        buffer.queue().map_err(refused)?;
        frame.format = self.negotiated.format;
        (frame.width, frame.height) = (self.negotiated.width, self.negotiated.height);
        frame.stride = self.negotiated.stride;
        frame.color = self.negotiated.color;
        // Some drivers do not count frames. Each frame then counts as one more.
        let step = self
            .driver_sequence
            .map_or(1, |last| driver_sequence.wrapping_sub(last).max(1));
        self.driver_sequence = Some(driver_sequence);
        self.sequence += u64::from(step);
        frame.sequence = self.sequence;
        let age = captured.and_then(age).unwrap_or_default();
        frame.captured = self.clock.now().saturating_sub(age);
        Ok(true)
    }

    fn no_frame(&self, error: io::Error) -> CaptureError {
        if error.kind() == io::ErrorKind::InvalidData {
            return CaptureError::caused_by(
                CaptureKind::Stalled,
                format!("{} does not work", text::path(&self.path)),
                error,
            );
        }
        failure(&self.path, "does not deliver a frame", error)
    }

    fn stalled(&self, damaged: u32) -> CaptureError {
        let seconds = self.timeout.as_secs_f32();
        let seen = if damaged > 0 {
            format!(", only {damaged} damaged ones: check the cable and the USB port")
        } else {
            String::new()
        };
        CaptureError::new(
            CaptureKind::Stalled,
            format!(
                "{} delivered no frame within {seconds:.1} s{seen}",
                text::path(&self.path)
            ),
        )
    }
}

impl Source for V4l2Source {
    fn next(&mut self, frame: &mut Frame, interrupt: &Interrupt) -> Result<(), CaptureError> {
        let mut deadline = self.clock.now() + self.timeout;
        let mut damaged = 0;
        loop {
            let left = deadline.saturating_sub(self.clock.now());
            let wake = self
                .buffers
                .wait(interrupt.as_fd(), left.min(LONGEST_WAIT))
                .map_err(|error| failure(&self.path, "cannot be polled", error))?;
            let paused = self.pauses.check();
            if paused.is_some() {
                // During the pause, no frame could be taken, or even captured.
                deadline = self.clock.now() + self.timeout;
            }
            match wake {
                Wake::Interrupted => return Err(CaptureError::interrupted()),
                Wake::Ready | Wake::Failed if self.newest(frame, &mut damaged)? => {
                    // The driver filled its buffers when the pause began. Its timestamps do not show that the
                    // machine was suspended.
                    frame.captured = frame.captured.min(paused.unwrap_or(frame.captured));
                    self.timeout = self.timeouts.frame;
                    return Ok(());
                }
                // The driver keeps reporting the error: polling again would spin.
                Wake::Failed => {
                    return Err(CaptureError::new(
                        CaptureKind::Missing,
                        format!(
                            "{} stopped streaming; it was probably unplugged",
                            text::path(&self.path)
                        ),
                    ));
                }
                Wake::Ready | Wake::Timeout => {}
            }
            if self.clock.now() >= deadline {
                return Err(self.stalled(damaged));
            }
        }
    }

    fn stream(&self) -> &Stream {
        &self.stream
    }
}

impl Drop for V4l2Source {
    fn drop(&mut self) {
        // A camera that is gone cannot be stopped; closing the node stops any other.
        if let Err(error) = self.buffers.stop() {
            tracing::debug!(device = %text::path(&self.path), %error, "the camera cannot be stopped");
        }
    }
}

/// How long ago a frame was captured, given its time on `CLOCK_MONOTONIC`, if that is plausible.
fn age(captured: Duration) -> Option<Duration> {
    let now = clock_gettime(ClockId::Monotonic);
    let now = Duration::new(u64::try_from(now.tv_sec).ok()?, u32::try_from(now.tv_nsec).ok()?);
    now.checked_sub(captured)
        .filter(|age| *age < Duration::from_secs(5))
}

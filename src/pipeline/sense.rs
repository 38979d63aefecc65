//! The sensing thread: newest frame in, report out.

use std::time::Duration;

use super::Context;
use crate::{
    capture::{Decoder, Frame, Recv},
    error::{Exit, Failure},
    health::Stage,
    picture::Picture,
    sense::{FrameTime, Sensor},
};

/// How long to wait for a frame before looking at the privacy gate again.
const WAIT: Duration = Duration::from_millis(100);

pub(super) struct SenseLoop {
    sensor: Sensor,
    context: Context,
}

/// What is reused from frame to frame.
#[derive(Default)]
struct Buffers {
    frame: Frame,
    picture: Picture,
    decoder: Decoder,
    /// Whether the last frame could not be decoded: another one is not worth a line in the log.
    was_undecodable: bool,
}

impl SenseLoop {
    pub fn new(sensor: Sensor, context: Context) -> Self {
        Self { sensor, context }
    }

    /// Runs until the slot is closed.
    ///
    /// # Errors
    /// When a network fails on a frame: that is a fault of the model or of the program, not of the frame.
    pub fn run(mut self) -> Result<(), Failure> {
        let mut buffers = Buffers::default();
        loop {
            match self.context.slot.take(&mut buffers.frame, WAIT) {
                Recv::Frame => self.sense(&mut buffers)?,
                Recv::Timeout => {}
                Recv::Closed => return Ok(()),
            }
            if self.context.gate.permit().is_none() {
                buffers.frame.clear();
                buffers.picture.clear();
            }
        }
    }

    /// Takes one frame through all stages, unless there is a reason to leave it out.
    fn sense(&mut self, buffers: &mut Buffers) -> Result<(), Failure> {
        let Context {
            gate,
            sink,
            metrics,
            clock,
            ..
        } = &self.context;
        // The slot is emptied when the gate closes, so that this frame was taken under this permit.
        let Some(permit) = gate.permit() else {
            return Ok(());
        };
        let frame = &buffers.frame;
        self.sensor.set_rate_fraction(metrics.rate_fraction());
        if !self.sensor.accepts(frame.captured) {
            return Ok(());
        }
        let start = clock.now();
        metrics.record_stage(start, Stage::Wait, start.saturating_sub(frame.captured));
        if let Err(error) = buffers.decoder.decode(frame, &mut buffers.picture) {
            metrics.count_undecodable();
            if !buffers.was_undecodable {
                tracing::warn!(reason = %error, "a frame could not be decoded");
            }
            buffers.was_undecodable = true;
            return Ok(());
        }
        buffers.was_undecodable = false;
        let mut last = clock.now();
        metrics.record_stage(start, Stage::Decode, last.saturating_sub(start));
        let time = FrameTime {
            captured: frame.captured,
            date: clock.local_date(),
        };
        let report = self
            .sensor
            .sense(&buffers.picture, time, &mut |stage| {
                let now = clock.now();
                metrics.record_stage(start, stage, now.saturating_sub(last));
                last = now;
            })
            .map_err(|error| Failure::new(Exit::Software, error))?;
        let sensed = clock.now();
        // What was seen before the gate closed is not reported after.
        if permit.is_valid() {
            sink.report(report);
        }
        let done = clock.now();
        metrics.record_stage(done, Stage::Publish, done.saturating_sub(sensed));
        metrics.record_stage(done, Stage::Total, done.saturating_sub(frame.captured));
        metrics.add_busy_time(done.saturating_sub(start));
        metrics.count_sensed(report.faces.len());
        Ok(())
    }
}

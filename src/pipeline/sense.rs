//! The sensing thread: newest frame in, report out.

use std::{sync::Arc, time::Duration};

use super::{Figures, Sink};
use crate::{
    capture::{Decoder, Frame, Slot, Taken},
    clock::Clock,
    error::{Exit, Failure},
    health::Stage,
    picture::Picture,
    sense::Sensor,
};

/// How long to wait for a frame before looking around again.
const WAIT: Duration = Duration::from_millis(200);

pub(super) struct SenseLoop<'a> {
    pub sensor: Sensor,
    pub slot: &'a Slot,
    pub sink: &'a dyn Sink,
    pub figures: &'a Figures,
    pub clock: Arc<dyn Clock>,
}

impl SenseLoop<'_> {
    /// Runs until the slot is closed.
    ///
    /// # Errors
    /// When a network fails on a frame: that is a fault of the model or of the program, not of the frame.
    pub fn run(mut self) -> Result<(), Failure> {
        let mut decoder = Decoder::default();
        let mut frame = Frame::default();
        let mut picture = Picture::default();
        let mut undecodable = false;
        loop {
            match self.slot.take(&mut frame, WAIT) {
                Taken::Frame => {}
                Taken::Timeout => continue,
                Taken::Closed => return Ok(()),
            }
            if self.sink.is_private() {
                continue;
            }
            self.sensor.set_rate_fraction(self.figures.kept());
            if !self.sensor.accepts(frame.captured) {
                continue;
            }
            let start = self.clock.now();
            self.figures
                .stage(start, Stage::Wait, start.saturating_sub(frame.captured));
            if let Err(error) = decoder.decode(&frame, &mut picture) {
                self.figures.count_undecodable();
                if !undecodable {
                    tracing::warn!(reason = %error, "a frame could not be decoded");
                }
                undecodable = true;
                continue;
            }
            undecodable = false;
            let mut last = self.clock.now();
            self.figures
                .stage(start, Stage::Decode, last.saturating_sub(start));
            let report = self
                .sensor
                .sense(&picture, frame.captured, &mut |stage| {
                    let now = self.clock.now();
                    self.figures.stage(start, stage, now.saturating_sub(last));
                    last = now;
                })
                .map_err(|error| Failure::new(Exit::Software, error))?;
            let sensed = self.clock.now();
            self.sink.report(report);
            let done = self.clock.now();
            self.figures
                .stage(done, Stage::Publish, done.saturating_sub(sensed));
            self.figures
                .stage(done, Stage::Total, done.saturating_sub(frame.captured));
            self.figures.count_work(done.saturating_sub(start));
            self.figures.count_sensed(report.faces.len());
        }
    }
}

//! The sensing thread: newest frame in, report out.

use std::{sync::Arc, time::Duration};

use super::{Figures, Sink};
use crate::{
    capture::{Decoder, Frame, LatestFrame, Taken},
    clock::Clock,
    error::{Exit, Failure},
    health::Stage,
    picture::Picture,
    sense::Sensor,
};

/// How long to wait for a frame before looking at the privacy switch again.
const WAIT: Duration = Duration::from_millis(200);

pub(super) struct SenseLoop<'a> {
    pub sensor: Sensor,
    pub slot: &'a LatestFrame,
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
                Taken::Nothing => continue,
                Taken::Closed => return Ok(()),
            }
            if self.sink.private() {
                continue;
            }
            let start = self.clock.now();
            if let Err(error) = decoder.decode(&frame, &mut picture) {
                self.figures.count_corrupt();
                if !undecodable {
                    tracing::warn!(reason = %error, "a frame could not be decoded");
                }
                undecodable = true;
                continue;
            }
            undecodable = false;
            let decoded = self.clock.now();
            self.figures.stage(Stage::Decode, decoded.saturating_sub(start));
            let report = self
                .sensor
                .sense(&picture, frame.captured, &mut |stage, time| self.figures.stage(stage, time))
                .map_err(|error| Failure::new(Exit::Software, error))?;
            self.sink.report(report);
            self.figures.count_sensed(report.faces.len());
            self.figures.stage(Stage::Total, self.clock.now().saturating_sub(frame.captured));
        }
    }
}

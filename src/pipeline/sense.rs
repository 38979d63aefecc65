//! The sensing thread: newest frame in, report out.

use std::time::Duration;

use super::{Context, SensorSource, frame_gaps::FrameGaps};
use crate::{
    capture::{Decoder, Frame, Recv},
    error::{Exit, Failure},
    health::{Metrics, Stage},
    luma::LumaGrid,
    picture::Picture,
    preview::LONGEST_SIDE,
    privacy::Permit,
    sense::{
        Admission, FrameTime, Sensor,
        resample::{Region, resample},
    },
};

/// How long to wait for a frame before looking at the privacy gate again.
const WAIT: Duration = Duration::from_millis(100);

/// Frames younger than this are never stale: the machine may be busy.
const MIN_STALE: Duration = Duration::from_secs(1);

/// How often to see whether the camera is open.
const OPEN_POLL: Duration = Duration::from_millis(10);

/// Loads the networks, unless they are loaded already, and senses until the slot is closed.
///
/// # Errors
/// If a network cannot be loaded or fails on a frame: that is a fault of the model or of the program, not of
/// the frame.
pub(super) fn run(sensor: SensorSource, context: Context) -> Result<(), Failure> {
    let sensor = match sensor {
        SensorSource::Loaded(sensor) => *sensor,
        SensorSource::OnceOpen { load, .. } => {
            let metrics = &context.metrics;
            while !metrics.is_camera_open() && metrics.captured_frames() == 0 {
                if context.slot.is_closed() || context.shutdown.wait(OPEN_POLL) {
                    return Ok(());
                }
            }
            let begun = context.clock.now();
            metrics.set_loading(true);
            let loaded = load();
            metrics.set_loading(false);
            let sensor = loaded?;
            let seconds = context.clock.now().saturating_sub(begun).as_secs_f64();
            tracing::info!(
                seconds = (seconds * 10.0).round() / 10.0,
                "the networks are loaded"
            );
            sensor
        }
    };
    SenseLoop::new(sensor, context).run()
}

struct SenseLoop {
    sensor: Sensor,
    context: Context,
    gaps: FrameGaps,
    /// Whether all faces are known to be lost.
    is_lost: bool,
}

/// Buffers that are reused from frame to frame.
#[derive(Default)]
struct Buffers {
    frame: Frame,
    luma: LumaGrid,
    picture: Picture,
    decoder: Decoder,
}

impl Buffers {
    /// Overwrites them with zeros.
    fn clear(&mut self) {
        self.frame.clear();
        self.luma.clear();
        self.picture.clear();
        self.decoder.clear();
    }
}

impl SenseLoop {
    fn new(sensor: Sensor, context: Context) -> Self {
        Self {
            sensor,
            context,
            gaps: FrameGaps::default(),
            is_lost: true,
        }
    }

    /// Runs until the slot is closed.
    ///
    /// # Errors
    /// If a network fails on a frame: that is a fault of the model or of the program, not of the frame.
    fn run(mut self) -> Result<(), Failure> {
        let mut buffers = Buffers::default();
        let gate = self.context.gate.clone();
        let mut permit = gate.permit();
        loop {
            self.context.slot.wait(WAIT);
            if !permit.is_some_and(Permit::is_valid) {
                if permit.is_some() {
                    buffers.clear();
                    self.sensor.lose_all();
                    self.is_lost = true;
                }
                permit = gate.permit();
            }
            // The slot is emptied when the gate closes: what it holds now was captured under this permit or a
            // later one, in which case this one is no longer valid.
            match (self.context.slot.take(&mut buffers.frame), permit) {
                (Recv::Frame, Some(permit)) => self.sense(&mut buffers, permit)?,
                (Recv::Frame, None) => buffers.frame.clear(),
                (Recv::Empty, _) => {}
                (Recv::Closed, _) => {
                    // At the end of a finite source, all faces are lost.
                    if !self.context.shutdown.is_raised() {
                        self.lose_all(permit);
                    }
                    return Ok(());
                }
            }
            let now = self.context.clock.now();
            let lost_after = self.lost_after();
            if self.gaps.since(now).is_some_and(|gap| gap >= lost_after) {
                self.lose_all(permit);
            }
        }
    }

    /// How long faces are kept without a usable frame. A camera may be slower than the setting assumes.
    fn lost_after(&self) -> Duration {
        self.sensor.lost_after().max(self.gaps.usual() * 2)
    }

    /// Ends all tracks, because the camera no longer shows anything, and reports it unless the gate has
    /// closed.
    fn lose_all(&mut self, permit: Option<Permit<'_>>) {
        if std::mem::replace(&mut self.is_lost, true) {
            return;
        }
        let report = self.sensor.lose_all();
        if permit.is_some_and(Permit::is_valid) {
            self.context.sink.report(report);
        }
    }

    /// Whether a frame has waited too long. If so, it is counted.
    fn is_stale(&self, captured: Duration, now: Duration) -> bool {
        let age = now.saturating_sub(captured);
        // The people in it may have left in the meantime.
        let is_stale = age >= self.lost_after().max(MIN_STALE);
        if is_stale {
            self.context.metrics.count_stale();
            tracing::debug!(?age, "a frame has waited for too long");
        }
        is_stale
    }

    /// Takes one frame through all stages, unless there is a reason to skip it.
    fn sense(&mut self, buffers: &mut Buffers, permit: Permit<'_>) -> Result<(), Failure> {
        if !permit.is_valid() {
            return Ok(());
        }
        let Buffers {
            frame,
            luma,
            picture,
            decoder,
        } = buffers;
        let start = self.context.clock.now();
        // While the camera is being aimed, every frame is wanted.
        let is_watched = self.context.preview.is_open(start);
        if self.is_stale(frame.captured, start)
            || !admit(
                &mut self.sensor,
                &self.context.metrics,
                frame.captured,
                is_watched,
            )
        {
            return Ok(());
        }
        let Context {
            sink,
            metrics,
            camera,
            clock,
            preview,
            ..
        } = &self.context;
        metrics.record_stage(start, Stage::Wait, start.saturating_sub(frame.captured));
        let decoded = decoder.decode_if(frame, luma, picture, |luma| {
            self.sensor.observe(luma, frame.captured) || is_watched
        });
        let picture = match decoded {
            Ok(picture) => picture,
            Err(error) => {
                metrics.count_undecodable();
                camera.unusable(clock.now(), &error);
                return Ok(());
            }
        };
        let mut last = clock.now();
        self.gaps.decoded(last);
        self.is_lost = false;
        if let Some(picture) = picture {
            preview.offer(last, permit, |small| shrink(picture, small));
        }
        // The status comes first: reports are ignored while the camera is not ok.
        camera.usable(last, permit);
        metrics.record_stage(start, Stage::Decode, last.saturating_sub(start));
        let time = FrameTime {
            captured: frame.captured,
            date: clock.local_date(),
        };
        let report = self
            .sensor
            .sense(picture, time, &mut |stage| {
                let now = clock.now();
                metrics.record_stage(start, stage, now.saturating_sub(last));
                last = now;
            })
            .map_err(|error| Failure::new(Exit::Software, error))?;
        let sensed = clock.now();
        // Frames captured before the gate closed are not reported afterwards.
        if permit.is_valid() {
            sink.report(report);
        }
        let done = clock.now();
        metrics.record_stage(done, Stage::Publish, done.saturating_sub(sensed));
        metrics.record_stage(done, Stage::Total, done.saturating_sub(frame.captured));
        metrics.add_busy_time(done.saturating_sub(start));
        metrics.count_sensed(report.faces.len());
        // Sensing itself may take longer than a face is kept for.
        self.gaps.finished(done);
        Ok(())
    }
}

/// Whether to sense a frame. A frame that needs no work is counted. While the preview is watched, every frame
/// is wanted.
fn admit(sensor: &mut Sensor, metrics: &Metrics, captured: Duration, is_watched: bool) -> bool {
    sensor.set_rate_fraction(metrics.rate_fraction());
    match sensor.admit(captured) {
        Admission::Shed => false,
        Admission::Rest if !is_watched => {
            metrics.count_sensed(0);
            false
        }
        Admission::Rest | Admission::Sense => true,
    }
}

/// Fills `small` with `picture`, reduced so its longer side has at most [`LONGEST_SIDE`] pixels.
fn shrink(picture: &Picture, small: &mut Picture) {
    let (width, height) = (picture.width(), picture.height());
    let scale = (f64::from(LONGEST_SIDE) / f64::from(width.max(height).max(1))).min(1.0);
    let scaled = |side: u32| ((f64::from(side) * scale).round() as u32).max(1);
    let (columns, rows) = (scaled(width), scaled(height));
    let rgb = small.reset(columns, rows);
    let size = (columns as usize, rows as usize);
    resample(picture, &Region::whole(picture), size, |row, column, mean| {
        let start = (row * size.0 + column) * 3;
        rgb[start..start + 3].copy_from_slice(&mean.map(|channel| channel.round() as u8));
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shrinking_keeps_proportions_and_positions() {
        let mut picture = Picture::default();
        // The right half is white.
        for (index, byte) in picture.reset(960, 540).iter_mut().enumerate() {
            *byte = if index / 3 % 960 < 480 { 0 } else { 255 };
        }
        let mut small = Picture::default();
        shrink(&picture, &mut small);
        assert_eq!((small.width(), small.height()), (480, 270));
        assert_eq!(small.rgb()[..3], [0, 0, 0]);
        assert_eq!(small.rgb()[479 * 3..480 * 3], [255, 255, 255]);

        picture.reset(20, 30).fill(7);
        shrink(&picture, &mut small);
        assert_eq!((small.width(), small.height()), (20, 30), "it is never enlarged");
        assert_eq!(small.rgb(), picture.rgb());
    }
}

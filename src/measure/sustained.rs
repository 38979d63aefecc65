//! Performance over time: a board that heats up slows down, which a single mean would hide.

use std::{
    fmt,
    time::{Duration, Instant},
};

use serde::Serialize;

use crate::health::{Board, clock_mhz};

/// Time between two samples.
const INTERVAL: Duration = Duration::from_secs(10);

/// Minimum number of samples for a statement about heat: one minute.
const MIN_SAMPLES: usize = 6;

/// The state of the board, and its speed since the previous sample.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Sample {
    /// Seconds since the measurement began.
    seconds: f64,
    /// Frames per second of processing time since the previous sample.
    fps: f64,
    /// Degrees Celsius, as in [`Board`].
    temperature_c: Option<f32>,
    /// Throttle bits, as in [`Board`].
    throttled: Option<u32>,
    /// Clock frequency of the first core.
    clock_mhz: Option<u32>,
}

/// The samples of one measurement.
#[derive(Debug)]
pub struct Timeline {
    start: Instant,
    last_sample: Instant,
    frames: u64,
    busy: Duration,
    samples: Vec<Sample>,
}

impl Timeline {
    /// Starts now.
    pub fn start() -> Self {
        let now = Instant::now();
        Self {
            start: now,
            last_sample: now,
            frames: 0,
            busy: Duration::ZERO,
            samples: Vec::new(),
        }
    }

    /// Takes a sample if one is due. `frames` and `busy` are totals since the start.
    pub fn tick(&mut self, frames: u64, busy: Duration) {
        if self.last_sample.elapsed() < INTERVAL {
            return;
        }
        let board = Board::read();
        self.samples.push(Sample {
            seconds: self.start.elapsed().as_secs_f64(),
            fps: (frames - self.frames) as f64 / (busy - self.busy).as_secs_f64(),
            temperature_c: board.temperature_c,
            throttled: board.throttled,
            clock_mhz: clock_mhz(),
        });
        (self.frames, self.busy) = (frames, busy);
        self.last_sample = Instant::now();
    }

    /// All samples, oldest first.
    pub fn into_samples(self) -> Vec<Sample> {
        self.samples
    }
}

/// Summary of a timeline.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct SustainedPerformance {
    /// Speed in the last third of the time as a share of the speed in the first third. A board that does not
    /// slow down has 1.
    pub sustained: f64,
    /// Highest temperature in degrees Celsius.
    pub hottest_c: Option<f32>,
    /// Union of the throttle bits of all samples.
    pub throttled: Option<u32>,
}

impl fmt::Display for SustainedPerformance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "speed in the last third: {:.2} of the first", self.sustained)?;
        if let Some(degrees) = self.hottest_c {
            write!(f, ", at most {degrees:.1} °C")?;
        }
        match self.throttled {
            None => Ok(()),
            Some(0) => write!(f, ", never throttled"),
            Some(bits) => write!(f, ", throttle bits {bits:#x}"),
        }
    }
}

impl SustainedPerformance {
    /// `None` for measurements of less than a minute.
    pub fn of(samples: &[Sample]) -> Option<Self> {
        if samples.len() < MIN_SAMPLES {
            return None;
        }
        let third = samples.len() / 3;
        let rate = |samples: &[Sample]| samples.iter().map(|sample| sample.fps).sum::<f64>() / third as f64;
        let temperatures = samples.iter().filter_map(|sample| sample.temperature_c);
        let bits = samples.iter().filter_map(|sample| sample.throttled);
        Some(Self {
            sustained: rate(&samples[samples.len() - third..]) / rate(&samples[..third]),
            hottest_c: temperatures.reduce(f32::max),
            throttled: bits.reduce(|all, bits| all | bits),
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn sample(fps: f64, temperature_c: Option<f32>, throttled: Option<u32>) -> Sample {
        Sample {
            seconds: 0.0,
            fps,
            temperature_c,
            throttled,
            clock_mhz: None,
        }
    }

    #[test]
    fn the_last_third_is_compared_with_the_first() {
        let mut samples = vec![sample(10.0, Some(50.0), Some(0)); 3];
        samples.extend([sample(9.0, Some(81.5), Some(0x8)), sample(9.0, None, None)]);
        assert_eq!(SustainedPerformance::of(&samples), None);
        samples.extend([sample(8.0, Some(80.0), Some(0x8_0000)); 4]);
        let found = SustainedPerformance::of(&samples).unwrap();
        assert!((found.sustained - 0.8).abs() < 1e-9, "{found:?}");
        assert_eq!((found.hottest_c, found.throttled), (Some(81.5), Some(0x8_0008)));
        let unknown = SustainedPerformance::of(&vec![sample(1.0, None, None); 6]).unwrap();
        assert_eq!((unknown.hottest_c, unknown.throttled), (None, None));
    }
}

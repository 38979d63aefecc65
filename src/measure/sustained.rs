//! How a measurement went on over time: a board that gets hot becomes slower, which one mean would hide.

use std::{
    fmt,
    time::{Duration, Instant},
};

use serde::Serialize;

use crate::health::{Board, clock_mhz};

/// Time between two samples.
const EVERY: Duration = Duration::from_secs(10);

/// The last ten seconds at one moment.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Sample {
    /// Since the measurement began.
    seconds: f64,
    /// Frames a second of work since the sample before.
    fps: f64,
    /// As in [`Board`], now.
    temperature_c: Option<f32>,
    /// As in [`Board`], now.
    throttled: Option<u32>,
    /// The first core's clock now.
    clock_mhz: Option<u32>,
}

/// The samples of one measurement.
#[derive(Debug)]
pub struct Course {
    begun: Instant,
    sampled: Instant,
    frames: u64,
    busy: Duration,
    samples: Vec<Sample>,
}

impl Course {
    /// Begins now.
    pub fn start() -> Self {
        let now = Instant::now();
        Self {
            begun: now,
            sampled: now,
            frames: 0,
            busy: Duration::ZERO,
            samples: Vec::new(),
        }
    }

    /// Takes a sample if one is due, after `frames` frames altogether that the machine was `busy` with.
    pub fn tick(&mut self, frames: u64, busy: Duration) {
        if self.sampled.elapsed() < EVERY {
            return;
        }
        let board = Board::read();
        self.samples.push(Sample {
            seconds: self.begun.elapsed().as_secs_f64(),
            fps: (frames - self.frames) as f64 / (busy - self.busy).as_secs_f64(),
            temperature_c: board.temperature_c,
            throttled: board.throttled,
            clock_mhz: clock_mhz(),
        });
        (self.frames, self.busy) = (frames, busy);
        self.sampled = Instant::now();
    }

    /// All samples, oldest first.
    pub fn samples(&self) -> &[Sample] {
        &self.samples
    }
}

/// What the samples of a measurement come to.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Steadiness {
    /// Frames a second of the last third of the time, as a share of the first third's: 1 is a board that stays as fast as it began.
    pub sustained: f64,
    /// Degrees Celsius.
    pub hottest_c: Option<f32>,
    /// All throttle bits that were seen.
    pub throttled: Option<u32>,
}

impl fmt::Display for Steadiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "last third at {:.2} of the first third's speed",
            self.sustained
        )?;
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

impl Steadiness {
    /// `None` with fewer than six samples: a minute tells nothing about heat.
    pub fn of(samples: &[Sample]) -> Option<Self> {
        if samples.len() < 6 {
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
    fn heat_shows_in_the_last_third() {
        let mut samples = vec![sample(10.0, Some(50.0), Some(0)); 3];
        samples.extend([sample(9.0, Some(81.5), Some(0x8)), sample(9.0, None, None)]);
        assert_eq!(Steadiness::of(&samples), None);
        samples.extend([sample(8.0, Some(80.0), Some(0x8_0000)); 4]);
        let found = Steadiness::of(&samples).unwrap();
        assert!((found.sustained - 0.8).abs() < 1e-9, "{found:?}");
        assert_eq!((found.hottest_c, found.throttled), (Some(81.5), Some(0x8_0008)));
        let unknown = Steadiness::of(&vec![sample(1.0, None, None); 6]).unwrap();
        assert_eq!((unknown.hottest_c, unknown.throttled), (None, None));
    }
}

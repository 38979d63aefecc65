//! How often the sensor does each piece of work.

use std::time::Duration;

use crate::config::{Settings, Smoothing};

/// The longest time between two runs of the following detector for a slow face. If it starts to move at two
/// widths per second, it moves by half of what the tracker allows before the next run.
const MAX_FOLLOW: Duration = Duration::from_millis(200);

/// Mean intervals between two pieces of work.
#[derive(Debug, Clone, Copy)]
pub struct Intervals {
    /// Frames.
    pub frame: Duration,
    /// Searches of the whole picture.
    pub search: Duration,
    /// Runs of the following detector while all faces move slowly.
    pub follow: Duration,
    /// Classifications of one face.
    pub classify: Duration,
}

impl Intervals {
    /// At the full rate.
    #[must_use]
    pub fn full(settings: &Settings) -> Self {
        let classify = Duration::from_secs_f32(1.0 / settings.expression.rate);
        Self {
            frame: Duration::from_secs_f32(1.0 / settings.camera.rate),
            search: settings.detect.interval,
            follow: classify.min(MAX_FOLLOW),
            classify,
        }
    }

    /// At the fraction `rate_fraction` of the full rate. Predictions further apart than the smoothing's gap
    /// would each reset the means, so the gap limits the interval between classifications.
    pub fn at(&self, rate_fraction: f32, smoothing: &Smoothing) -> Self {
        Self {
            frame: self.frame.div_f32(rate_fraction),
            search: self.search.div_f32(rate_fraction),
            follow: self.follow,
            classify: self
                .classify
                .div_f32(rate_fraction)
                .min(smoothing.gap.mul_f32(0.9))
                .max(self.classify),
        }
    }
}

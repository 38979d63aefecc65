//! How often the sensor does what.

use std::time::Duration;

use crate::config::Smoothing;

/// Mean intervals between two pieces of work.
#[derive(Debug, Clone, Copy)]
pub struct Intervals {
    /// Frames.
    pub frame: Duration,
    /// Searches of the whole picture.
    pub search: Duration,
    /// Classifications of one face.
    pub classify: Duration,
}

impl Intervals {
    /// At the fraction `rate_fraction` of the rate. Predictions further apart than the smoothing's gap would
    /// each reset the means, so that is the limit.
    pub fn at(&self, rate_fraction: f32, smoothing: &Smoothing) -> Self {
        Self {
            frame: self.frame.div_f32(rate_fraction),
            search: self.search.div_f32(rate_fraction),
            classify: self
                .classify
                .div_f32(rate_fraction)
                .min(smoothing.gap.mul_f32(0.9))
                .max(self.classify),
        }
    }
}

//! Smooths one track's predictions over time and chooses the label that is published.
//!
//! # The mean
//! Time constants are in seconds, so the result must not depend on how many predictions a second a board
//! manages. Predictions arrive at irregular times. A prediction `x` has the weight `w`, the quality of its
//! crop. Between two predictions both `w x` and `w` are interpolated linearly, and the mean is
//!
//! ```text
//! m(t) = ∫ w(s) x(s) exp(-(t - s)/tau) ds / ∫ w(s) exp(-(t - s)/tau) ds,   s from the first prediction to t
//! ```
//!
//! Both integrals are stored, and are decayed and extended at each prediction. With `r = dt/tau`,
//! `mu = exp(-r)` and `nu = (1 - mu)/r`, an integral `I` over a signal `y` that is linear from `y0` to `y1`
//! becomes
//!
//! ```text
//! I ← mu I + (nu - mu) y0 + (1 - nu) y1
//! ```
//!
//! The interval's share is `alpha = (nu - mu) + (1 - nu) = 1 - exp(-dt/tau)`. This is the exponential moving
//! average "with linear interpolation" of A. Eckner, *Algorithms for Unevenly Spaced Time Series: Moving
//! Averages and Other Rolling Operators* (2012), there for unweighted signals. Because numerator and
//! denominator decay alike, the mean is unbiased from the first prediction on, a prediction of low quality
//! moves it proportionally less, and a constant quality has no effect, whatever its value.
//!
//! # The label
//! The most probable category replaces the held one when it leads by a margin. A held category that falls
//! below the floor is replaced by `uncertain` until a category exceeds the floor by the margin. Either change
//! waits until the held label has lasted for the dwell time. While the mean quality of the crops, over the
//! same time constant, is below a minimum, the label is `uncertain` too.

use std::time::Duration;

use super::face::{Category, Label, Prediction, Probabilities, Smoothed};
use crate::config::Smoothing;

/// The minimum weight of a prediction, so a track that is never seen well still has a mean.
const MIN_WEIGHT: f32 = 1e-3;

/// The smoothing state of one track, of fixed size.
#[derive(Debug, Clone, Copy)]
pub struct Smoother {
    settings: Smoothing,
    probabilities: ExponentialMean<8>,
    valence: ExponentialMean<1>,
    arousal: ExponentialMean<1>,
    quality: ExponentialMean<1>,
    min_quality: f32,
    held: Option<Held>,
    current: Option<Smoothed>,
}

/// The published label and since when it has held.
#[derive(Debug, Clone, Copy)]
struct Held {
    label: Label,
    since: Duration,
}

impl Smoother {
    /// A new track's smoother. A track whose crops are of lower quality than `min_quality` (0 to 1), on
    /// average, is uncertain.
    #[must_use]
    pub fn new(settings: &Smoothing, min_quality: f32) -> Self {
        Self {
            settings: *settings,
            probabilities: ExponentialMean::EMPTY,
            valence: ExponentialMean::EMPTY,
            arousal: ExponentialMean::EMPTY,
            quality: ExponentialMean::EMPTY,
            min_quality,
            held: None,
            current: None,
        }
    }

    /// Adds a prediction for a crop of the given quality (0 to 1) that was captured at `now`, and returns the
    /// smoothed result.
    ///
    /// Valence and arousal that are not finite are ignored, as is a prediction no newer than the last. After
    /// `gap` without a usable prediction, or when the clock went back further than that, the state is
    /// reset.
    pub fn update(&mut self, now: Duration, prediction: &Prediction, quality: f32) -> Smoothed {
        let Smoothing { tau, va_tau, gap, .. } = self.settings;
        let quality = if quality.is_nan() { 0.0 } else { quality };
        let weight = f64::from(quality.clamp(MIN_WEIGHT, 1.0));
        let gap = gap.as_secs_f64();
        self.quality.update(now, [quality], 1.0, tau, gap);
        let poor = self
            .quality
            .value(now, gap)
            .is_some_and(|[mean]| mean < self.min_quality);

        if let Some(probabilities) = prediction.probabilities {
            let values = probabilities.to_array();
            let was_reset = self.probabilities.update(now, values, weight, tau, gap);
            if was_reset {
                self.held = None;
            }
        }
        if let Some(valence) = prediction.valence.filter(|v| v.is_finite()) {
            let valence = [valence.clamp(-1.0, 1.0)];
            self.valence.update(now, valence, weight, va_tau, gap);
        }
        if let Some(arousal) = prediction.arousal.filter(|a| a.is_finite()) {
            let arousal = [arousal.clamp(-1.0, 1.0)];
            self.arousal.update(now, arousal, weight, va_tau, gap);
        }

        let probabilities = self
            .probabilities
            .value(now, gap)
            .and_then(Probabilities::from_weights);
        let smoothed = Smoothed {
            label: self.label(now, probabilities.as_ref(), poor),
            prediction: Prediction {
                probabilities,
                valence: self.valence.value(now, gap).map(|[v]| v),
                arousal: self.arousal.value(now, gap).map(|[a]| a),
            },
            poor,
        };
        if smoothed.prediction != Prediction::default() {
            self.current = Some(smoothed);
        }
        smoothed
    }

    /// The result of the last update; `None` before the first usable prediction.
    #[must_use]
    pub fn current(&self) -> Option<Smoothed> {
        self.current
    }

    /// The label that holds at `now`, given the mean probabilities and whether the crops are too poor to show
    /// a category.
    fn label(&mut self, now: Duration, probabilities: Option<&Probabilities>, poor: bool) -> Label {
        let Some(probabilities) = probabilities else {
            self.held = None;
            return Label::Uncertain;
        };
        let Smoothing {
            margin, dwell, floor, ..
        } = self.settings;
        let (top, lead) = probabilities.argmax();
        let of = |category: Category| probabilities.of(category);

        let wanted = match self.held.map(|held| held.label) {
            _ if poor => Label::Uncertain,
            None if lead >= floor => Label::Category(top),
            None => Label::Uncertain,
            Some(Label::Category(held)) if lead >= floor && lead - of(held) >= margin && top != held => {
                Label::Category(top)
            }
            Some(Label::Category(held)) if of(held) < floor => Label::Uncertain,
            Some(Label::Category(held)) => Label::Category(held),
            Some(_) if lead >= floor + margin => Label::Category(top),
            Some(_) => Label::Uncertain,
        };

        match self.held {
            Some(held) if held.label == wanted || seconds_between(held.since, now) < dwell.as_secs_f64() => {
                held.label
            }
            _ => {
                self.held = Some(Held {
                    label: wanted,
                    since: now,
                });
                wanted
            }
        }
    }
}

/// A weighted exponential mean of `N` values that arrive together; see the module's documentation.
#[derive(Debug, Clone, Copy)]
struct ExponentialMean<const N: usize> {
    /// Integral of weight times value.
    sum: [f64; N],
    /// Integral of the weight.
    weight: f64,
    /// The newest sample.
    last: Option<Sample<N>>,
}

/// A sample as it entered the mean.
#[derive(Debug, Clone, Copy)]
struct Sample<const N: usize> {
    at: Duration,
    values: [f32; N],
    weight: f64,
}

impl<const N: usize> ExponentialMean<N> {
    /// No sample yet.
    const EMPTY: Self = Self {
        sum: [0.0; N],
        weight: 0.0,
        last: None,
    };

    /// Adds `values` with `weight` (positive); returns whether the mean was reset to them.
    fn update(&mut self, now: Duration, values: [f32; N], weight: f64, tau: Duration, gap_s: f64) -> bool {
        let sample = Sample {
            at: now,
            values,
            weight,
        };
        let Some(last) = self.last else {
            self.last = Some(sample);
            return true;
        };
        let dt = seconds_between(last.at, now);
        if dt.abs() > gap_s {
            *self = Self::EMPTY;
            self.last = Some(sample);
            return true;
        }
        if dt <= 0.0 {
            return false;
        }
        let (keep, before, after) = shares(dt / tau.as_secs_f64());
        for ((sum, old), new) in self.sum.iter_mut().zip(last.values).zip(values) {
            *sum = keep * *sum + before * last.weight * f64::from(old) + after * weight * f64::from(new);
        }
        self.weight = keep * self.weight + before * last.weight + after * weight;
        self.last = Some(sample);
        false
    }

    /// The mean; `None` without a sample in the last `gap_s` seconds.
    fn value(&self, now: Duration, gap_s: f64) -> Option<[f32; N]> {
        let last = self.last.filter(|last| seconds_between(last.at, now) <= gap_s)?;
        if self.weight > 0.0 {
            Some(self.sum.map(|sum| (sum / self.weight) as f32))
        } else {
            Some(last.values)
        }
    }
}

/// The factor by which an interval of `r` time constants decays an integral (`mu`), and the shares of the
/// samples at its beginning (`nu - mu`) and at its end (`1 - nu`). With an infinite `r` (no smoothing) only
/// the newest sample counts.
fn shares(r: f64) -> (f64, f64, f64) {
    let alpha = -(-r).exp_m1();
    let mu = 1.0 - alpha;
    let nu = alpha / r;
    (mu, (nu - mu).max(0.0), (1.0 - nu).max(0.0))
}

/// From `a` to `b`, negative if `b` is earlier.
fn seconds_between(a: Duration, b: Duration) -> f64 {
    b.as_secs_f64() - a.as_secs_f64()
}

#[cfg(test)]
#[path = "smooth_tests.rs"]
mod tests;

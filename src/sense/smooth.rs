//! Smoothing of one track's readings over time, and the label that is published.
//!
//! # The mean
//! Constants are in seconds, so the result must not depend on how many readings a second a board manages.
//! A reading `x` with weight `w` (the quality of its crop) arrives at irregular times; between two readings both
//! `w x` and `w` are taken to run straight from one to the next, and the mean is
//!
//! ```text
//! m(t) = ∫ w(s) x(s) exp(-(t - s)/tau) ds / ∫ w(s) exp(-(t - s)/tau) ds,   s from the first reading to t
//! ```
//!
//! Both integrals are kept, decayed and extended at each reading. With `r = dt/tau`, `mu = exp(-r)` and
//! `nu = (1 - mu)/r`, an integral `I` over a signal `y` that runs straight from `y0` to `y1` becomes
//!
//! ```text
//! I ← mu I + (nu - mu) y0 + (1 - nu) y1
//! ```
//!
//! The interval's share is `alpha = (nu - mu) + (1 - nu) = 1 - exp(-dt/tau)`. This is the exponential moving
//! average "with linear interpolation" of A. Eckner, *Algorithms for Unevenly Spaced Time Series: Moving Averages and
//! Other Rolling Operators* (2012), there for unweighted signals. Because numerator and denominator decay alike, the
//! mean is unbiased from the first reading on, a reading of low quality moves it in proportion less, and a constant
//! quality, whatever its value, changes nothing.
//!
//! # The label
//! The likeliest category replaces the held one when it leads by a margin; a held category that falls below the floor
//! gives way to `uncertain`, which is left again once a category stands a margin above the floor. Either change waits until
//! the held label has stood for the dwell time.

use std::time::Duration;

use super::face::{Category, Label, Probabilities, Reading, Smoothed};
use crate::config::Smoothing;

/// The least weight of a reading: a track that is never seen well still has a mean.
const MIN_WEIGHT: f32 = 1e-3;

/// The state of one track: fixed in size, without allocation, to be copied with the track.
#[derive(Debug, Clone, Copy)]
pub struct Smoother {
    settings: Smoothing,
    probabilities: Mean<8>,
    valence: Mean<1>,
    arousal: Mean<1>,
    held: Option<Held>,
    current: Option<Smoothed>,
}

/// The published label and when it was taken up.
#[derive(Debug, Clone, Copy)]
struct Held {
    label: Label,
    since: Duration,
}

impl Smoother {
    /// A new track's smoother.
    #[must_use]
    pub fn new(settings: &Smoothing) -> Self {
        Self {
            settings: *settings,
            probabilities: Mean::EMPTY,
            valence: Mean::EMPTY,
            arousal: Mean::EMPTY,
            held: None,
            current: None,
        }
    }

    /// Takes in a reading of a crop of the given quality (0 to 1) that was captured at `now`, and says what holds then.
    ///
    /// Outputs of the network that are not finite numbers, and probabilities without a positive sum, are passed over, as
    /// is a reading no newer than the last. After `gap` without a usable reading, or when the clock went back further
    /// than that, the state starts anew.
    pub fn update(&mut self, now: Duration, reading: &Reading, quality: f32) -> Smoothed {
        let Smoothing {
            tau, va_tau, gap, ..
        } = self.settings;
        let quality = if quality.is_nan() { 0.0 } else { quality };
        let weight = f64::from(quality.clamp(MIN_WEIGHT, 1.0));
        let gap = gap.as_secs_f64();

        if let Some(probabilities) = reading.probabilities.and_then(distribution) {
            let anew = self.probabilities.update(now, probabilities, weight, tau, gap);
            if anew {
                self.held = None;
            }
        }
        if let Some(valence) = reading.valence.filter(|v| v.is_finite()) {
            let valence = [valence.clamp(-1.0, 1.0)];
            self.valence.update(now, valence, weight, va_tau, gap);
        }
        if let Some(arousal) = reading.arousal.filter(|a| a.is_finite()) {
            let arousal = [arousal.clamp(-1.0, 1.0)];
            self.arousal.update(now, arousal, weight, va_tau, gap);
        }

        let probabilities = self.probabilities.value(now, gap).and_then(distribution);
        let smoothed = Smoothed {
            label: self.label(now, probabilities.as_ref()),
            reading: Reading {
                probabilities,
                valence: self.valence.value(now, gap).map(|[v]| v),
                arousal: self.arousal.value(now, gap).map(|[a]| a),
            },
        };
        if smoothed.reading != NOTHING {
            self.current = Some(smoothed);
        }
        smoothed
    }

    /// What the last reading left; `None` before the first usable one.
    #[must_use]
    pub fn current(&self) -> Option<Smoothed> {
        self.current
    }

    /// The label that holds at `now`, given the mean probabilities.
    fn label(&mut self, now: Duration, probabilities: Option<&Probabilities>) -> Label {
        let Some(probabilities) = probabilities else {
            self.held = None;
            return Label::Uncertain;
        };
        let Smoothing {
            margin,
            dwell,
            floor,
            ..
        } = self.settings;
        let (top, lead) = likeliest(probabilities);
        let of = |category: Category| probabilities[category as usize];

        let wanted = match self.held.map(|held| held.label) {
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

/// A reading that says nothing.
const NOTHING: Reading = Reading {
    probabilities: None,
    valence: None,
    arousal: None,
};

/// A weighted exponential mean of `N` values that come together; see the head of this file.
#[derive(Debug, Clone, Copy)]
struct Mean<const N: usize> {
    /// Integral of weight times value.
    sum: [f64; N],
    /// Integral of the weight.
    weight: f64,
    /// The newest reading.
    last: Option<Sample<N>>,
}

/// A reading as it entered the mean.
#[derive(Debug, Clone, Copy)]
struct Sample<const N: usize> {
    at: Duration,
    values: [f32; N],
    weight: f64,
}

impl<const N: usize> Mean<N> {
    /// No reading yet.
    const EMPTY: Self = Self {
        sum: [0.0; N],
        weight: 0.0,
        last: None,
    };

    /// Takes in `values` with `weight` (positive); says whether the mean started anew with them.
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

    /// The mean; `None` without a reading in the last `gap_s` seconds.
    fn value(&self, now: Duration, gap_s: f64) -> Option<[f32; N]> {
        let last = self.last.filter(|last| seconds_between(last.at, now) <= gap_s)?;
        if self.weight > 0.0 {
            Some(self.sum.map(|sum| (sum / self.weight) as f32))
        } else {
            Some(last.values)
        }
    }
}

/// What an interval of `r` time constants leaves of an integral (`mu`), and the shares in it of the readings at its
/// beginning (`nu - mu`) and at its end (`1 - nu`). An infinite `r` (no smoothing) leaves only the newest reading.
fn shares(r: f64) -> (f64, f64, f64) {
    let alpha = -(-r).exp_m1();
    let mu = 1.0 - alpha;
    let nu = alpha / r;
    (mu, (nu - mu).max(0.0), (1.0 - nu).max(0.0))
}

/// From `a` to `b`, negative where `b` is earlier.
fn seconds_between(a: Duration, b: Duration) -> f64 {
    b.as_secs_f64() - a.as_secs_f64()
}

/// Scaled to a sum of 1; `None` unless all are finite and not negative and some are positive.
fn distribution(probabilities: Probabilities) -> Option<Probabilities> {
    let sum: f32 = probabilities.iter().sum();
    let usable = probabilities.iter().all(|p| *p >= 0.0) && sum > 0.0 && sum.is_finite();
    usable.then(|| probabilities.map(|p| p / sum))
}

/// The likeliest category, the first of equals, and its probability.
fn likeliest(probabilities: &Probabilities) -> (Category, f32) {
    let mut best = (Category::Neutral, f32::MIN);
    for (category, p) in Category::ALL.into_iter().zip(*probabilities) {
        if p > best.1 {
            best = (category, p);
        }
    }
    best
}

#[cfg(test)]
mod tests;

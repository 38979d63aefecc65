//! Estimates by resampling: confidence intervals from the faces, and a ceiling from the votes.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{
    metrics::Metrics,
    random::Random,
    sample::{Agreement, Sample},
};

/// Seed of all random numbers, so that every run gives the same results.
const SEED: u64 = 1;

/// Number of bootstrap samples.
const BOOTSTRAP_ROUNDS: usize = 1_000;

/// Probability that an interval covers the metric.
const LEVEL: f64 = 0.95;

/// Number of times that all votes are resampled.
const CEILING_ROUNDS: usize = 100;

/// Lower and upper end.
pub(super) type Interval = [f64; 2];

/// A metric with its name in JSON.
type Scalar = (&'static str, fn(&Metrics) -> Option<f64>);

const SCALARS: [Scalar; 10] = [
    ("accuracy", |metrics| metrics.accuracy),
    ("accuracy_majority", |metrics| metrics.accuracy_majority),
    ("accuracy_any_tied", |metrics| metrics.accuracy_any_tied),
    ("macro_f1", |metrics| metrics.macro_f1),
    ("ece", |metrics| metrics.ece),
    ("ece_unscaled", |metrics| metrics.ece_unscaled),
    ("va_rmse", |metrics| metrics.va_rmse),
    ("valence_ccc", |metrics| metrics.valence_ccc),
    ("arousal_ccc", |metrics| metrics.arousal_ccc),
    ("va_ccc", |metrics| metrics.va_ccc),
];

/// Confidence intervals by the percentile bootstrap: B. Efron, R. J. Tibshirani, "An introduction to the
/// bootstrap", 1993, chapter 13.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Intervals {
    level: f64,
    rounds: usize,
    seed: u64,
    /// By name of the metric; only those that can be measured.
    metrics: BTreeMap<&'static str, Interval>,
    #[serde(skip)]
    pub(super) recall: [Option<Interval>; 8],
    #[serde(skip)]
    pub(super) precision: [Option<Interval>; 8],
}

impl Intervals {
    /// Repeatedly draws as many samples as there are, with replacement.
    pub(super) fn of(samples: &[Sample]) -> Self {
        let mut random = Random::new(SEED);
        let count = u32::try_from(samples.len()).unwrap_or(u32::MAX);
        let rounds: Vec<Metrics> = (0..BOOTSTRAP_ROUNDS)
            .map(|_| Metrics::of(samples.iter().map(|_| &samples[random.below(count) as usize])))
            .collect();
        let metrics = SCALARS
            .into_iter()
            .filter_map(|(name, value)| Some((name, interval(rounds.iter().filter_map(value))?)))
            .collect();
        let of_category = |values: fn(&Metrics) -> &[Option<f64>; 8]| {
            std::array::from_fn(|category| {
                interval(rounds.iter().filter_map(|round| values(round)[category]))
            })
        };
        Self {
            level: LEVEL,
            rounds: BOOTSTRAP_ROUNDS,
            seed: SEED,
            metrics,
            recall: of_category(|metrics| &metrics.recall),
            precision: of_category(|metrics| &metrics.precision),
        }
    }

    /// The interval of a metric, by its name in JSON.
    pub(super) fn get(&self, metric: &str) -> Option<Interval> {
        self.metrics.get(metric).copied()
    }
}

/// The central interval that holds [`LEVEL`] of the values; `None` without values.
fn interval(values: impl Iterator<Item = f64>) -> Option<Interval> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let last = values.len().checked_sub(1)?;
    let at = |share: f64| values[(share * last as f64).round() as usize];
    let tail = (1.0 - LEVEL) / 2.0;
    Some([at(tail), at(1.0 - tail)])
}

/// The accuracy of annotators who vote like the original ones: no model can be expected to exceed it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Ceiling {
    /// Share of the faces whose label stays the same when all votes are resampled from the face's own votes.
    pub(super) accuracy: f64,
    rounds: usize,
    seed: u64,
}

impl Ceiling {
    /// `None` if no sample has votes.
    pub(super) fn of(samples: &[Sample]) -> Option<Self> {
        let mut random = Random::new(SEED);
        let (mut all, mut same) = (0_u64, 0_u64);
        for _ in 0..CEILING_ROUNDS {
            for sample in samples {
                if let Agreement::Votes(votes) = sample.truth.agreement {
                    let label = votes.resample(&mut random).label();
                    all += 1;
                    same += u64::from(label == Some(sample.truth.category));
                }
            }
        }
        (all > 0).then(|| Self {
            accuracy: same as f64 / all as f64,
            rounds: CEILING_ROUNDS,
            seed: SEED,
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{
        category::Category::{Anger, Happiness},
        measure::evaluation::{metrics::tests::sample, votes::Votes},
    };

    #[test]
    fn an_interval_is_that_of_the_binomial_distribution() {
        let samples: Vec<Sample> = (0..400)
            .map(|n| {
                let predicted = if n < 320 { Happiness } else { Anger };
                sample(Happiness, predicted, 0.9, Agreement::Unknown)
            })
            .collect();
        let intervals = Intervals::of(&samples);
        let [low, high] = intervals.get("accuracy").unwrap();
        // The standard deviation of a share of 0.8 of 400 is 0.02.
        assert!(
            (low - (0.8 - 1.96 * 0.02)).abs() < 0.006 && (high - (0.8 + 1.96 * 0.02)).abs() < 0.006,
            "{low} to {high}"
        );
        assert_eq!(intervals.recall[Happiness as usize], Some([low, high]));
        assert_eq!(intervals.precision[Anger as usize], Some([0.0, 0.0]));
        assert_eq!(intervals.get("va_ccc"), None);
        assert_eq!(intervals, Intervals::of(&samples), "the seed is fixed");
    }

    #[test]
    fn the_ceiling_is_one_for_unanimous_votes_and_less_for_others() {
        let with = |votes: [u8; 10]| {
            let samples = [sample(Happiness, Anger, 0.9, Agreement::Votes(Votes::new(votes)))];
            Ceiling::of(&samples)
        };
        assert_eq!(with([0, 10, 0, 0, 0, 0, 0, 0, 0, 0]).unwrap().accuracy, 1.0);
        // Of ten drawn votes with a probability of 0.6: more than five with 0.633, five and first in a tie
        // with 0.201. The removal of single votes changes neither.
        let accuracy = with([0, 6, 0, 0, 0, 0, 4, 0, 0, 0]).unwrap().accuracy;
        assert!((accuracy - 0.834).abs() < 0.2, "{accuracy}");
        let unknown = [sample(Happiness, Anger, 0.9, Agreement::Unknown)];
        assert_eq!(Ceiling::of(&unknown), None);
    }
}

//! Measures of accuracy. Sums only: memory does not depend on the number of pictures.

use serde::Serialize;

use crate::{
    category::Category,
    sense::face::{Probabilities, Reading},
};

/// Equal bins of confidence for the calibration error.
const BINS: usize = 15;

/// What a picture really shows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Truth {
    pub(super) category: Category,
    /// Valence and arousal, -1 to 1.
    pub(super) valence_arousal: Option<(f32, f32)>,
}

/// Collects readings beside what is true.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pictures: usize,
    /// By true category, then by the most probable one.
    confusion: [[usize; 8]; 8],
    bins: [Bin; BINS],
    valence: Pairs,
    arousal: Pairs,
}

#[derive(Debug, Default, Clone, Copy)]
struct Bin {
    count: usize,
    right: usize,
    confidence: f64,
}

/// The measures, `None` where model or data do not tell.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Summary {
    /// Part of the pictures whose most probable category is the true one.
    pub(super) accuracy: Option<f64>,
    /// Mean F1 of all categories that occur, as truth or as answer.
    pub(super) macro_f1: Option<f64>,
    /// Expected calibration error over 15 equal bins: C. Guo et al., "On calibration of modern neural
    /// networks", ICML 2017.
    pub(super) ece: Option<f64>,
    /// Root of the mean square error over valence and arousal together.
    pub(super) va_rmse: Option<f64>,
    /// Mean of the concordance correlations of valence and of arousal: L. I. Lin, "A concordance correlation
    /// coefficient to evaluate reproducibility", Biometrics 45, 1989.
    pub(super) va_ccc: Option<f64>,
    /// Number of pictures.
    pub(super) n: usize,
}

impl Tally {
    /// Counts one picture.
    pub(super) fn add(&mut self, truth: Truth, reading: &Reading) {
        self.pictures += 1;
        if let Some(probabilities) = &reading.probabilities {
            let (answer, confidence) = most_probable(probabilities);
            self.confusion[truth.category as usize][answer] += 1;
            let bin = &mut self.bins[((confidence * BINS as f32) as usize).min(BINS - 1)];
            bin.count += 1;
            bin.right += usize::from(answer == truth.category as usize);
            bin.confidence += f64::from(confidence);
        }
        if let (Some((valence, arousal)), Some(told_valence), Some(told_arousal)) =
            (truth.valence_arousal, reading.valence, reading.arousal)
        {
            self.valence.add(valence, told_valence);
            self.arousal.add(arousal, told_arousal);
        }
    }

    /// How often each true category (first index) was taken for each (second index).
    pub(super) fn confusion(&self) -> &[[usize; 8]; 8] {
        &self.confusion
    }

    /// Part of the pictures of this category that were recognised; `None` where there was none.
    pub(super) fn recall(&self, category: Category) -> Option<f64> {
        let row = &self.confusion[category as usize];
        ratio(row[category as usize], row.iter().sum())
    }

    /// All measures.
    pub(super) fn summary(&self) -> Summary {
        let classified: usize = self.bins.iter().map(|bin| bin.count).sum();
        let right = (0..8).map(|category| self.confusion[category][category]).sum();
        let f1: Vec<f64> = (0..8).filter_map(|category| self.f1(category)).collect();
        let ece = self
            .bins
            .iter()
            .map(|bin| (bin.right as f64 - bin.confidence).abs())
            .sum::<f64>();
        let va_rmse = (self.valence.n > 0.0)
            .then(|| ((self.valence.square_error() + self.arousal.square_error()) / 2.0).sqrt());
        let va_ccc = self
            .valence
            .ccc()
            .zip(self.arousal.ccc())
            .map(|(valence, arousal)| (valence + arousal) / 2.0);
        Summary {
            accuracy: ratio(right, classified),
            macro_f1: (!f1.is_empty()).then(|| f1.iter().sum::<f64>() / f1.len() as f64),
            ece: (classified > 0).then(|| ece / classified as f64),
            va_rmse,
            va_ccc,
            n: self.pictures,
        }
    }

    fn f1(&self, category: usize) -> Option<f64> {
        let truths: usize = self.confusion[category].iter().sum();
        let answers: usize = self.confusion.iter().map(|row| row[category]).sum();
        ratio(2 * self.confusion[category][category], truths + answers)
    }
}

/// Sums over pairs of a true number and the one that was told.
#[derive(Debug, Default)]
struct Pairs {
    n: f64,
    truth: f64,
    told: f64,
    truth_squared: f64,
    told_squared: f64,
    product: f64,
}

impl Pairs {
    fn add(&mut self, truth: f32, told: f32) {
        let (truth, told) = (f64::from(truth), f64::from(told));
        self.n += 1.0;
        self.truth += truth;
        self.told += told;
        self.truth_squared += truth * truth;
        self.told_squared += told * told;
        self.product += truth * told;
    }

    /// Mean square error.
    fn square_error(&self) -> f64 {
        ((self.truth_squared - 2.0 * self.product + self.told_squared) / self.n).max(0.0)
    }

    /// Concordance correlation with population variances; `None` without pairs and where all numbers are the
    /// same.
    fn ccc(&self) -> Option<f64> {
        let (truth, told) = (self.truth / self.n, self.told / self.n);
        let covariance = self.product / self.n - truth * told;
        let spread = (self.truth_squared / self.n - truth * truth)
            + (self.told_squared / self.n - told * told)
            + (truth - told) * (truth - told);
        (spread > 1e-12).then(|| 2.0 * covariance / spread)
    }
}

fn most_probable(probabilities: &Probabilities) -> (usize, f32) {
    let mut best = (0, probabilities[0]);
    for (category, probability) in probabilities.iter().enumerate() {
        if *probability > best.1 {
            best = (category, *probability);
        }
    }
    best
}

fn ratio(part: usize, whole: usize) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn reading(category: Category, confidence: f32) -> Reading {
        let mut probabilities = [(1.0 - confidence) / 7.0; 8];
        probabilities[category as usize] = confidence;
        Reading {
            probabilities: Some(probabilities),
            valence: None,
            arousal: None,
        }
    }

    fn truth(category: Category) -> Truth {
        Truth {
            category,
            valence_arousal: None,
        }
    }

    fn near(found: Option<f64>, expected: f64) {
        assert!(
            (found.unwrap() - expected).abs() < 1e-6,
            "{found:?}, expected {expected}"
        );
    }

    #[test]
    fn categories_by_hand() {
        use Category::{Anger, Happiness, Neutral};
        let mut tally = Tally::default();
        // Three neutral (two recognised), one happy (taken for neutral).
        tally.add(truth(Neutral), &reading(Neutral, 0.9));
        tally.add(truth(Neutral), &reading(Neutral, 0.5));
        tally.add(truth(Neutral), &reading(Anger, 0.9));
        tally.add(truth(Happiness), &reading(Neutral, 0.9));
        let summary = tally.summary();
        near(summary.accuracy, 0.5);
        // F1: neutral 2*2 / (3 + 3), happiness 0 / (1 + 0), anger 0 / (0 + 1).
        near(summary.macro_f1, (4.0 / 6.0) / 3.0);
        // 0.9 falls into bin 13 three times (one right), 0.5 into bin 7 once (right).
        near(summary.ece, ((1.0 - 2.7_f64).abs() + (1.0 - 0.5_f64).abs()) / 4.0);
        near(tally.recall(Neutral), 2.0 / 3.0);
        near(tally.recall(Happiness), 0.0);
        assert_eq!(tally.recall(Anger), None);
        assert_eq!(tally.confusion()[Neutral as usize][Anger as usize], 1);
        assert_eq!((summary.va_rmse, summary.va_ccc, summary.n), (None, None, 4));
    }

    #[test]
    fn valence_and_arousal_by_hand() {
        let mut tally = Tally::default();
        for (real, told) in [
            ((0.0, 0.5), (0.1, 0.5)),
            ((0.5, -0.5), (0.4, -0.5)),
            ((1.0, 0.0), (1.0, 0.0)),
        ] {
            tally.add(
                Truth {
                    category: Category::Neutral,
                    valence_arousal: Some(real),
                },
                &Reading {
                    probabilities: None,
                    valence: Some(told.0),
                    arousal: Some(told.1),
                },
            );
        }
        let summary = tally.summary();
        // Squared errors of valence 0.01, 0.01, 0; of arousal none.
        near(summary.va_rmse, (0.02_f64 / 6.0).sqrt());
        // Valence: means 0.5 both, variances 1/6 and 0.14, covariance 0.15; arousal agrees wholly.
        near(
            summary.va_ccc,
            f64::midpoint(2.0 * 0.15 / (1.0 / 6.0 + 0.14), 1.0),
        );
        assert_eq!(
            (summary.accuracy, summary.macro_f1, summary.ece),
            (None, None, None)
        );
    }

    #[test]
    fn nothing_counted_means_nothing_known() {
        let summary = Tally::default().summary();
        assert_eq!(
            serde_json::to_string(&summary).unwrap(),
            r#"{"accuracy":null,"macro_f1":null,"ece":null,"va_rmse":null,"va_ccc":null,"n":0}"#
        );
    }
}

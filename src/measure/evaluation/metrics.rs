//! Metrics of a model's accuracy.

use super::{moments::BivariateMoments, sample::Sample};

/// Number of equal bins of confidence for the calibration error.
const BINS: usize = 15;

/// All metrics of a set of samples; `None` where the model or the labels do not provide them.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Metrics {
    /// Number of samples.
    pub(super) n: usize,
    /// Number of samples by true category, then by predicted category.
    pub(super) confusion: [[usize; 8]; 8],
    /// Share of the samples whose predicted category is the true one.
    pub(super) accuracy: Option<f64>,
    /// The same where more than half of the annotators agree.
    pub(super) accuracy_majority: Option<f64>,
    /// Number of samples where more than half of the annotators agree.
    pub(super) n_majority: usize,
    /// Share of the samples whose predicted category has the most votes, ties included.
    pub(super) accuracy_any_tied: Option<f64>,
    /// Mean F1 score of all categories that occur as label or prediction.
    pub(super) macro_f1: Option<f64>,
    /// Expected calibration error over 15 equal bins: C. Guo et al., "On calibration of modern neural
    /// networks", ICML 2017.
    pub(super) ece: Option<f64>,
    /// The same without the manifest's temperature.
    pub(super) ece_unscaled: Option<f64>,
    /// Root mean square error over valence and arousal together.
    pub(super) va_rmse: Option<f64>,
    /// Concordance correlation coefficient of valence.
    pub(super) valence_ccc: Option<f64>,
    /// Concordance correlation coefficient of arousal.
    pub(super) arousal_ccc: Option<f64>,
    /// Mean of both coefficients.
    pub(super) va_ccc: Option<f64>,
    /// Share of the samples of each true category that were recognized.
    pub(super) recall: [Option<f64>; 8],
    /// Share of the samples of each predicted category for which the prediction is correct.
    pub(super) precision: [Option<f64>; 8],
}

impl Metrics {
    /// The metrics of `samples`.
    pub(super) fn of<'a>(samples: impl IntoIterator<Item = &'a Sample>) -> Self {
        let mut sums = Sums::default();
        for sample in samples {
            sums.add(sample);
        }
        sums.metrics()
    }
}

/// The sums from which the metrics are computed.
#[derive(Debug, Default)]
struct Sums {
    n: usize,
    confusion: [[usize; 8]; 8],
    majority: Count,
    any_tied: Count,
    calibration: Calibration,
    calibration_unscaled: Calibration,
    /// Labels and predictions.
    valence: BivariateMoments,
    arousal: BivariateMoments,
}

/// The number of samples, and of correct ones.
#[derive(Debug, Default)]
struct Count {
    all: usize,
    correct: usize,
}

impl Count {
    fn add(&mut self, is_correct: bool) {
        self.all += 1;
        self.correct += usize::from(is_correct);
    }
}

impl Sums {
    fn add(&mut self, sample: &Sample) {
        let truth = &sample.truth;
        self.n += 1;
        if let Some(classified) = &sample.classified {
            let is_correct = classified.category == truth.category;
            self.confusion[truth.category as usize][classified.category as usize] += 1;
            self.calibration.add(classified.confidence, is_correct);
            self.calibration_unscaled
                .add(classified.confidence_unscaled, is_correct);
            if truth.has_majority() == Some(true) {
                self.majority.add(is_correct);
            }
            if let Some(is_any_label) = truth.is_any_label(classified.category) {
                self.any_tied.add(is_any_label);
            }
        }
        if let (Some(labelled), Some(predicted)) = (truth.valence_arousal, sample.valence_arousal) {
            self.valence.add(labelled.0, predicted.0);
            self.arousal.add(labelled.1, predicted.1);
        }
    }

    fn metrics(&self) -> Metrics {
        let labelled = |category: usize| self.confusion[category].iter().sum::<usize>();
        let predicted = |category: usize| self.confusion.iter().map(|row| row[category]).sum::<usize>();
        let correct = |category: usize| self.confusion[category][category];
        let f1: Vec<f64> = (0..8)
            .filter_map(|category| ratio(2 * correct(category), labelled(category) + predicted(category)))
            .collect();
        let mean = |(valence, arousal): (f64, f64)| f64::midpoint(valence, arousal);
        let square_errors = self
            .valence
            .mean_square_difference()
            .zip(self.arousal.mean_square_difference());
        let (valence_ccc, arousal_ccc) = (self.valence.concordance(), self.arousal.concordance());
        Metrics {
            n: self.n,
            confusion: self.confusion,
            accuracy: ratio((0..8).map(correct).sum(), (0..8).map(labelled).sum()),
            accuracy_majority: ratio(self.majority.correct, self.majority.all),
            n_majority: self.majority.all,
            accuracy_any_tied: ratio(self.any_tied.correct, self.any_tied.all),
            macro_f1: (!f1.is_empty()).then(|| f1.iter().sum::<f64>() / f1.len() as f64),
            ece: self.calibration.error(),
            ece_unscaled: self.calibration_unscaled.error(),
            va_rmse: square_errors.map(mean).map(f64::sqrt),
            valence_ccc,
            arousal_ccc,
            va_ccc: valence_ccc.zip(arousal_ccc).map(mean),
            recall: std::array::from_fn(|category| ratio(correct(category), labelled(category))),
            precision: std::array::from_fn(|category| ratio(correct(category), predicted(category))),
        }
    }
}

/// Confidence and accuracy by equal bins of confidence.
#[derive(Debug, Default)]
struct Calibration([Bin; BINS]);

#[derive(Debug, Default, Clone, Copy)]
struct Bin {
    count: usize,
    correct: usize,
    confidence: f64,
}

impl Calibration {
    fn add(&mut self, confidence: f32, is_correct: bool) {
        let bin = &mut self.0[((confidence * BINS as f32) as usize).min(BINS - 1)];
        bin.count += 1;
        bin.correct += usize::from(is_correct);
        bin.confidence += f64::from(confidence);
    }

    /// Mean absolute difference between confidence and accuracy; `None` without predictions.
    fn error(&self) -> Option<f64> {
        let count: usize = self.0.iter().map(|bin| bin.count).sum();
        let gaps: f64 = self
            .0
            .iter()
            .map(|bin| (bin.correct as f64 - bin.confidence).abs())
            .sum();
        (count > 0).then(|| gaps / count as f64)
    }
}

fn ratio(part: usize, whole: usize) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

#[cfg(test)]
pub(super) mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{
        category::{Category, Probabilities},
        measure::evaluation::{
            sample::{Agreement, Truth},
            votes::Votes,
        },
        sense::{classify::Classification, crop_quality::CropQuality, face::Prediction},
    };

    /// A sample that is labelled and predicted as these categories.
    pub(in crate::measure::evaluation) fn sample(
        label: Category,
        predicted: Category,
        confidence: f32,
        agreement: Agreement,
    ) -> Sample {
        let mut weights = [(1.0 - confidence) / 7.0; 8];
        weights[predicted as usize] = confidence;
        let prediction = Prediction {
            probabilities: Probabilities::from_weights(weights),
            valence: None,
            arousal: None,
        };
        let truth = Truth {
            category: label,
            valence_arousal: None,
            agreement,
        };
        Sample::new(truth, &perfect(prediction), 2.0)
    }

    /// The prediction for a picture of the best quality.
    fn perfect(prediction: Prediction) -> Classification {
        Classification {
            prediction,
            quality: CropQuality::PERFECT,
        }
    }

    fn near(found: Option<f64>, expected: f64) {
        assert!(
            (found.unwrap() - expected).abs() < 1e-6,
            "{found:?}, expected {expected}"
        );
    }

    #[test]
    fn categories_match_a_calculation_by_hand() {
        use Category::{Anger, Happiness, Neutral};
        // Three neutral (two recognized), one happy (predicted as neutral).
        let samples = [
            (Neutral, Neutral, 0.9),
            (Neutral, Neutral, 0.5),
            (Neutral, Anger, 0.9),
            (Happiness, Neutral, 0.9),
        ]
        .map(|(label, predicted, confidence)| sample(label, predicted, confidence, Agreement::Unknown));
        let metrics = Metrics::of(&samples);
        near(metrics.accuracy, 0.5);
        // F1: neutral 2*2 / (3 + 3), happiness 0 / (1 + 0), anger 0 / (0 + 1).
        near(metrics.macro_f1, (4.0 / 6.0) / 3.0);
        // 0.9 falls into bin 13 three times (one right), 0.5 into bin 7 once (right).
        near(metrics.ece, ((1.0 - 2.7_f64).abs() + (1.0 - 0.5_f64).abs()) / 4.0);
        near(metrics.recall[Neutral as usize], 2.0 / 3.0);
        near(metrics.recall[Happiness as usize], 0.0);
        assert_eq!(metrics.recall[Anger as usize], None);
        near(metrics.precision[Neutral as usize], 2.0 / 3.0);
        near(metrics.precision[Anger as usize], 0.0);
        assert_eq!(metrics.precision[Happiness as usize], None);
        assert_eq!(metrics.confusion[Neutral as usize][Anger as usize], 1);
        assert_eq!((metrics.va_rmse, metrics.va_ccc, metrics.n), (None, None, 4));
        assert_eq!(
            (metrics.accuracy_majority, metrics.accuracy_any_tied),
            (None, None)
        );
    }

    #[test]
    fn agreement_selects_the_samples_that_count() {
        use Category::{Anger, Happiness};
        let clear = Agreement::Votes(Votes::new([0, 8, 2, 0, 0, 0, 0, 0, 0, 0]));
        let tied = Agreement::Votes(Votes::new([0, 5, 0, 0, 0, 0, 5, 0, 0, 0]));
        let samples = [
            sample(Happiness, Happiness, 0.9, clear),
            sample(Happiness, Anger, 0.9, clear),
            sample(Happiness, Anger, 0.9, tied),
        ];
        let metrics = Metrics::of(&samples);
        near(metrics.accuracy, 1.0 / 3.0);
        assert_eq!(metrics.n_majority, 2);
        near(metrics.accuracy_majority, 0.5);
        near(metrics.accuracy_any_tied, 2.0 / 3.0);

        let shares = [0.5, 0.6].map(|share| sample(Anger, Anger, 0.9, Agreement::Share(share)));
        let metrics = Metrics::of(&shares);
        assert_eq!((metrics.n_majority, metrics.accuracy_any_tied), (1, None));
    }

    #[test]
    fn valence_and_arousal_match_a_calculation_by_hand() {
        let samples = [
            ((0.0, 0.5), (0.1, 0.5)),
            ((0.5, -0.5), (0.4, -0.5)),
            ((1.0, 0.0), (1.0, 0.0)),
        ]
        .map(|(labelled, predicted): ((f32, f32), (f32, f32))| {
            let truth = Truth {
                category: Category::Neutral,
                valence_arousal: Some(labelled),
                agreement: Agreement::Unknown,
            };
            let prediction = Prediction {
                probabilities: None,
                valence: Some(predicted.0),
                arousal: Some(predicted.1),
            };
            Sample::new(truth, &perfect(prediction), 1.0)
        });
        let metrics = Metrics::of(&samples);
        // Squared errors of valence 0.01, 0.01, 0; of arousal none.
        near(metrics.va_rmse, (0.02_f64 / 6.0).sqrt());
        // Valence: means 0.5 both, variances 1/6 and 0.14, covariance 0.15; arousal agrees exactly.
        near(metrics.valence_ccc, 2.0 * 0.15 / (1.0 / 6.0 + 0.14));
        near(metrics.arousal_ccc, 1.0);
        near(
            metrics.va_ccc,
            f64::midpoint(2.0 * 0.15 / (1.0 / 6.0 + 0.14), 1.0),
        );
        assert_eq!(
            (metrics.accuracy, metrics.macro_f1, metrics.ece),
            (None, None, None)
        );
    }

    #[test]
    fn the_calibration_without_the_temperature_is_measured_too() {
        let metrics = Metrics::of(&[sample(Category::Fear, Category::Fear, 0.9, Agreement::Unknown)]);
        near(metrics.ece, 0.1);
        // Odds of 63 to 1 against each other category; without the temperature they are 63 squared to 1.
        near(metrics.ece_unscaled, 7.0 / (7.0 + 63.0 * 63.0));
    }
}

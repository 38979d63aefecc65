//! Metrics of a model's accuracy. Only sums are kept: memory does not depend on the number of pictures.

use serde::Serialize;

use super::moments::{BivariateMoments, Ellipse};
use crate::{
    category::Category,
    sense::face::{Prediction, Probabilities},
};

/// Number of equal bins of confidence for the calibration error.
const BINS: usize = 15;

/// The labels of a picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Truth {
    pub(super) category: Category,
    /// Valence and arousal, -1 to 1.
    pub(super) valence_arousal: Option<(f32, f32)>,
}

/// Accumulates predictions and labels.
#[derive(Debug, Default)]
pub(super) struct Evaluator {
    pictures: usize,
    /// Number of pictures by true category.
    truths: [usize; 8],
    /// Number of pictures by true category, then by predicted category.
    confusion: [[usize; 8]; 8],
    calibration: Calibration,
    /// The same without the manifest's temperature.
    unscaled: Calibration,
    /// Labels and predictions.
    valence: BivariateMoments,
    arousal: BivariateMoments,
    /// Valence and arousal by true category.
    predicted: [BivariateMoments; 8],
    labelled: [BivariateMoments; 8],
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

/// All metrics; `None` where the model or the labels do not provide them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Summary {
    /// Share of the pictures whose predicted category is the true one.
    pub(super) accuracy: Option<f64>,
    /// Mean F1 score of all categories that occur as label or prediction.
    pub(super) macro_f1: Option<f64>,
    /// Expected calibration error over 15 equal bins: C. Guo et al., "On calibration of modern neural
    /// networks", ICML 2017.
    pub(super) ece: Option<f64>,
    /// The same without the manifest's temperature.
    pub(super) ece_unscaled: Option<f64>,
    /// Root mean square error over valence and arousal together.
    pub(super) va_rmse: Option<f64>,
    /// Mean of the concordance correlation coefficients of valence and of arousal.
    pub(super) va_ccc: Option<f64>,
    /// Number of pictures.
    pub(super) n: usize,
    /// One entry for each category that occurs as a label.
    pub(super) categories: Vec<CategorySummary>,
}

/// The metrics of the pictures of one true category.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct CategorySummary {
    /// The published name.
    pub(super) category: &'static str,
    /// Number of pictures.
    pub(super) n: usize,
    /// Number of pictures by predicted category, in the order of the published names.
    pub(super) predicted: [usize; 8],
    /// Share that was recognized; `None` for a model without categories.
    pub(super) recall: Option<f64>,
    /// Predicted valence and arousal.
    pub(super) predicted_circumplex: Option<Ellipse>,
    /// Labelled valence and arousal.
    pub(super) labelled_circumplex: Option<Ellipse>,
}

impl Evaluator {
    /// Adds one picture. `temperature` is the one that `prediction` was made with.
    pub(super) fn add(&mut self, truth: Truth, prediction: &Prediction, temperature: f32) {
        self.pictures += 1;
        self.truths[truth.category as usize] += 1;
        if let Some(probabilities) = &prediction.probabilities {
            let (predicted, confidence) = probabilities.argmax();
            let correct = predicted == truth.category;
            self.confusion[truth.category as usize][predicted as usize] += 1;
            self.calibration.add(confidence, correct);
            self.unscaled
                .add(unscaled(probabilities, confidence, temperature), correct);
        }
        if let (Some((valence, arousal)), Some(predicted_valence), Some(predicted_arousal)) =
            (truth.valence_arousal, prediction.valence, prediction.arousal)
        {
            self.valence.add(valence, predicted_valence);
            self.arousal.add(arousal, predicted_arousal);
            self.predicted[truth.category as usize].add(predicted_valence, predicted_arousal);
            self.labelled[truth.category as usize].add(valence, arousal);
        }
    }

    /// Number of pictures by true category (first index) and predicted category (second index).
    pub(super) fn confusion(&self) -> &[[usize; 8]; 8] {
        &self.confusion
    }

    /// Share of the pictures of this category that were recognized; `None` without pictures.
    pub(super) fn recall(&self, category: Category) -> Option<f64> {
        let row = &self.confusion[category as usize];
        ratio(row[category as usize], row.iter().sum())
    }

    /// All metrics.
    pub(super) fn summary(&self) -> Summary {
        let classified: usize = self.confusion.iter().flatten().sum();
        let correct = (0..8).map(|category| self.confusion[category][category]).sum();
        let f1: Vec<f64> = (0..8).filter_map(|category| self.f1(category)).collect();
        let mean = |(valence, arousal): (f64, f64)| f64::midpoint(valence, arousal);
        let square_errors = self
            .valence
            .mean_square_difference()
            .zip(self.arousal.mean_square_difference());
        let concordances = self.valence.concordance().zip(self.arousal.concordance());
        Summary {
            accuracy: ratio(correct, classified),
            macro_f1: (!f1.is_empty()).then(|| f1.iter().sum::<f64>() / f1.len() as f64),
            ece: self.calibration.error(),
            ece_unscaled: self.unscaled.error(),
            va_rmse: square_errors.map(mean).map(f64::sqrt),
            va_ccc: concordances.map(mean),
            n: self.pictures,
            categories: Category::ALL
                .into_iter()
                .filter_map(|category| self.category(category))
                .collect(),
        }
    }

    fn category(&self, category: Category) -> Option<CategorySummary> {
        let index = category as usize;
        (self.truths[index] > 0).then(|| CategorySummary {
            category: category.name(),
            n: self.truths[index],
            predicted: self.confusion[index],
            recall: self.recall(category),
            predicted_circumplex: self.predicted[index].ellipse(),
            labelled_circumplex: self.labelled[index].ellipse(),
        })
    }

    fn f1(&self, category: usize) -> Option<f64> {
        let truths: usize = self.confusion[category].iter().sum();
        let predictions: usize = self.confusion.iter().map(|row| row[category]).sum();
        ratio(2 * self.confusion[category][category], truths + predictions)
    }
}

impl Calibration {
    fn add(&mut self, confidence: f32, correct: bool) {
        let bin = &mut self.0[((confidence * BINS as f32) as usize).min(BINS - 1)];
        bin.count += 1;
        bin.correct += usize::from(correct);
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

/// The largest probability that the network would have given without the temperature.
fn unscaled(probabilities: &Probabilities, largest: f32, temperature: f32) -> f32 {
    let sum: f32 = probabilities
        .iter()
        .map(|(_, probability)| (probability / largest).powf(temperature))
        .sum();
    1.0 / sum
}

fn ratio(part: usize, whole: usize) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn prediction(category: Category, confidence: f32) -> Prediction {
        let mut probabilities = [(1.0 - confidence) / 7.0; 8];
        probabilities[category as usize] = confidence;
        Prediction {
            probabilities: Probabilities::from_weights(probabilities),
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
    fn categories_match_a_calculation_by_hand() {
        use Category::{Anger, Happiness, Neutral};
        let mut evaluator = Evaluator::default();
        // Three neutral (two recognized), one happy (predicted as neutral).
        evaluator.add(truth(Neutral), &prediction(Neutral, 0.9), 1.0);
        evaluator.add(truth(Neutral), &prediction(Neutral, 0.5), 1.0);
        evaluator.add(truth(Neutral), &prediction(Anger, 0.9), 1.0);
        evaluator.add(truth(Happiness), &prediction(Neutral, 0.9), 1.0);
        let summary = evaluator.summary();
        near(summary.accuracy, 0.5);
        // F1: neutral 2*2 / (3 + 3), happiness 0 / (1 + 0), anger 0 / (0 + 1).
        near(summary.macro_f1, (4.0 / 6.0) / 3.0);
        // 0.9 falls into bin 13 three times (one right), 0.5 into bin 7 once (right).
        near(summary.ece, ((1.0 - 2.7_f64).abs() + (1.0 - 0.5_f64).abs()) / 4.0);
        near(evaluator.recall(Neutral), 2.0 / 3.0);
        near(evaluator.recall(Happiness), 0.0);
        assert_eq!(evaluator.recall(Anger), None);
        assert_eq!(evaluator.confusion()[Neutral as usize][Anger as usize], 1);
        assert_eq!((summary.va_rmse, summary.va_ccc, summary.n), (None, None, 4));
    }

    #[test]
    fn valence_and_arousal_match_a_calculation_by_hand() {
        let mut evaluator = Evaluator::default();
        for (real, predicted) in [
            ((0.0, 0.5), (0.1, 0.5)),
            ((0.5, -0.5), (0.4, -0.5)),
            ((1.0, 0.0), (1.0, 0.0)),
        ] {
            evaluator.add(
                Truth {
                    category: Category::Neutral,
                    valence_arousal: Some(real),
                },
                &Prediction {
                    probabilities: None,
                    valence: Some(predicted.0),
                    arousal: Some(predicted.1),
                },
                1.0,
            );
        }
        let summary = evaluator.summary();
        // Squared errors of valence 0.01, 0.01, 0; of arousal none.
        near(summary.va_rmse, (0.02_f64 / 6.0).sqrt());
        // Valence: means 0.5 both, variances 1/6 and 0.14, covariance 0.15; arousal agrees exactly.
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
    fn the_temperature_can_be_removed() {
        let logits = [2.0_f32, 0.5, 0.0, -1.0, 0.25, -0.5, 1.0, 0.75];
        let softmax = |temperature: f32| {
            Probabilities::from_weights(logits.map(|logit| (logit / temperature).exp())).unwrap()
        };
        for temperature in [0.3, 0.8, 1.0, 2.5] {
            let scaled = softmax(temperature);
            near(
                Some(f64::from(unscaled(&scaled, scaled.argmax().1, temperature))),
                f64::from(softmax(1.0).argmax().1),
            );
        }
        // A certain prediction stays certain.
        let certain = Probabilities::from_weights([0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]).unwrap();
        assert_eq!(unscaled(&certain, 1.0, 0.3), 1.0);

        let mut evaluator = Evaluator::default();
        evaluator.add(truth(Category::Fear), &prediction(Category::Fear, 0.9), 2.0);
        // Odds of 63 to 1 against each other category; without the temperature they are 63 squared to 1.
        near(evaluator.summary().ece, 0.1);
        near(evaluator.summary().ece_unscaled, 7.0 / (7.0 + 63.0 * 63.0));
    }

    #[test]
    fn categories_are_summarized_separately() {
        let mut evaluator = Evaluator::default();
        for (valence, arousal) in [(-0.5, 0.5), (-0.7, 0.9)] {
            let truth = Truth {
                category: Category::Anger,
                valence_arousal: Some((-0.5, 0.5)),
            };
            let predicted = Prediction {
                valence: Some(valence),
                arousal: Some(arousal),
                ..prediction(Category::Fear, 0.9)
            };
            evaluator.add(truth, &predicted, 1.0);
        }
        let [anger] = &evaluator.summary().categories[..] else {
            panic!("{:?}", evaluator.summary());
        };
        assert_eq!((anger.category, anger.n, anger.recall), ("anger", 2, Some(0.0)));
        assert_eq!(anger.predicted[Category::Fear as usize], 2);
        let predicted = anger.predicted_circumplex.as_ref().unwrap();
        near(Some(predicted.valence), -0.6);
        near(Some(predicted.arousal), 0.7);
        near(Some(predicted.valence_deviation), 0.1);
        near(Some(predicted.arousal_deviation), 0.2);
        near(Some(predicted.correlation), -1.0);
        let labelled = anger.labelled_circumplex.as_ref().unwrap();
        assert_eq!((labelled.valence_deviation, labelled.correlation), (0.0, 0.0));
    }

    #[test]
    fn without_pictures_nothing_is_known() {
        let summary = Evaluator::default().summary();
        assert_eq!(
            serde_json::to_string(&summary).unwrap(),
            r#"{"accuracy":null,"macro_f1":null,"ece":null,"ece_unscaled":null,"va_rmse":null,"va_ccc":null,"n":0,"categories":[]}"#
        );
    }
}

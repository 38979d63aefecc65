//! Measures of accuracy. Sums only: memory does not depend on the number of pictures.

use serde::Serialize;

use super::moments::{Cloud, Ellipse};
use crate::{
    category::Category,
    sense::face::{Prediction, Probabilities},
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
    /// By true category.
    truths: [usize; 8],
    /// By true category, then by the most probable one.
    confusion: [[usize; 8]; 8],
    calibration: Calibration,
    /// The calibration without the manifest's temperature.
    unscaled: Calibration,
    valence: Pairs,
    arousal: Pairs,
    /// By true category: valence and arousal as told and as labelled.
    told: [Cloud; 8],
    labelled: [Cloud; 8],
}

/// Confidence and how often it was justified, by equal bins of confidence.
#[derive(Debug, Default)]
struct Calibration([Bin; BINS]);

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
    /// The same without the manifest's temperature.
    pub(super) ece_unscaled: Option<f64>,
    /// Root of the mean square error over valence and arousal together.
    pub(super) va_rmse: Option<f64>,
    /// Mean of the concordance correlations of valence and of arousal: L. I. Lin, "A concordance correlation
    /// coefficient to evaluate reproducibility", Biometrics 45, 1989.
    pub(super) va_ccc: Option<f64>,
    /// Number of pictures.
    pub(super) n: usize,
    /// One entry for each category that occurs as truth.
    pub(super) categories: Vec<CategorySummary>,
}

/// The measures of the pictures that truly show one category.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct CategorySummary {
    /// The published name.
    pub(super) category: &'static str,
    /// Number of pictures.
    pub(super) n: usize,
    /// How many were taken for each category, in the order of the published names.
    pub(super) told: [usize; 8],
    /// Part of them that was recognised; `None` where the model tells no categories.
    pub(super) recall: Option<f64>,
    /// Where the model puts them in valence and arousal.
    pub(super) told_circumplex: Option<Ellipse>,
    /// Where their labels are.
    pub(super) labelled_circumplex: Option<Ellipse>,
}

impl Tally {
    /// Counts one picture, whose prediction was made with this `temperature`.
    pub(super) fn add(&mut self, truth: Truth, prediction: &Prediction, temperature: f32) {
        self.pictures += 1;
        self.truths[truth.category as usize] += 1;
        if let Some(probabilities) = &prediction.probabilities {
            let (answer, confidence) = probabilities.argmax();
            let right = answer == truth.category;
            self.confusion[truth.category as usize][answer as usize] += 1;
            self.calibration.add(confidence, right);
            self.unscaled
                .add(unscaled(probabilities, confidence, temperature), right);
        }
        if let (Some((valence, arousal)), Some(told_valence), Some(told_arousal)) =
            (truth.valence_arousal, prediction.valence, prediction.arousal)
        {
            self.valence.add(valence, told_valence);
            self.arousal.add(arousal, told_arousal);
            self.told[truth.category as usize].add(told_valence, told_arousal);
            self.labelled[truth.category as usize].add(valence, arousal);
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
        let classified: usize = self.confusion.iter().flatten().sum();
        let right = (0..8).map(|category| self.confusion[category][category]).sum();
        let f1: Vec<f64> = (0..8).filter_map(|category| self.f1(category)).collect();
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
            ece: self.calibration.error(),
            ece_unscaled: self.unscaled.error(),
            va_rmse,
            va_ccc,
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
            told: self.confusion[index],
            recall: self.recall(category),
            told_circumplex: self.told[index].ellipse(),
            labelled_circumplex: self.labelled[index].ellipse(),
        })
    }

    fn f1(&self, category: usize) -> Option<f64> {
        let truths: usize = self.confusion[category].iter().sum();
        let answers: usize = self.confusion.iter().map(|row| row[category]).sum();
        ratio(2 * self.confusion[category][category], truths + answers)
    }
}

impl Calibration {
    fn add(&mut self, confidence: f32, right: bool) {
        let bin = &mut self.0[((confidence * BINS as f32) as usize).min(BINS - 1)];
        bin.count += 1;
        bin.right += usize::from(right);
        bin.confidence += f64::from(confidence);
    }

    /// Mean distance between confidence and accuracy; `None` where nothing was classified.
    fn error(&self) -> Option<f64> {
        let count: usize = self.0.iter().map(|bin| bin.count).sum();
        let gaps: f64 = self
            .0
            .iter()
            .map(|bin| (bin.right as f64 - bin.confidence).abs())
            .sum();
        (count > 0).then(|| gaps / count as f64)
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

/// What the largest probability was before the logits were divided by the temperature.
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
    fn categories_by_hand() {
        use Category::{Anger, Happiness, Neutral};
        let mut tally = Tally::default();
        // Three neutral (two recognised), one happy (taken for neutral).
        tally.add(truth(Neutral), &prediction(Neutral, 0.9), 1.0);
        tally.add(truth(Neutral), &prediction(Neutral, 0.5), 1.0);
        tally.add(truth(Neutral), &prediction(Anger, 0.9), 1.0);
        tally.add(truth(Happiness), &prediction(Neutral, 0.9), 1.0);
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
                &Prediction {
                    probabilities: None,
                    valence: Some(told.0),
                    arousal: Some(told.1),
                },
                1.0,
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
    fn the_temperature_is_taken_out_again() {
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
        // A certain answer stays certain.
        let certain = Probabilities::from_weights([0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]).unwrap();
        assert_eq!(unscaled(&certain, 1.0, 0.3), 1.0);

        let mut tally = Tally::default();
        tally.add(truth(Category::Fear), &prediction(Category::Fear, 0.9), 2.0);
        // Odds of 63 to 1 against each other category, where they were 7.9.
        near(tally.summary().ece, 0.1);
        near(tally.summary().ece_unscaled, 7.0 / (7.0 + 63.0 * 63.0));
    }

    #[test]
    fn each_category_by_itself() {
        let mut tally = Tally::default();
        for (valence, arousal) in [(-0.5, 0.5), (-0.7, 0.9)] {
            let truth = Truth {
                category: Category::Anger,
                valence_arousal: Some((-0.5, 0.5)),
            };
            let told = Prediction {
                valence: Some(valence),
                arousal: Some(arousal),
                ..prediction(Category::Fear, 0.9)
            };
            tally.add(truth, &told, 1.0);
        }
        let [anger] = &tally.summary().categories[..] else {
            panic!("{:?}", tally.summary());
        };
        assert_eq!((anger.category, anger.n, anger.recall), ("anger", 2, Some(0.0)));
        assert_eq!(anger.told[Category::Fear as usize], 2);
        let told = anger.told_circumplex.as_ref().unwrap();
        near(Some(told.valence), -0.6);
        near(Some(told.arousal), 0.7);
        near(Some(told.valence_deviation), 0.1);
        near(Some(told.arousal_deviation), 0.2);
        near(Some(told.correlation), -1.0);
        let labelled = anger.labelled_circumplex.as_ref().unwrap();
        assert_eq!((labelled.valence_deviation, labelled.correlation), (0.0, 0.0));
    }

    #[test]
    fn nothing_counted_means_nothing_known() {
        let summary = Tally::default().summary();
        assert_eq!(
            serde_json::to_string(&summary).unwrap(),
            r#"{"accuracy":null,"macro_f1":null,"ece":null,"ece_unscaled":null,"va_rmse":null,"va_ccc":null,"n":0,"categories":[]}"#
        );
    }
}

//! The report of an evaluation, as text and as JSON.

use std::io::{self, Write};

use serde::Serialize;

use super::{
    metrics::Metrics,
    moments::{BivariateMoments, Ellipse},
    quality::{self, QualityBin},
    resampling::{Ceiling, Interval, Intervals},
    sample::Sample,
};
use crate::category::Category;

/// The report; its fields are the keys of the JSON object. Unknown values are `null`.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    /// The metrics are those of [`Metrics`].
    accuracy: Option<f64>,
    accuracy_majority: Option<f64>,
    accuracy_any_tied: Option<f64>,
    macro_f1: Option<f64>,
    ece: Option<f64>,
    ece_unscaled: Option<f64>,
    va_rmse: Option<f64>,
    valence_ccc: Option<f64>,
    arousal_ccc: Option<f64>,
    va_ccc: Option<f64>,
    n: usize,
    n_majority: usize,
    /// The accuracy that annotators would reach.
    ceiling: Option<Ceiling>,
    intervals: Intervals,
    /// One entry for each fifth of the quality range that contains a classified picture.
    by_quality: Vec<QualityBin>,
    /// One entry for each category that occurs as a label.
    categories: Vec<CategoryReport>,
    #[serde(skip)]
    confusion: [[usize; 8]; 8],
}

/// The pictures of one true category.
#[derive(Debug, Serialize)]
struct CategoryReport {
    /// The published name.
    category: &'static str,
    n: usize,
    /// Number of pictures by predicted category, in the order of the published names.
    predicted: [usize; 8],
    recall: Option<f64>,
    recall_interval: Option<Interval>,
    precision: Option<f64>,
    precision_interval: Option<Interval>,
    /// Predicted valence and arousal.
    predicted_circumplex: Option<Ellipse>,
    /// Labelled valence and arousal.
    labelled_circumplex: Option<Ellipse>,
}

impl Report {
    pub(super) fn of(samples: &[Sample]) -> Self {
        let metrics = Metrics::of(samples);
        let intervals = Intervals::of(samples);
        let categories = Category::ALL
            .into_iter()
            .filter_map(|category| CategoryReport::of(category, samples, &metrics, &intervals))
            .collect();
        Self {
            accuracy: metrics.accuracy,
            accuracy_majority: metrics.accuracy_majority,
            accuracy_any_tied: metrics.accuracy_any_tied,
            macro_f1: metrics.macro_f1,
            ece: metrics.ece,
            ece_unscaled: metrics.ece_unscaled,
            va_rmse: metrics.va_rmse,
            valence_ccc: metrics.valence_ccc,
            arousal_ccc: metrics.arousal_ccc,
            va_ccc: metrics.va_ccc,
            n: metrics.n,
            n_majority: metrics.n_majority,
            ceiling: Ceiling::of(samples),
            intervals,
            by_quality: quality::bins(samples),
            categories,
            confusion: metrics.confusion,
        }
    }

    /// Writes all metrics with their intervals, and the confusion matrix.
    ///
    /// # Errors
    /// If `out` cannot be written.
    pub(super) fn write_text(&self, name: &str, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{name}: {} pictures, with 95 % intervals", self.n)?;
        let majority = format!("more than half agree ({})", self.n_majority);
        for (label, key, value) in [
            ("accuracy", "accuracy", self.accuracy),
            (&*majority, "accuracy_majority", self.accuracy_majority),
            (
                "any tied label counts",
                "accuracy_any_tied",
                self.accuracy_any_tied,
            ),
            ("macro F1", "macro_f1", self.macro_f1),
            ("calibration error", "ece", self.ece),
            ("without temperature", "ece_unscaled", self.ece_unscaled),
            ("valence-arousal RMSE", "va_rmse", self.va_rmse),
            ("valence CCC", "valence_ccc", self.valence_ccc),
            ("arousal CCC", "arousal_ccc", self.arousal_ccc),
            ("valence-arousal CCC", "va_ccc", self.va_ccc),
        ] {
            let value = with_interval(value, self.intervals.get(key));
            writeln!(out, "{label:<32}{value}")?;
        }
        if let Some(ceiling) = &self.ceiling {
            let label = "ceiling, from votes drawn again";
            writeln!(out, "{label:<32}{:.4}", ceiling.accuracy)?;
        }
        if self.accuracy.is_none() {
            return Ok(());
        }
        self.write_quality(out)?;
        self.write_confusion(out)
    }

    fn write_quality(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(
            out,
            "\nquality          pictures  accuracy  mean probability  calibration error"
        )?;
        for bin in &self.by_quality {
            writeln!(
                out,
                "{:.1} to {:.1}{:>18}{:>10.4}{:>18.4}{:>19.4}",
                bin.from, bin.to, bin.n, bin.accuracy, bin.confidence, bin.ece
            )?;
        }
        Ok(())
    }

    fn write_confusion(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "\nrecall and precision")?;
        for category in &self.categories {
            writeln!(
                out,
                "{:<12}{:<30}{}",
                category.category,
                with_interval(category.recall, category.recall_interval),
                with_interval(category.precision, category.precision_interval)
            )?;
        }
        writeln!(out, "\nconfusion (rows: true, columns: predicted)")?;
        write!(out, "{:<12}", "")?;
        for category in Category::ALL {
            write!(out, "{:>10}", category.name())?;
        }
        writeln!(out)?;
        for (category, row) in Category::ALL.into_iter().zip(&self.confusion) {
            write!(out, "{:<12}", category.name())?;
            for count in row {
                write!(out, "{count:>10}")?;
            }
            writeln!(out)?;
        }
        Ok(())
    }
}

impl CategoryReport {
    /// `None` if no sample has this label.
    fn of(category: Category, samples: &[Sample], metrics: &Metrics, intervals: &Intervals) -> Option<Self> {
        let (mut predicted, mut labelled) = (BivariateMoments::default(), BivariateMoments::default());
        let mut n = 0;
        for sample in samples.iter().filter(|sample| sample.truth.category == category) {
            n += 1;
            if let (Some(label), Some(prediction)) = (sample.truth.valence_arousal, sample.valence_arousal) {
                predicted.add(prediction.0, prediction.1);
                labelled.add(label.0, label.1);
            }
        }
        let index = category as usize;
        (n > 0).then(|| Self {
            category: category.name(),
            n,
            predicted: metrics.confusion[index],
            recall: metrics.recall[index],
            recall_interval: intervals.recall[index],
            precision: metrics.precision[index],
            precision_interval: intervals.precision[index],
            predicted_circumplex: predicted.ellipse(),
            labelled_circumplex: labelled.ellipse(),
        })
    }
}

fn with_interval(value: Option<f64>, interval: Option<Interval>) -> String {
    match (value, interval) {
        (None, _) => "not measurable".to_owned(),
        (Some(value), None) => format!("{value:.4}"),
        (Some(value), Some([low, high])) => format!("{value:.4} ({low:.4} to {high:.4})"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::measure::evaluation::{
        metrics::tests::sample,
        sample::{Agreement, Truth},
        votes::Votes,
    };

    #[test]
    fn categories_are_reported_separately() {
        let samples = [(-0.5, 0.5), (-0.7, 0.9)].map(|predicted| {
            let classified = sample(Category::Anger, Category::Fear, 0.9, Agreement::Unknown);
            Sample {
                truth: Truth {
                    valence_arousal: Some((-0.5, 0.5)),
                    ..classified.truth
                },
                valence_arousal: Some(predicted),
                ..classified
            }
        });
        let report = Report::of(&samples);
        let [anger] = &report.categories[..] else {
            panic!("{:?}", report.categories);
        };
        assert_eq!((anger.category, anger.n, anger.recall), ("anger", 2, Some(0.0)));
        assert_eq!(anger.precision, None);
        assert_eq!(anger.predicted[Category::Fear as usize], 2);
        let near =
            |found: f64, expected: f64| assert!((found - expected).abs() < 1e-6, "{found}, {expected}");
        let predicted = anger.predicted_circumplex.as_ref().unwrap();
        near(predicted.valence, -0.6);
        near(predicted.arousal, 0.7);
        near(predicted.valence_deviation, 0.1);
        near(predicted.arousal_deviation, 0.2);
        near(predicted.correlation, -1.0);
        let labelled = anger.labelled_circumplex.as_ref().unwrap();
        assert_eq!((labelled.valence_deviation, labelled.correlation), (0.0, 0.0));
    }

    #[test]
    fn text_and_json_say_the_same() {
        let votes = Agreement::Votes(Votes::new([0, 10, 0, 0, 0, 0, 0, 0, 0, 0]));
        let report = Report::of(&[sample(Category::Happiness, Category::Happiness, 0.9, votes)]);
        let mut text = Vec::new();
        report.write_text("tiny", &mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        for line in [
            "accuracy                        1.0000 (1.0000 to 1.0000)",
            "more than half agree (1)        1.0000 (1.0000 to 1.0000)",
            "valence CCC                     not measurable",
            "ceiling, from votes drawn again 1.0000",
            "0.8 to 1.0                 1    1.0000            0.9000             0.1000",
            "happiness   1.0000 (1.0000 to 1.0000)     1.0000 (1.0000 to 1.0000)",
        ] {
            assert!(
                text.lines().any(|found| found == line),
                "{line:?} is missing in\n{text}"
            );
        }
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["ceiling"]["accuracy"], 1.0);
        assert_eq!(json["by_quality"][0]["n"], 1);
        assert_eq!(
            json["intervals"]["metrics"]["accuracy"],
            serde_json::json!([1.0, 1.0])
        );
        assert_eq!(
            json["categories"][0]["precision_interval"],
            serde_json::json!([1.0, 1.0])
        );
        assert!(json["va_ccc"].is_null());
    }
}

//! The calibration of the probabilities, by the quality of the picture.

use serde::Serialize;

use super::{metrics::Metrics, sample::Sample};

/// Number of equal ranges of quality.
const BINS: u8 = 5;

/// The classified pictures whose quality is in one range.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct QualityBin {
    /// Lower end, included.
    pub(super) from: f64,
    /// Upper end, excluded; 1 is included.
    pub(super) to: f64,
    /// Number of pictures, at least 1.
    pub(super) n: usize,
    /// Share of the pictures whose predicted category is the true one.
    pub(super) accuracy: f64,
    /// Mean probability of the predicted category, as published.
    pub(super) confidence: f64,
    /// Expected calibration error of these pictures.
    pub(super) ece: f64,
}

/// The ranges that contain pictures, in ascending order.
pub(super) fn bins(samples: &[Sample]) -> Vec<QualityBin> {
    (0..BINS)
        .filter_map(|index| QualityBin::of(index, samples))
        .collect()
}

impl QualityBin {
    /// `None` without classified pictures.
    fn of(index: u8, samples: &[Sample]) -> Option<Self> {
        let inside = || samples.iter().filter(|sample| bin_of(sample.quality) == index);
        let confidences: Vec<f64> = inside()
            .filter_map(|sample| Some(f64::from(sample.classified?.confidence)))
            .collect();
        let metrics = Metrics::of(inside());
        let ends = [index, index + 1].map(|end| f64::from(end) / f64::from(BINS));
        Some(Self {
            from: ends[0],
            to: ends[1],
            n: confidences.len(),
            accuracy: metrics.accuracy?,
            confidence: confidences.iter().sum::<f64>() / confidences.len() as f64,
            ece: metrics.ece?,
        })
    }
}

fn bin_of(quality: f32) -> u8 {
    // Qualities are not negative.
    ((quality * f32::from(BINS)) as u8).min(BINS - 1)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{
        category::Category::{Anger, Fear},
        measure::evaluation::{metrics::tests::sample, sample::Agreement},
    };

    fn of_quality(quality: f32, predicted: crate::category::Category, confidence: f32) -> Sample {
        Sample {
            quality,
            ..sample(Anger, predicted, confidence, Agreement::Unknown)
        }
    }

    #[test]
    fn pictures_are_counted_in_the_range_of_their_quality() {
        let samples = [
            of_quality(0.0, Fear, 0.6),
            of_quality(0.199, Anger, 0.8),
            of_quality(0.41, Anger, 0.9),
            of_quality(0.8, Fear, 0.5),
            of_quality(1.0, Anger, 0.7),
        ];
        let found = bins(&samples);
        let ends: Vec<_> = found.iter().map(|bin| (bin.from, bin.to, bin.n)).collect();
        assert_eq!(ends, [(0.0, 0.2, 2), (0.4, 0.6, 1), (0.8, 1.0, 2)]);
        let near = |found: f64, expected: f64| assert!((found - expected).abs() < 1e-6, "{found}");
        near(found[0].accuracy, 0.5);
        near(found[0].confidence, 0.7);
        // 0.6 (wrong) and 0.8 (right) fall into different bins of confidence.
        near(found[0].ece, f64::midpoint(0.6, 0.2));
        near(found[1].ece, 0.1);
        near(found[2].confidence, 0.6);
    }

    #[test]
    fn pictures_without_categories_have_no_range() {
        let unclassified = Sample {
            classified: None,
            ..of_quality(0.5, Anger, 0.9)
        };
        assert_eq!(bins(&[unclassified]), []);
        assert_eq!(bins(&[]), []);
    }
}

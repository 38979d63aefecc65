//! Means, variances and covariance of two variables. Only sums are kept, so memory does not depend on the
//! number of samples.

use serde::Serialize;

/// Sums over pairs of values.
#[derive(Debug, Default)]
pub(super) struct BivariateMoments {
    n: f64,
    x: f64,
    y: f64,
    x_squared: f64,
    y_squared: f64,
    product: f64,
}

/// Mean and spread of points of valence and arousal, each axis -1 to 1.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Ellipse {
    pub(super) valence: f64,
    pub(super) arousal: f64,
    /// Population standard deviations.
    pub(super) valence_deviation: f64,
    pub(super) arousal_deviation: f64,
    /// Pearson's correlation, -1 to 1; 0 if either axis does not vary.
    pub(super) correlation: f64,
}

impl BivariateMoments {
    /// Adds one pair.
    pub(super) fn add(&mut self, x: f32, y: f32) {
        let (x, y) = (f64::from(x), f64::from(y));
        self.n += 1.0;
        self.x += x;
        self.y += y;
        self.x_squared += x * x;
        self.y_squared += y * y;
        self.product += x * y;
    }

    /// Mean of the squared differences of the pairs; `None` without pairs.
    pub(super) fn mean_square_difference(&self) -> Option<f64> {
        (self.n > 0.0).then(|| ((self.x_squared - 2.0 * self.product + self.y_squared) / self.n).max(0.0))
    }

    /// Concordance correlation coefficient with population variances; `None` without pairs or if all values
    /// are equal. L. I. Lin, "A concordance correlation coefficient to evaluate reproducibility", Biometrics
    /// 45, 1989.
    pub(super) fn concordance(&self) -> Option<f64> {
        let difference = self.mean_x() - self.mean_y();
        let spread = self.variance_x() + self.variance_y() + difference * difference;
        (spread > 1e-12).then(|| 2.0 * self.covariance() / spread)
    }

    /// Mean and spread with valence as x and arousal as y; `None` without pairs.
    pub(super) fn ellipse(&self) -> Option<Ellipse> {
        if self.n == 0.0 {
            return None;
        }
        let (valence_deviation, arousal_deviation) = (self.variance_x().sqrt(), self.variance_y().sqrt());
        let spread = valence_deviation * arousal_deviation;
        Some(Ellipse {
            valence: self.mean_x(),
            arousal: self.mean_y(),
            valence_deviation,
            arousal_deviation,
            correlation: if spread > 1e-9 {
                (self.covariance() / spread).clamp(-1.0, 1.0)
            } else {
                0.0
            },
        })
    }

    fn mean_x(&self) -> f64 {
        self.x / self.n
    }

    fn mean_y(&self) -> f64 {
        self.y / self.n
    }

    /// Not negative, although rounding may leave a difference slightly below zero.
    fn variance_x(&self) -> f64 {
        (self.x_squared / self.n - self.mean_x() * self.mean_x()).max(0.0)
    }

    fn variance_y(&self) -> f64 {
        (self.y_squared / self.n - self.mean_y() * self.mean_y()).max(0.0)
    }

    fn covariance(&self) -> f64 {
        self.product / self.n - self.mean_x() * self.mean_y()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn moments(pairs: &[(f32, f32)]) -> BivariateMoments {
        let mut moments = BivariateMoments::default();
        for &(x, y) in pairs {
            moments.add(x, y);
        }
        moments
    }

    #[test]
    fn no_pairs_give_no_moments() {
        let none = moments(&[]);
        assert_eq!(none.mean_square_difference(), None);
        assert_eq!(none.concordance(), None);
        assert_eq!(none.ellipse(), None);
    }

    #[test]
    fn concordance_is_penalized_by_an_offset_that_correlation_ignores() {
        let shifted = moments(&[(0.0, 0.5), (0.5, 1.0)]);
        // Variances and covariance are 1/16, the difference of the means is 1/2.
        assert!((shifted.concordance().unwrap() - 2.0 / 16.0 / (2.0 / 16.0 + 0.25)).abs() < 1e-12);
        assert!((shifted.ellipse().unwrap().correlation - 1.0).abs() < 1e-12);
        assert!((shifted.mean_square_difference().unwrap() - 0.25).abs() < 1e-12);
        assert_eq!(moments(&[(0.5, 0.5), (0.5, 0.5)]).concordance(), None);
    }
}

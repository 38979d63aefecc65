//! Where pictures lie in valence and arousal. Sums only: memory does not depend on their number.

use serde::Serialize;

/// Sums over points.
#[derive(Debug, Default)]
pub(super) struct Cloud {
    n: f64,
    valence: f64,
    arousal: f64,
    valence_squared: f64,
    arousal_squared: f64,
    product: f64,
}

/// Mean and spread of points, each axis -1 to 1.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Ellipse {
    pub(super) valence: f64,
    pub(super) arousal: f64,
    /// Population standard deviations.
    pub(super) valence_deviation: f64,
    pub(super) arousal_deviation: f64,
    /// Correlation of both, -1 to 1; 0 where either does not vary.
    pub(super) correlation: f64,
}

impl Cloud {
    /// Counts one point.
    pub(super) fn add(&mut self, valence: f32, arousal: f32) {
        let (valence, arousal) = (f64::from(valence), f64::from(arousal));
        self.n += 1.0;
        self.valence += valence;
        self.arousal += arousal;
        self.valence_squared += valence * valence;
        self.arousal_squared += arousal * arousal;
        self.product += valence * arousal;
    }

    /// `None` without points.
    pub(super) fn ellipse(&self) -> Option<Ellipse> {
        if self.n == 0.0 {
            return None;
        }
        let (valence, arousal) = (self.valence / self.n, self.arousal / self.n);
        // Rounding may leave a little less than nothing.
        let deviation = |squared: f64, mean: f64| (squared / self.n - mean * mean).max(0.0).sqrt();
        let valence_deviation = deviation(self.valence_squared, valence);
        let arousal_deviation = deviation(self.arousal_squared, arousal);
        let covariance = self.product / self.n - valence * arousal;
        let spread = valence_deviation * arousal_deviation;
        Some(Ellipse {
            valence,
            arousal,
            valence_deviation,
            arousal_deviation,
            correlation: if spread > 1e-9 {
                (covariance / spread).clamp(-1.0, 1.0)
            } else {
                0.0
            },
        })
    }
}

//! The expression categories that manifests name, networks predict and messages carry.

/// The published expression categories, in the order of CAGE and of every published list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum Category {
    /// No expression.
    Neutral,
    /// A smile.
    Happiness,
    /// Corners of the mouth down.
    Sadness,
    /// Brows up, mouth open.
    Surprise,
    /// Eyes wide, mouth drawn back.
    Fear,
    /// Nose wrinkled.
    Disgust,
    /// Brows down, lips pressed.
    Anger,
    /// One corner of the mouth up.
    Contempt,
}

impl Category {
    /// All categories in published order; `category as usize` is the index into this array.
    pub const ALL: [Self; 8] = [
        Self::Neutral,
        Self::Happiness,
        Self::Sadness,
        Self::Surprise,
        Self::Fear,
        Self::Disgust,
        Self::Anger,
        Self::Contempt,
    ];

    /// The published name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Neutral => "neutral",
            Self::Happiness => "happiness",
            Self::Sadness => "sadness",
            Self::Surprise => "surprise",
            Self::Fear => "fear",
            Self::Disgust => "disgust",
            Self::Anger => "anger",
            Self::Contempt => "contempt",
        }
    }
}

/// Probabilities of the eight categories: each 0 to 1, with a sum of 1. A category that the model does not
/// predict has 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Probabilities([f32; 8]);

impl Probabilities {
    /// Weights in the order of [`Category::ALL`], scaled to a sum of 1.
    ///
    /// `None` unless all are finite and not negative, and their sum is positive and finite.
    #[must_use]
    pub fn from_weights(weights: [f32; 8]) -> Option<Self> {
        let sum: f32 = weights.iter().sum();
        let usable = weights.iter().all(|weight| *weight >= 0.0) && sum > 0.0 && sum.is_finite();
        usable.then(|| Self(weights.map(|weight| weight / sum)))
    }

    /// The largest difference between corresponding probabilities.
    #[must_use]
    pub fn max_difference(&self, other: &Self) -> f32 {
        let pairs = self.0.iter().zip(other.0);
        pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
    }

    /// The most probable category (the first on a tie) and its probability.
    #[must_use]
    pub fn argmax(&self) -> (Category, f32) {
        let mut best = (Category::ALL[0], self.0[0]);
        for (category, probability) in self.iter().skip(1) {
            if probability > best.1 {
                best = (category, probability);
            }
        }
        best
    }

    /// The probability of one category.
    #[must_use]
    pub fn of(&self, category: Category) -> f32 {
        self.0[category as usize]
    }

    /// The categories in order, each with its probability.
    pub fn iter(&self) -> impl Iterator<Item = (Category, f32)> {
        Category::ALL.into_iter().zip(self.0)
    }

    /// The probabilities in the order of [`Category::ALL`].
    #[must_use]
    pub fn to_array(self) -> [f32; 8] {
        self.0
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn weights_are_scaled_to_a_sum_of_one() {
        let probabilities = Probabilities::from_weights([2.0, 1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0]).unwrap();
        assert_eq!(
            probabilities.to_array(),
            [0.5, 0.25, 0.0, 0.25, 0.0, 0.0, 0.0, 0.0]
        );
        assert_eq!(probabilities.of(Category::Happiness), 0.25);
    }

    #[test]
    fn invalid_weights_are_refused() {
        for bad in [f32::NAN, f32::INFINITY, -0.5, f32::NEG_INFINITY] {
            let mut weights = [0.25; 8];
            weights[3] = bad;
            assert_eq!(Probabilities::from_weights(weights), None, "{bad}");
        }
        assert_eq!(Probabilities::from_weights([0.0; 8]), None);
        assert_eq!(
            Probabilities::from_weights([f32::MAX; 8]),
            None,
            "the sum overflows"
        );
    }

    #[test]
    fn argmax_returns_the_first_of_equals() {
        let mut weights = [0.1; 8];
        weights[Category::Fear as usize] = 0.3;
        weights[Category::Contempt as usize] = 0.3;
        let (category, probability) = Probabilities::from_weights(weights).unwrap().argmax();
        assert_eq!(category, Category::Fear);
        assert!((probability - 0.25).abs() < 1e-6);
        let even = Probabilities::from_weights([1.0; 8]).unwrap();
        assert_eq!(even.argmax(), (Category::Neutral, 0.125));
    }
}

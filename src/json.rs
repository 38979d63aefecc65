//! How numbers and categories are written in JSON, the same in messages and in reports.

use serde::{Serialize, Serializer, ser::SerializeMap as _};

use crate::category::{Category, Probabilities};

/// A number rounded to four decimals; NaN and infinities become `null`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rounded(pub f32);

impl Serialize for Rounded {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Adding 0 turns -0 into 0; JSON has no NaN, serde_json writes null.
        serializer.serialize_f64((f64::from(self.0) * 1e4).round() / 1e4 + 0.0)
    }
}

/// An object of category names and probabilities, for the categories that the model knows.
#[derive(Debug, Clone, Copy)]
pub struct Distribution<'a> {
    /// The model's categories, in the model's order.
    pub categories: &'a [Category],
    /// Probability of each of [`Category::ALL`].
    pub probabilities: Probabilities,
}

impl Serialize for Distribution<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.categories.len()))?;
        for &category in self.categories {
            map.serialize_entry(category.name(), &Rounded(self.probabilities.of(category)))?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn numbers_have_four_decimals_and_no_negative_zero() {
        let numbers = [0.123_456, -0.000_01, 1.0, f32::NAN, f32::INFINITY].map(Rounded);
        assert_eq!(
            serde_json::to_string(&numbers).unwrap(),
            "[0.1235,0.0,1.0,null,null]"
        );
    }

    #[test]
    fn only_the_model_s_categories_appear_in_its_order() {
        let mut weights = [0.0; 8];
        weights[Category::Happiness as usize] = 0.75;
        weights[Category::Anger as usize] = 0.25;
        let distribution = Distribution {
            categories: &[Category::Anger, Category::Happiness],
            probabilities: Probabilities::from_weights(weights).unwrap(),
        };
        assert_eq!(
            serde_json::to_string(&distribution).unwrap(),
            r#"{"anger":0.25,"happiness":0.75}"#
        );
    }
}

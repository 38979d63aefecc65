//! The JSON representation of numbers and categories, in messages and in reports.

use serde::{Serialize, Serializer, ser::SerializeMap as _};

use crate::category::{Category, Probabilities};

/// A number rounded to this many decimals; NaN and infinities become `null`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Decimals<const DECIMALS: i32>(pub f32);

/// A number as written in reports.
pub type Rounded = Decimals<4>;

impl<const DECIMALS: i32> Serialize for Decimals<DECIMALS> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let scale = 10_f64.powi(DECIMALS);
        // Adding 0 turns -0 into 0. JSON has no NaN, so serde_json writes null.
        serializer.serialize_f64((f64::from(self.0) * scale).round() / scale + 0.0)
    }
}

/// An object of category names and probabilities, for the categories that the model predicts.
#[derive(Debug, Clone, Copy)]
pub struct Distribution<'a, const DECIMALS: i32> {
    /// The model's categories, in the model's order.
    pub categories: &'a [Category],
    /// Probability of each of [`Category::ALL`].
    pub probabilities: Probabilities,
}

impl<const DECIMALS: i32> Serialize for Distribution<'_, DECIMALS> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.categories.len()))?;
        for &category in self.categories {
            map.serialize_entry(
                category.name(),
                &Decimals::<DECIMALS>(self.probabilities.of(category)),
            )?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn numbers_have_few_decimals_and_no_negative_zero() {
        let numbers = [0.123_456, -0.000_01, 1.0, f32::NAN, f32::INFINITY];
        assert_eq!(
            serde_json::to_string(&numbers.map(Decimals::<4>)).unwrap(),
            "[0.1235,0.0,1.0,null,null]"
        );
        assert_eq!(
            serde_json::to_string(&numbers.map(Decimals::<2>)).unwrap(),
            "[0.12,0.0,1.0,null,null]"
        );
    }

    #[test]
    fn only_the_model_s_categories_appear_in_its_order() {
        let mut weights = [0.0; 8];
        weights[Category::Happiness as usize] = 0.75;
        weights[Category::Anger as usize] = 0.25;
        let distribution = Distribution::<4> {
            categories: &[Category::Anger, Category::Happiness],
            probabilities: Probabilities::from_weights(weights).unwrap(),
        };
        assert_eq!(
            serde_json::to_string(&distribution).unwrap(),
            r#"{"anger":0.25,"happiness":0.75}"#
        );
    }
}

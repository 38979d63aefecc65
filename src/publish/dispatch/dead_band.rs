//! Holds published values steady while they change only by noise, so subscribers record less.

use crate::sense::face::Prediction;

/// `newest`, in which every value that differs from the published one by less than `band` is replaced by it.
/// The probabilities are held or change together, so their sum remains 1.
pub fn steady(newest: Prediction, published: Prediction, band: f32) -> Prediction {
    let number = |newest: Option<f32>, published: Option<f32>| match (newest, published) {
        (Some(new), Some(old)) if (new - old).abs() < band => Some(old),
        _ => newest,
    };
    Prediction {
        probabilities: match (newest.probabilities, published.probabilities) {
            (Some(new), Some(old)) if new.max_difference(&old) < band => Some(old),
            _ => newest.probabilities,
        },
        valence: number(newest.valence, published.valence),
        arousal: number(newest.arousal, published.arousal),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sense::face::Probabilities;

    fn prediction(happiness: f32, valence: Option<f32>) -> Prediction {
        Prediction {
            probabilities: Probabilities::from_weights([
                1.0 - happiness,
                happiness,
                0.0,
                0.0,
                0.0,
                0.0,
                0.0,
                0.0,
            ]),
            valence,
            arousal: None,
        }
    }

    #[test]
    fn small_changes_are_held_and_add_up() {
        let mut published = prediction(0.5, Some(0.0));
        let mut values = Vec::new();
        for step in 1..=10_u8 {
            let newest = prediction(0.5, Some(f32::from(step) * 0.02));
            published = steady(newest, published, 0.05);
            values.push(published.valence);
        }
        let steps = [0.0, 0.0, 0.06, 0.06, 0.06, 0.12, 0.12, 0.12, 0.18, 0.18];
        for (value, expected) in values.iter().zip(steps) {
            assert!((value.unwrap_or(9.0) - expected).abs() < 1e-6, "{values:?}");
        }
    }

    #[test]
    fn each_number_has_its_own_band() {
        let published = prediction(0.5, Some(0.0));
        let newest = prediction(0.52, Some(0.3));
        let result = steady(newest, published, 0.05);
        assert_eq!(result, prediction(0.5, Some(0.3)));
        assert_eq!(
            steady(prediction(0.56, Some(0.01)), published, 0.05),
            prediction(0.56, Some(0.0))
        );
    }

    #[test]
    fn a_new_or_lost_value_passes() {
        let published = prediction(0.5, Some(0.0));
        let nothing = Prediction::default();
        assert_eq!(steady(nothing, published, 0.05), nothing);
        assert_eq!(steady(published, nothing, 0.05), published);
    }

    #[test]
    fn without_a_band_everything_passes() {
        let newest = prediction(0.500_1, Some(0.000_1));
        assert_eq!(steady(newest, prediction(0.5, Some(0.0)), 0.0), newest);
    }
}

//! Predictions from output vectors.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use super::*;
use crate::{category::Category, model::Registry};

fn spec(name: &str) -> ExpressionSpec {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/models");
    let manifest = Registry::open(&folder).unwrap().find(name).unwrap();
    manifest.expression().unwrap().clone()
}

fn output(data: &[f32]) -> Output<'_> {
    Output { shape: &[], data }
}

fn predict(spec: &ExpressionSpec, outputs: &[Output<'_>]) -> Result<Prediction, InferError> {
    OutputVector::gather(spec, outputs).map(|outputs| outputs.prediction(spec))
}

#[test]
fn seven_categories_in_the_models_own_order() {
    let numbers = [0.0, 0.0, 0.0, 2.0_f32.ln(), 0.0, 0.0, 0.0];
    let prediction = predict(&spec("tiny-seven"), &[output(&numbers)]).unwrap();
    let probabilities = prediction.probabilities.unwrap();
    // The fourth logit is happiness: twice as probable as each of the other six.
    assert!((probabilities.of(Category::Happiness) - 0.25).abs() < 1e-6);
    assert!((probabilities.of(Category::Anger) - 0.125).abs() < 1e-6);
    assert_eq!(probabilities.of(Category::Contempt), 0.0);
    assert_eq!((prediction.valence, prediction.arousal), (None, None));
}

#[test]
fn eight_categories_with_temperature_and_bounded_valence_and_arousal() {
    let mut numbers = [0.0; 10];
    numbers[0] = 1.5 * 7.0_f32.ln();
    numbers[8] = -1.75;
    numbers[9] = 0.25;
    let prediction = predict(&spec("tiny-combined"), &[output(&numbers)]).unwrap();
    assert!((prediction.probabilities.unwrap().to_array()[0] - 0.5).abs() < 1e-6);
    assert_eq!((prediction.valence, prediction.arousal), (Some(-1.0), Some(0.25)));
}

#[test]
fn several_outputs_are_one_vector() {
    let categories = [0.0; 8];
    let prediction = predict(
        &spec("tiny-combined"),
        &[output(&categories), output(&[0.5, -0.5])],
    )
    .unwrap();
    assert_eq!((prediction.valence, prediction.arousal), (Some(0.5), Some(-0.5)));
}

#[test]
fn large_logits_overflow_nothing() {
    for base in [-1e30, 1e30] {
        let mut numbers = [base; 10];
        numbers[8] = 0.0;
        numbers[9] = 0.0;
        let prediction = predict(&spec("tiny-combined"), &[output(&numbers)]).unwrap();
        assert_eq!(prediction.probabilities.unwrap().to_array(), [0.125; 8]);
    }
    let mut numbers = [0.0; 10];
    numbers[2] = f32::MAX;
    numbers[3] = f32::MIN;
    let prediction = predict(&spec("tiny-combined"), &[output(&numbers)]).unwrap();
    assert_eq!(prediction.probabilities.unwrap().to_array()[2], 1.0);
}

#[test]
fn outputs_that_are_not_finite_are_an_error() {
    for (index, value) in [
        (0, f32::NAN),
        (7, f32::INFINITY),
        (8, f32::NAN),
        (9, f32::NEG_INFINITY),
    ] {
        let mut numbers = [0.0; 10];
        numbers[index] = value;
        match predict(&spec("tiny-combined"), &[output(&numbers)]) {
            Err(InferError::NotFinite { index: found, .. }) => assert_eq!(found, index),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_mean_is_that_of_the_outputs_and_not_of_the_probabilities() {
    let spec = spec("tiny-combined");
    let mut numbers = [0.0; 10];
    numbers[0] = 1.5 * 49.0_f32.ln();
    (numbers[8], numbers[9]) = (f32::MAX, 0.5);
    let one = OutputVector::gather(&spec, &[output(&numbers)]).unwrap();
    (numbers[0], numbers[9]) = (0.0, -0.25);
    let other = OutputVector::gather(&spec, &[output(&numbers)]).unwrap();
    let prediction = one.mean(&other).prediction(&spec);
    assert!((prediction.probabilities.unwrap().to_array()[0] - 0.5).abs() < 1e-6);
    assert_eq!((prediction.valence, prediction.arousal), (Some(1.0), Some(0.125)));
}

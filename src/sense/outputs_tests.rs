//! Readings from output vectors.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use super::*;
use crate::{category::Category, model::Registry};

fn contract(name: &str) -> Contract {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/models");
    let manifest = Registry::open(&folder).unwrap().find(name).unwrap();
    manifest.expression().unwrap().clone()
}

fn output(data: &[f32]) -> Output<'_> {
    Output { shape: &[], data }
}

fn read(contract: &Contract, outputs: &[Output<'_>]) -> Result<Reading, InferError> {
    Numbers::gather(contract, outputs).map(|numbers| numbers.reading(contract))
}

#[test]
fn seven_categories_in_the_models_own_order() {
    let numbers = [0.0, 0.0, 0.0, 2.0_f32.ln(), 0.0, 0.0, 0.0];
    let reading = read(&contract("tiny-seven"), &[output(&numbers)]).unwrap();
    let probabilities = reading.probabilities.unwrap();
    // The fourth logit is happiness: twice as probable as each of the other six.
    assert!((probabilities[Category::Happiness as usize] - 0.25).abs() < 1e-6);
    assert!((probabilities[Category::Anger as usize] - 0.125).abs() < 1e-6);
    assert_eq!(probabilities[Category::Contempt as usize], 0.0);
    assert_eq!((reading.valence, reading.arousal), (None, None));
}

#[test]
fn eight_categories_with_temperature_and_bounded_valence_and_arousal() {
    let mut numbers = [0.0; 10];
    numbers[0] = 1.5 * 7.0_f32.ln();
    numbers[8] = -1.75;
    numbers[9] = 0.25;
    let reading = read(&contract("tiny-combined"), &[output(&numbers)]).unwrap();
    assert!((reading.probabilities.unwrap()[0] - 0.5).abs() < 1e-6);
    assert_eq!((reading.valence, reading.arousal), (Some(-1.0), Some(0.25)));
}

#[test]
fn several_outputs_are_one_vector() {
    let categories = [0.0; 8];
    let reading = read(
        &contract("tiny-combined"),
        &[output(&categories), output(&[0.5, -0.5])],
    )
    .unwrap();
    assert_eq!((reading.valence, reading.arousal), (Some(0.5), Some(-0.5)));
}

#[test]
fn large_logits_overflow_nothing() {
    for base in [-1e30, 1e30] {
        let mut numbers = [base; 10];
        numbers[8] = 0.0;
        numbers[9] = 0.0;
        let reading = read(&contract("tiny-combined"), &[output(&numbers)]).unwrap();
        assert_eq!(reading.probabilities.unwrap(), [0.125; 8]);
    }
    let mut numbers = [0.0; 10];
    numbers[2] = f32::MAX;
    numbers[3] = f32::MIN;
    let reading = read(&contract("tiny-combined"), &[output(&numbers)]).unwrap();
    assert_eq!(reading.probabilities.unwrap()[2], 1.0);
}

#[test]
fn numbers_that_are_not_finite_are_not_published() {
    for (index, value) in [
        (0, f32::NAN),
        (7, f32::INFINITY),
        (8, f32::NAN),
        (9, f32::NEG_INFINITY),
    ] {
        let mut numbers = [0.0; 10];
        numbers[index] = value;
        match read(&contract("tiny-combined"), &[output(&numbers)]) {
            Err(InferError::NotFinite { index: found, .. }) => assert_eq!(found, index),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_mean_is_that_of_the_outputs_and_not_of_the_probabilities() {
    let contract = contract("tiny-combined");
    let mut numbers = [0.0; 10];
    numbers[0] = 1.5 * 49.0_f32.ln();
    (numbers[8], numbers[9]) = (f32::MAX, 0.5);
    let one = Numbers::gather(&contract, &[output(&numbers)]).unwrap();
    (numbers[0], numbers[9]) = (0.0, -0.25);
    let other = Numbers::gather(&contract, &[output(&numbers)]).unwrap();
    let reading = one.mean(&other).reading(&contract);
    assert!((reading.probabilities.unwrap()[0] - 0.5).abs() < 1e-6);
    assert_eq!((reading.valence, reading.arousal), (Some(1.0), Some(0.125)));
}

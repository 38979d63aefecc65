//! Readings from output vectors, and from the tiny networks of tests/data/models.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use super::*;
use crate::{
    model::{Catalogue, Kind},
    sense::{face::Category, geometry::Point},
};

fn manifest(name: &str) -> Manifest {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/models");
    Catalogue::open(&folder).unwrap().find(name).unwrap()
}

fn contract(name: &str) -> Contract {
    manifest(name).expression().unwrap().clone()
}

fn output(data: &[f32]) -> Output<'_> {
    Output { shape: &[], data }
}

fn landmarks() -> Landmarks {
    let at = |x, y| Point { x, y };
    Landmarks {
        right_eye: at(24.0, 30.0),
        left_eye: at(44.0, 31.0),
        nose: at(34.0, 41.0),
        mouth: at(33.0, 51.0),
    }
}

/// Pixels that differ from each other, the same in every run.
fn photograph() -> Picture {
    let mut picture = Picture::default();
    let mut state = 1_u32;
    for value in picture.reset(80, 70) {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        *value = (state >> 24) as u8;
    }
    picture
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
fn every_kind_of_model_classifies_a_face() {
    for (name, categories, valence_arousal) in [
        ("tiny-combined", 8, true),
        ("tiny-seven", 7, false),
        ("tiny-va", 0, true),
    ] {
        let mut expression = Expression::open(&manifest(name)).unwrap();
        let (reading, quality) = expression.classify(&photograph(), &landmarks()).unwrap();
        assert!(quality > 0.5, "{name}: {quality}");
        match reading.probabilities {
            Some(probabilities) => {
                assert_eq!(
                    probabilities
                        .iter()
                        .filter(|probability| **probability > 0.0)
                        .count(),
                    categories
                );
                assert!((probabilities.iter().sum::<f32>() - 1.0).abs() < 1e-5);
            }
            None => assert_eq!(categories, 0, "{name}"),
        }
        assert_eq!(
            (reading.valence.is_some(), reading.arousal.is_some()),
            (valence_arousal, valence_arousal)
        );
        // Nothing is kept from one face to the next.
        expression.classify_whole(&photograph()).unwrap();
        assert_eq!(
            expression.classify(&photograph(), &landmarks()).unwrap(),
            (reading, quality)
        );
    }
}

#[test]
fn several_threads_read_the_same_as_one() {
    let mut alone = Expression::open(&manifest("tiny-combined")).unwrap();
    let mut several = Expression::open(&manifest("tiny-combined"))
        .unwrap()
        .with_threads(3)
        .unwrap();
    let mut moved = landmarks();
    moved.nose.x += 4.0;
    let faces = [landmarks(), Landmarks::default(), moved];
    for _ in 0..20 {
        let mut results = Vec::new();
        several.classify_all(&photograph(), &faces, |number, result| {
            results.push((number, result))
        });
        let numbers: Vec<usize> = results.iter().map(|(number, _)| *number).collect();
        assert_eq!(numbers, [0, 1, 2]);
        for ((_, found), face) in results.iter().zip(&faces) {
            match (found, alone.classify(&photograph(), face)) {
                (Ok(found), Ok(expected)) => assert_eq!(*found, expected),
                (Err(InferError::NoFace), Err(InferError::NoFace)) => (),
                (found, expected) => panic!("{found:?}, not {expected:?}"),
            }
        }
    }
}

#[test]
fn landmarks_that_span_no_face_are_an_error() {
    let mut expression = Expression::open(&manifest("tiny-va")).unwrap();
    let error = expression
        .classify(&photograph(), &Landmarks::default())
        .unwrap_err();
    assert!(matches!(error, InferError::NoFace));
}

#[test]
fn a_detector_is_no_expression_model() {
    let mut manifest = manifest("tiny-va");
    manifest.kind = Kind::Detector(crate::model::Detector {
        decoder: crate::model::Decoder::YuNet,
    });
    assert!(matches!(
        Expression::open(&manifest),
        Err(ModelError::Kind { .. })
    ));
}

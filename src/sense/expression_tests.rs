//! Readings of faces by the tiny networks of tests/data/models.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use super::*;
use crate::{
    model::{Registry, Kind},
    sense::geometry::Point,
};

fn manifest(name: &str) -> Manifest {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/models");
    Registry::open(&folder).unwrap().find(name).unwrap()
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
fn the_mirror_image_counts_as_much_as_the_face() {
    let mut plain = Expression::open(&manifest("tiny-combined")).unwrap();
    let mut described = manifest("tiny-combined");
    if let Kind::Expression(contract) = &mut described.kind {
        contract.crop.mirror = true;
    }
    let open = |threads| {
        let expression = Expression::open(&described).unwrap();
        expression.with_threads(threads).unwrap()
    };
    // A face and its mirror image give the same, and that lies between what each gives alone.
    let picture = photograph();
    let mut mirrored = Picture::default();
    let rows = mirrored.reset(80, 70).chunks_exact_mut(80 * 3);
    for (row, original) in rows.zip(picture.rgb().chunks_exact(80 * 3)) {
        for (pixel, opposite) in row.chunks_exact_mut(3).zip(original.rchunks_exact(3)) {
            pixel.copy_from_slice(opposite);
        }
    }
    let mut both = open(1);
    let reading = both.classify_whole(&picture).unwrap();
    let opposite = both.classify_whole(&mirrored).unwrap();
    let alone = [&picture, &mirrored].map(|picture| plain.classify_whole(picture).unwrap());
    let near = |a: Option<f32>, b: f32| (a.unwrap() - b).abs() < 1e-4;
    assert!(!near(alone[0].valence, alone[1].valence.unwrap()), "{alone:?}");
    let mean = alone[0].valence.unwrap() / 2.0 + alone[1].valence.unwrap() / 2.0;
    assert!(near(reading.valence, mean) && near(opposite.valence, mean));
    // However the views are shared among threads.
    let mut moved = landmarks();
    moved.nose.x += 4.0;
    let faces = [moved, Landmarks::default(), landmarks(), landmarks()];
    for threads in 1..=5 {
        let mut several = open(threads);
        let mut numbers = Vec::new();
        several.classify_all(&picture, &faces, |number, result| {
            numbers.push(number);
            match (result, both.classify(&picture, &faces[number])) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected),
                (Err(InferError::NoFace), Err(InferError::NoFace)) => assert_eq!(number, 1),
                (found, expected) => panic!("{found:?}, not {expected:?}"),
            }
        });
        assert_eq!(numbers, [0, 1, 2, 3]);
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

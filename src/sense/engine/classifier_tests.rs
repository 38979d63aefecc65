//! Classifies faces with the tiny networks of tests/data/models.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use super::*;
use crate::{
    model::{Kind, Registry},
    sense::{detection::Landmarks, geometry::Point},
};

fn manifest(name: &str) -> Manifest {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/models");
    Registry::open(&folder).unwrap().find(name).unwrap()
}

/// The crop of a face whose nose is moved right by `nose` pixels.
fn crop(nose: f32) -> AlignedCrop {
    let at = |x, y| Point { x, y };
    let landmarks = Landmarks {
        right_eye: at(24.0, 30.0),
        left_eye: at(44.0, 31.0),
        nose: at(34.0 + nose, 41.0),
        mouth: at(33.0, 51.0),
    };
    AlignedCrop::fit(&landmarks).unwrap()
}

fn classify_batch(
    classifier: &mut NetworkClassifier,
    picture: &Picture,
    crops: &[AlignedCrop],
) -> Vec<Classification> {
    let mut results = Classifications::new();
    classifier.classify_batch(picture, crops, &mut results).unwrap();
    results.to_vec()
}

/// Pseudo-random pixels, the same in every run.
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
        let mut classifier = NetworkClassifier::open(&manifest(name)).unwrap();
        let first = classifier.classify(&photograph(), &crop(0.0)).unwrap();
        assert!(first.quality.value() > 0.5, "{name}: {first:?}");
        let prediction = first.prediction;
        let known = prediction.probabilities.map_or(0, |probabilities| {
            probabilities
                .iter()
                .filter(|(_, probability)| *probability > 0.0)
                .count()
        });
        assert_eq!(known, categories, "{name}");
        assert_eq!(
            (prediction.valence.is_some(), prediction.arousal.is_some()),
            (valence_arousal, valence_arousal)
        );
        // No state is kept from one face to the next.
        classifier.classify_whole(&photograph()).unwrap();
        assert_eq!(classifier.classify(&photograph(), &crop(0.0)).unwrap(), first);
    }
}

#[test]
fn several_threads_predict_the_same_as_one() {
    let mut alone = NetworkClassifier::open(&manifest("tiny-combined")).unwrap();
    let mut several = NetworkClassifier::open(&manifest("tiny-combined"))
        .unwrap()
        .with_threads(3)
        .unwrap();
    let crops = [crop(0.0), crop(-3.0), crop(4.0)];
    let expected = crops.map(|crop| alone.classify(&photograph(), &crop).unwrap());
    for _ in 0..20 {
        assert_eq!(classify_batch(&mut several, &photograph(), &crops), expected);
    }
}

#[test]
fn the_mirror_image_counts_as_much_as_the_face() {
    let mut plain = NetworkClassifier::open(&manifest("tiny-combined")).unwrap();
    let mut described = manifest("tiny-combined");
    if let Kind::Expression(contract) = &mut described.kind {
        contract.crop.mirror = true;
    }
    let open = |threads| {
        let classifier = NetworkClassifier::open(&described).unwrap();
        classifier.with_threads(threads).unwrap()
    };
    // A face and its mirror image give the same result, which is the mean of what each gives alone.
    let picture = photograph();
    let mut mirrored = Picture::default();
    let rows = mirrored.reset(80, 70).chunks_exact_mut(80 * 3);
    for (row, original) in rows.zip(picture.rgb().chunks_exact(80 * 3)) {
        for (pixel, opposite) in row.chunks_exact_mut(3).zip(original.rchunks_exact(3)) {
            pixel.copy_from_slice(opposite);
        }
    }
    let mut both = open(1);
    let prediction = both.classify_whole(&picture).unwrap().prediction;
    let opposite = both.classify_whole(&mirrored).unwrap().prediction;
    let alone = [&picture, &mirrored].map(|picture| plain.classify_whole(picture).unwrap().prediction);
    let near = |a: Option<f32>, b: f32| (a.unwrap() - b).abs() < 1e-4;
    assert!(!near(alone[0].valence, alone[1].valence.unwrap()), "{alone:?}");
    let mean = alone[0].valence.unwrap() / 2.0 + alone[1].valence.unwrap() / 2.0;
    assert!(near(prediction.valence, mean) && near(opposite.valence, mean));
    // The result does not depend on how the views are shared among threads.
    let crops = [crop(4.0), crop(0.0), crop(0.0), crop(-3.0)];
    let expected = crops.map(|crop| both.classify(&picture, &crop).unwrap());
    for threads in 1..=5 {
        assert_eq!(classify_batch(&mut open(threads), &picture, &crops), expected);
    }
}

#[test]
fn a_detector_is_refused() {
    let mut manifest = manifest("tiny-va");
    manifest.kind = Kind::Detector(crate::model::Detector {
        decoder: crate::model::Decoder::YuNet,
    });
    assert!(matches!(
        NetworkClassifier::open(&manifest),
        Err(ModelError::Kind { .. })
    ));
}

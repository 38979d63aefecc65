#![allow(clippy::unwrap_used)]
use std::time::Duration;

use super::*;

const SMOOTHING: config::Smoothing = config::Smoothing {
    tau: Duration::from_millis(800),
    va_tau: Duration::from_millis(800),
    margin: 0.1,
    dwell: Duration::from_millis(500),
    floor: 0.35,
    gap: Duration::from_secs(2),
};

fn summary(min_faces: usize) -> SceneSummary {
    let publish = config::Publish {
        min_faces,
        min_quality: 0.1,
    };
    SceneSummary::new(&SMOOTHING, &publish)
}

/// A face whose category has this probability; the rest is neutral.
fn face(category: Category, probability: f32, valence: f32) -> TrackedFace {
    let mut weights = [0.0; 8];
    weights[Category::Neutral as usize] = 1.0 - probability;
    weights[category as usize] += probability;
    TrackedFace {
        attending: valence > 0.0,
        smoothed: Some(Smoothed {
            label: Label::Category(category),
            prediction: Prediction {
                probabilities: Probabilities::from_weights(weights),
                valence: Some(valence),
                arousal: Some(valence / 2.0),
            },
            poor: false,
        }),
        ..TrackedFace::default()
    }
}

fn poor(face: TrackedFace) -> TrackedFace {
    let smoothed = face.smoothed.map(|smoothed| Smoothed {
        poor: true,
        ..smoothed
    });
    TrackedFace { smoothed, ..face }
}

#[test]
fn nobody_in_view() {
    assert_eq!(summary(1).update(&[], false), Scene::default());
    // The same if only groups may be reported: an empty view reveals nobody.
    assert_eq!(summary(3).update(&[], false), Scene::default());
}

#[test]
fn a_visit_that_may_be_continued_occupies_the_room() {
    let scene = summary(1).update(&[], true);
    assert!(scene.occupied);
    assert_eq!(scene.counts, Some(SceneCounts::default()));
}

#[test]
fn means_and_counts_are_over_all_faces() {
    let scene = summary(1).update(
        &[
            face(Category::Happiness, 0.9, 0.8),
            face(Category::Happiness, 0.6, 0.2),
            face(Category::Sadness, 0.7, -0.4),
            TrackedFace::default(),
        ],
        true,
    );
    let counts = SceneCounts {
        faces: 4,
        attending: 2,
        smiling: 2,
    };
    assert_eq!(scene.counts, Some(counts));
    assert_eq!(scene.label, Label::Category(Category::Happiness));
    let near = |found: f32, expected: f32| assert!((found - expected).abs() < 1e-6, "{scene:?}");
    // The face that has not been classified yet is not part of the means.
    let probabilities = scene.prediction.probabilities.unwrap();
    near(probabilities.of(Category::Happiness), 0.5);
    near(probabilities.of(Category::Sadness), 0.7 / 3.0);
    near(probabilities.of(Category::Neutral), 0.8 / 3.0);
    near(scene.prediction.valence.unwrap(), 0.2);
    near(scene.prediction.arousal.unwrap(), 0.1);
}

#[test]
fn faces_with_poor_crops_are_counted_and_no_more() {
    let good = face(Category::Sadness, 0.8, -0.5);
    let scene = summary(1).update(&[good, poor(face(Category::Happiness, 0.95, 0.9))], true);
    assert_eq!(scene.label, Label::Category(Category::Sadness));
    assert_eq!(scene.prediction.valence, Some(-0.5));
    let counts = scene.counts.unwrap();
    assert_eq!((counts.faces, counts.attending, counts.smiling), (2, 1, 0));
    let scene = summary(1).update(&[poor(good)], true);
    assert_eq!(
        (scene.label, scene.prediction),
        (Label::Uncertain, Prediction::default())
    );
}

#[test]
fn fewer_faces_than_the_minimum_are_withheld() {
    let faces = [face(Category::Fear, 0.8, -0.5); 3];
    let mut summary = summary(3);
    for few in [&faces[..1], &faces[..2]] {
        let scene = summary.update(few, true);
        assert_eq!((scene.counts, scene.label), (None, Label::Withheld));
        assert_eq!(scene.prediction, Prediction::default());
    }
    let scene = summary.update(&faces, true);
    assert_eq!(scene.counts.map(|counts| counts.faces), Some(3));
    assert_eq!(scene.label, Label::Category(Category::Fear));
}

#[test]
fn the_dominant_category_changes_only_by_the_margin() {
    let mut summary = summary(1);
    // Happiness at this probability, neutral otherwise.
    let mut label = |probability| {
        summary
            .update(&[face(Category::Happiness, probability, 0.0)], true)
            .label
    };
    assert_eq!(label(0.6), Label::Category(Category::Happiness));
    assert_eq!(label(0.46), Label::Category(Category::Happiness));
    assert_eq!(label(0.44), Label::Category(Category::Neutral));
    assert_eq!(label(0.54), Label::Category(Category::Neutral));
    assert_eq!(label(0.56), Label::Category(Category::Happiness));
}

#[test]
fn no_category_stands_out() {
    let faces = [
        Category::Fear,
        Category::Anger,
        Category::Sadness,
        Category::Disgust,
    ]
    .map(|category| face(category, 0.7, 0.0));
    // Neutral has 0.3, the highest.
    assert_eq!(summary(1).update(&faces, true).label, Label::Uncertain);
}

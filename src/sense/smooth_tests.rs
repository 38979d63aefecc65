#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;

#[path = "smooth_properties_tests.rs"]
mod properties;

const SETTINGS: Smoothing = Smoothing {
    tau: Duration::from_millis(600),
    va_tau: Duration::from_millis(900),
    margin: 0.1,
    dwell: Duration::from_millis(500),
    floor: 0.35,
    gap: Duration::from_millis(2000),
};

/// Probability `p` for `category`, the rest shared by the others.
fn mostly(category: Category, p: f32) -> Probabilities {
    let mut weights = [(1.0 - p) / 7.0; 8];
    weights[category as usize] = p;
    probabilities(weights)
}

fn probabilities(weights: [f32; 8]) -> Probabilities {
    Probabilities::from_weights(weights).unwrap()
}

fn predicted(category: Category, p: f32) -> Prediction {
    Prediction {
        probabilities: Some(mostly(category, p)),
        valence: Some(0.3),
        arousal: Some(-0.2),
    }
}

fn affect(valence: f32, arousal: f32) -> Prediction {
    Prediction {
        probabilities: None,
        valence: Some(valence),
        arousal: Some(arousal),
    }
}

fn at(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

/// A signal that can be sampled at any time: waves with periods of at least 4 s, and steps.
#[derive(Debug, Clone)]
struct Signal {
    /// Amplitude, period in seconds and phase of each logit's wave.
    waves: Vec<(f32, f64, f64)>,
    /// When the signal jumps, and by how many places the jump rotates the categories.
    steps: Vec<(f64, usize)>,
}

impl Signal {
    fn sample(&self, time: f64) -> Prediction {
        let turn: usize = self
            .steps
            .iter()
            .filter(|(when, _)| *when <= time)
            .map(|(_, by)| by)
            .sum();
        let wave = |i: usize| {
            let (amplitude, period, phase) = self.waves[(i + turn) % self.waves.len()];
            amplitude * (std::f64::consts::TAU * (time / period + phase)).sin() as f32
        };
        let powers: [f32; 8] = std::array::from_fn(|i| wave(i).exp());
        Prediction {
            probabilities: Some(probabilities(powers)),
            valence: Some(wave(0) / 2.0),
            arousal: Some(wave(1) / 2.0),
        }
    }
}

/// Steps end 4 s before the end, at 8 s: a jump between two samples is seen later at a lower rate, so only
/// its lasting effect can be compared.
fn signal() -> impl Strategy<Value = Signal> {
    (
        prop::collection::vec((0.0..1.5_f32, 4.0..20.0, 0.0..1.0), 8),
        prop::collection::vec((0.0..4.0, 0..8_usize), 0..4),
    )
        .prop_map(|(waves, steps)| Signal { waves, steps })
}

/// The state after sampling `signal` at the given times.
fn run(signal: &Signal, times: impl Iterator<Item = f64>) -> Smoothed {
    let mut smoother = Smoother::new(&SETTINGS, 0.0);
    let mut last = None;
    for time in times {
        last = Some(smoother.update(at(time), &signal.sample(time), 0.8));
    }
    last.unwrap()
}

fn regular(rate: u32) -> impl Iterator<Item = f64> {
    (0..=8 * rate).map(move |i| f64::from(i) / f64::from(rate))
}

/// The greatest difference between two results, over all their numbers.
fn difference(a: &Smoothed, b: &Smoothed) -> f32 {
    let numbers = |s: &Smoothed| {
        let mut all = s.prediction.probabilities.unwrap().to_array().to_vec();
        all.extend([s.prediction.valence.unwrap(), s.prediction.arousal.unwrap()]);
        all
    };
    numbers(a)
        .iter()
        .zip(numbers(b))
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, f32::max)
}

#[test]
fn follows_a_step_with_its_time_constant() {
    let mut smoother = Smoother::new(
        &Smoothing {
            gap: Duration::from_millis(30000),
            ..SETTINGS
        },
        0.0,
    );
    for i in 0..=200 {
        smoother.update(at(f64::from(i) / 20.0), &affect(0.0, 1.0), 1.0);
    }
    // A finely sampled step: after one time constant 1/e of the old value remains.
    let mut last = None;
    for i in 1..=900 {
        last = Some(smoother.update(at(10.0 + f64::from(i) / 1000.0), &affect(1.0, 1.0), 1.0));
    }
    let valence = last.unwrap().prediction.valence.unwrap();
    let expected = 1.0 - (-1.0_f32).exp();
    assert!(
        (valence - expected).abs() < 0.003,
        "{valence} instead of {expected}"
    );
}

#[test]
fn the_mean_is_the_integral_over_straight_lines() {
    let mut smoother = Smoother::new(&SETTINGS, 0.0);
    let points = [(0.0, 0.8, 0.2), (0.5, -0.4, 1.0), (0.7, 0.1, 0.6)];
    let mut found = 0.0;
    for (time, valence, quality) in points {
        found = smoother
            .update(at(time), &affect(valence, 0.0), quality)
            .prediction
            .valence
            .unwrap();
    }

    // The same integral by brute force, with weight and weighted value interpolated linearly between the
    // predictions.
    let (mut sum, mut weight) = (0.0, 0.0);
    for pair in points.windows(2) {
        let ((t0, v0, w0), (t1, v1, w1)) = (pair[0], pair[1]);
        for i in 0..10_000 {
            let part = (f64::from(i) + 0.5) / 10_000.0;
            let kernel = ((t0 + part * (t1 - t0) - 0.7) / 0.9).exp() * (t1 - t0);
            let between = |a: f32, b: f32| f64::from(a) + part * (f64::from(b) - f64::from(a));
            sum += kernel * between(w0 * v0, w1 * v1);
            weight += kernel * between(w0, w1);
        }
    }
    let expected = (sum / weight) as f32;
    assert!((found - expected).abs() < 1e-4, "{found} instead of {expected}");
}

#[test]
fn the_first_prediction_is_not_smoothed() {
    let mut smoother = Smoother::new(&SETTINGS, 0.0);
    assert_eq!(smoother.current(), None);
    let first = smoother.update(at(100.0), &predicted(Category::Surprise, 0.8), 0.1);
    assert_eq!(first.label, Label::Category(Category::Surprise));
    assert!((first.prediction.probabilities.unwrap().of(Category::Surprise) - 0.8).abs() < 1e-6);
    assert_eq!(first.prediction.valence, Some(0.3));
    assert_eq!(smoother.current(), Some(first));
}

#[test]
fn a_poor_crop_moves_the_mean_less() {
    let after = |quality| {
        let mut smoother = Smoother::new(&SETTINGS, 0.0);
        smoother.update(at(0.0), &affect(0.0, 0.0), 1.0);
        let smoothed = smoother.update(at(0.2), &affect(1.0, 0.0), quality);
        smoothed.prediction.valence.unwrap()
    };
    assert!(after(0.1) < after(0.5) && after(0.5) < after(1.0));
    assert!(after(0.0) < 0.01 && after(f32::NAN) < 0.01);
}

#[test]
fn without_a_time_constant_there_is_no_mean() {
    let mut smoother = Smoother::new(
        &Smoothing {
            va_tau: Duration::from_millis(0),
            ..SETTINGS
        },
        0.0,
    );
    for (i, valence) in [0.5, -0.25, 1.0].into_iter().enumerate() {
        let smoothed = smoother.update(at(i as f64 / 10.0), &affect(valence, 0.0), 1.0);
        assert_eq!(smoothed.prediction.valence, Some(valence));
    }
}

#[test]
fn a_small_lead_does_not_change_the_label() {
    let mut smoother = Smoother::new(&SETTINGS, 0.0);
    let mut two = [0.0; 8];
    two[Category::Happiness as usize] = 0.52;
    two[Category::Neutral as usize] = 0.48;
    let swapped = {
        let mut p = two;
        p.swap(Category::Happiness as usize, Category::Neutral as usize);
        p
    };
    let prediction = |weights| Prediction {
        probabilities: Probabilities::from_weights(weights),
        valence: None,
        arousal: None,
    };
    smoother.update(at(0.0), &prediction(two), 1.0);
    for i in 1..100 {
        let label = smoother
            .update(at(f64::from(i) / 10.0), &prediction(swapped), 1.0)
            .label;
        assert_eq!(label, Label::Category(Category::Happiness));
    }
}

#[test]
fn the_uncertainty_floor_has_hysteresis() {
    let mut smoother = Smoother::new(&SETTINGS, 0.0);
    let mut now = 0.0;
    let mut hold = |p: f32| {
        let mut label = Label::None;
        for _ in 0..80 {
            now += 0.1;
            label = smoother
                .update(at(now), &predicted(Category::Happiness, p), 1.0)
                .label;
        }
        label
    };
    assert_eq!(hold(0.9), Label::Category(Category::Happiness));
    assert_eq!(hold(0.38), Label::Category(Category::Happiness));
    assert_eq!(hold(0.30), Label::Uncertain);
    assert_eq!(hold(0.40), Label::Uncertain);
    assert_eq!(hold(0.50), Label::Category(Category::Happiness));
}

#[test]
fn a_gap_resets_the_means() {
    for gap in [2.1, -2.1] {
        let mut smoother = Smoother::new(&SETTINGS, 0.0);
        for i in 0..50 {
            smoother.update(
                at(50.0 + f64::from(i) / 10.0),
                &predicted(Category::Happiness, 0.9),
                1.0,
            );
        }
        let smoothed = smoother.update(at(54.9 + gap), &predicted(Category::Fear, 0.7), 1.0);
        assert_eq!(smoothed.label, Label::Category(Category::Fear));
        assert!((smoothed.prediction.probabilities.unwrap().of(Category::Fear) - 0.7).abs() < 1e-6);
    }
}

#[test]
fn nan_is_ignored() {
    let mut smoother = Smoother::new(&SETTINGS, 0.0);
    let broken = Prediction {
        probabilities: None,
        valence: Some(f32::NAN),
        arousal: Some(f32::NEG_INFINITY),
    };
    let smoothed = smoother.update(at(0.0), &broken, 1.0);
    assert_eq!(smoothed.label, Label::Uncertain);
    assert_eq!(smoother.current(), None);

    let good = smoother.update(at(0.1), &predicted(Category::Sadness, 0.9), 1.0);
    let still = smoother.update(at(0.2), &broken, 1.0);
    assert_eq!(good, still);
    // Beyond the gap the old value is no longer used.
    let gone = smoother.update(at(9.0), &broken, 1.0);
    assert_eq!(gone.prediction, Prediction::default());
    assert_eq!(gone.label, Label::Uncertain);
}

#[test]
fn models_with_one_head_leave_the_other_empty() {
    let mut smoother = Smoother::new(&SETTINGS, 0.0);
    let smoothed = smoother.update(at(0.0), &affect(2.0, -0.5), 1.0);
    assert_eq!(smoothed.label, Label::Uncertain);
    assert_eq!(smoothed.prediction, affect(1.0, -0.5));

    let mut smoother = Smoother::new(&SETTINGS, 0.0);
    let prediction = Prediction {
        valence: None,
        arousal: None,
        ..predicted(Category::Disgust, 0.6)
    };
    let smoothed = smoother.update(at(0.0), &prediction, 1.0);
    assert_eq!(smoothed.label, Label::Category(Category::Disgust));
    assert_eq!(
        (smoothed.prediction.valence, smoothed.prediction.arousal),
        (None, None)
    );
}

#[test]
fn poor_crops_make_a_face_uncertain_until_they_are_better() {
    let mut smoother = Smoother::new(&SETTINGS, 0.2);
    let mut now = 0.0;
    let mut hold = |quality: f32| {
        let mut last = None;
        for _ in 0..40 {
            now += 0.1;
            last = Some(smoother.update(at(now), &predicted(Category::Happiness, 0.9), quality));
        }
        last.unwrap()
    };
    let good = hold(0.6);
    assert_eq!(
        (good.label, good.poor),
        (Label::Category(Category::Happiness), false)
    );
    let poor = hold(0.15);
    assert_eq!((poor.label, poor.poor), (Label::Uncertain, true));
    // The network's prediction is still available.
    assert!(poor.prediction.probabilities.unwrap().of(Category::Happiness) > 0.8);
    let good = hold(0.3);
    assert_eq!(
        (good.label, good.poor),
        (Label::Category(Category::Happiness), false)
    );
}

#[test]
fn a_single_poor_crop_does_not_make_a_face_uncertain() {
    let mut smoother = Smoother::new(&SETTINGS, 0.2);
    for i in 0..100 {
        let quality = if i % 10 == 9 { 0.0 } else { 0.5 };
        let smoothed = smoother.update(
            at(f64::from(i) / 10.0),
            &predicted(Category::Happiness, 0.9),
            quality,
        );
        assert_eq!(
            (smoothed.label, smoothed.poor),
            (Label::Category(Category::Happiness), false)
        );
    }
}

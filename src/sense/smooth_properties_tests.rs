//! Properties that hold for every sequence of predictions.

use super::*;

fn prediction() -> impl Strategy<Value = Prediction> {
    let number = prop_oneof![
        20 => -1.5..1.5_f32,
        1 => Just(f32::NAN),
        1 => Just(f32::INFINITY),
    ];
    (
        prop::option::weighted(0.9, prop::array::uniform8(0.0..1.0_f32)),
        prop::option::weighted(0.9, number.clone()),
        prop::option::weighted(0.9, number),
    )
        .prop_map(|(weights, valence, arousal)| Prediction {
            probabilities: weights.and_then(Probabilities::from_weights),
            valence,
            arousal,
        })
}

proptest! {
    #[test]
    fn the_rate_does_not_matter(
        signal in signal(),
        jitter in prop::collection::vec(-0.45..0.45_f64, 81),
    ) {
        let fast = run(&signal, regular(30));
        for rate in [5, 15] {
            let other = run(&signal, regular(rate));
            prop_assert!(difference(&fast, &other) < 0.02, "{rate} fps: {fast:?} {other:?}");
        }
        let jittered = run(
            &signal,
            jitter.iter().enumerate().map(|(i, off)| if i == 80 { 8.0 } else { (i as f64 + off).max(0.0) / 10.0 }),
        );
        prop_assert!(difference(&fast, &jittered) < 0.02, "jittered: {fast:?} {jittered:?}");
    }

    #[test]
    fn any_input_gives_a_well_formed_result(
        predictions in prop::collection::vec((0.0..20.0_f64, prediction(), -0.5..1.5_f32), 1..60),
    ) {
        let mut smoother = Smoother::new(&SETTINGS, 0.0);
        for (time, prediction, quality) in predictions {
            let smoothed = smoother.update(at(time), &prediction, quality);
            if let Some(probabilities) = smoothed.prediction.probabilities {
                let sum: f32 = probabilities.to_array().iter().sum();
                prop_assert!((sum - 1.0).abs() < 1e-5, "{probabilities:?}");
                prop_assert!(probabilities.iter().all(|(_, p)| (0.0..=1.0).contains(&p)), "{probabilities:?}");
            } else {
                prop_assert_eq!(smoothed.label, Label::Uncertain);
            }
            for value in [smoothed.prediction.valence, smoothed.prediction.arousal].into_iter().flatten() {
                prop_assert!((-1.0..=1.0).contains(&value), "{value}");
            }
        }
    }

    #[test]
    fn the_label_never_changes_faster_than_the_dwell_time(
        predictions in prop::collection::vec((0.0..0.4_f64, prop::array::uniform8(0.0..1.0_f32), 0..8_usize), 2..200),
    ) {
        let mut smoother = Smoother::new(&SETTINGS, 0.0);
        let mut now = 0.0;
        let mut held: Option<(f64, Label)> = None;
        for (step, mut weights, top) in predictions {
            now += step;
            weights[top] += 4.0;
            let prediction = Prediction { probabilities: Some(probabilities(weights)), valence: None, arousal: None };
            let label = smoother.update(at(now), &prediction, 1.0).label;
            match held {
                Some((_, before)) if before == label => {}
                Some((since, before)) => {
                    let stood = now - since;
                    prop_assert!(stood >= 0.5 - 1e-6, "{before:?} stood for {stood} s");
                    held = Some((now, label));
                }
                None => held = Some((now, label)),
            }
        }
    }

    #[test]
    fn time_going_back_does_no_harm(
        stray in prop::collection::vec((0.0..5.0_f64, prop::array::uniform8(0.0..1.0_f32)), 1..20),
    ) {
        let mut smoother = Smoother::new(&SETTINGS, 0.0);
        for (time, weights) in stray {
            let prediction = Prediction { probabilities: Probabilities::from_weights(weights), valence: None, arousal: None };
            smoother.update(at(time), &prediction, 1.0);
        }
        // Five seconds in time order outlast any effect of the stray timestamps.
        let mut last = None;
        for i in 0..=100 {
            last = Some(smoother.update(at(5.0 + f64::from(i) / 20.0), &predicted(Category::Anger, 0.9), 1.0));
        }
        let last = last.unwrap();
        prop_assert_eq!(last.label, Label::Category(Category::Anger));
        let anger = last.prediction.probabilities.unwrap().of(Category::Anger);
        prop_assert!((anger - 0.9).abs() < 0.01, "{anger}");
    }

    #[test]
    fn predictions_no_newer_than_the_last_are_passed_over(
        signal in signal(),
        late in prop::collection::vec((0.0..1.9_f64, prop::array::uniform8(0.0..1.0_f32)), 41),
    ) {
        let mut disturbed = Smoother::new(&SETTINGS, 0.0);
        let mut undisturbed = Smoother::new(&SETTINGS, 0.0);
        for (time, (delay, weights)) in regular(5).zip(late) {
            let expected = undisturbed.update(at(time), &signal.sample(time), 1.0);
            prop_assert_eq!(disturbed.update(at(time), &signal.sample(time), 1.0), expected);
            let prediction = Prediction {
                probabilities: Probabilities::from_weights(weights),
                valence: Some(1.0),
                arousal: Some(-1.0),
            };
            for stamp in [time, (time - delay).max(0.0)] {
                prop_assert_eq!(disturbed.update(at(stamp), &prediction, 1.0).prediction, expected.prediction);
            }
        }
    }

    #[test]
    fn constant_input_is_a_fixed_point(
        weights in prop::array::uniform8(0.01..1.0_f32),
        affect in (-1.0..1.0_f32, -1.0..1.0_f32),
        steps in prop::collection::vec((0.0..1.0_f64, 0.0..1.0_f32), 1..100),
    ) {
        let prediction = Prediction {
            probabilities: Some(probabilities(weights)),
            valence: Some(affect.0),
            arousal: Some(affect.1),
        };
        let expected = Smoothed { label: Label::Uncertain, prediction, poor: false };
        let mut smoother = Smoother::new(&SETTINGS, 0.0);
        let mut now = 0.0;
        for (step, quality) in steps {
            now += step;
            let smoothed = smoother.update(at(now), &prediction, quality);
            prop_assert!(difference(&smoothed, &expected) < 1e-5, "{smoothed:?}");
        }
    }

    #[test]
    fn a_constant_quality_changes_nothing(signal in signal(), quality in 0.01..1.0_f32) {
        let mut full = Smoother::new(&SETTINGS, 0.0);
        let mut scaled = Smoother::new(&SETTINGS, 0.0);
        for time in regular(10) {
            let prediction = signal.sample(time);
            let full = full.update(at(time), &prediction, 1.0);
            let scaled = scaled.update(at(time), &prediction, quality);
            prop_assert!(difference(&full, &scaled) < 1e-5, "{full:?} {scaled:?}");
        }
    }
}

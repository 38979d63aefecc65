//! How often topics are published, and which changes are too small to be published.

use super::*;
use crate::sense::scene::SceneCounts;

#[test]
fn the_rate_limit_is_per_topic() {
    let mut fixture = Fixture::live();
    let mut sent = Vec::new();
    for frame in 0..300_u32 {
        // 30 frames a second for ten seconds; the primary face changes each time.
        fixture.faces(if frame % 2 == 0 { &[1, 2] } else { &[2, 1] });
        fixture.due().unwrap();
        sent.extend(fixture.sent.topics());
        fixture.pass(33);
    }
    for topic in ["state", "scene", "1", "2"] {
        let count = sent.iter().filter(|sent| *sent == topic).count();
        assert!(
            (40..=52).contains(&count),
            "{topic}: {count} in 9.9 s at 5 a second"
        );
    }
}

/// Shows a primary face with this valence, and a scene with the same.
fn valence(fixture: &mut Fixture, value: f32) {
    let mut shown = face(1);
    let prediction = &mut shown.smoothed.as_mut().unwrap().prediction;
    prediction.valence = Some(value);
    let prediction = *prediction;
    let mut report = report(&[shown]);
    report.scene.prediction = prediction;
    fixture.outbox.report(&report, fixture.now.monotonic);
    fixture.due().unwrap();
}

#[test]
fn noise_within_the_dead_band_is_not_published() {
    let mut fixture = Fixture::live();
    fixture.pass(1000);
    valence(&mut fixture, 0.5);
    fixture.sent.messages.clear();
    let values = |fixture: &mut Fixture| {
        let messages = std::mem::take(&mut fixture.sent.messages);
        let results = messages
            .iter()
            .filter(|message| message.0.ends_with("/state") || message.0.ends_with("/scene"));
        let values: Vec<serde_json::Value> = results
            .map(|message| serde_json::from_str::<serde_json::Value>(&message.1).unwrap()["valence"].clone())
            .collect();
        values
    };
    for step in 0..20_u8 {
        fixture.pass(1000);
        valence(&mut fixture, if step % 2 == 0 { 0.54 } else { 0.46 });
        assert!(values(&mut fixture).is_empty(), "step {step}");
    }
    fixture.pass(30_000);
    valence(&mut fixture, 0.54);
    assert_eq!(
        values(&mut fixture),
        [0.5, 0.5],
        "the refresh repeats what was published"
    );
    fixture.pass(1000);
    valence(&mut fixture, 0.56);
    assert_eq!(values(&mut fixture), [0.56, 0.56]);
}

#[test]
fn the_end_of_occupancy_is_published_within_a_second() {
    let mut fixture = Fixture::with(&config::Mqtt {
        scene_rate: samples::rate(0.1),
        ..settings()
    });
    let mut show = |tracks: &[u32], occupied: bool| {
        let faces: Vec<_> = tracks.iter().map(|&track| face(track)).collect();
        let mut report = report(&faces);
        report.scene.counts = Some(SceneCounts {
            faces: tracks.len(),
            ..SceneCounts::default()
        });
        report.scene.occupied = occupied;
        fixture.pass(1000);
        fixture.outbox.report(&report, fixture.now.monotonic);
        fixture.due().unwrap();
        let messages = std::mem::take(&mut fixture.sent.messages);
        let scene = messages.iter().find(|message| message.0.ends_with("/scene"));
        scene.map(|message| {
            let scene = serde_json::from_str::<serde_json::Value>(&message.1).unwrap();
            (scene["faces"].clone(), scene["occupied"].clone())
        })
    };
    show(&[], false);
    // More often than the rate permits.
    for _ in 0..5 {
        assert_eq!(show(&[1], true), Some((1.into(), true.into())));
        assert_eq!(show(&[], true), Some((0.into(), true.into())));
        assert_eq!(show(&[], true), None);
        assert_eq!(show(&[], false), Some((0.into(), false.into())));
    }
}

#[test]
fn a_new_face_is_published() {
    let mut fixture = Fixture::live();
    fixture.pass(1000);
    fixture.faces(&[1]);
    fixture.due().unwrap();
    fixture.sent.messages.clear();
    fixture.pass(1000);
    // The same expression on another track.
    fixture.faces(&[2]);
    fixture.due().unwrap();
    assert!(fixture.sent.topics().contains(&"state".to_owned()));
}

#[test]
fn state_scene_and_faces_have_separate_rates() {
    let mut fixture = Fixture::with(&config::Mqtt {
        rate: samples::rate(2.0),
        scene_rate: samples::rate(1.0),
        face_rate: samples::rate(4.0),
        ..settings()
    });
    fixture.due().unwrap();
    fixture.sent.messages.clear();
    let mut sent = Vec::new();
    for frame in 0..300_u32 {
        fixture.faces(if frame % 2 == 0 { &[1, 2] } else { &[2, 1] });
        fixture.due().unwrap();
        sent.extend(fixture.sent.topics());
        fixture.pass(33);
    }
    for (topic, expected) in [("state", 17..=22), ("scene", 9..=12), ("1", 34..=40)] {
        let count = sent.iter().filter(|sent| *sent == topic).count();
        assert!(expected.contains(&count), "{topic}: {count} in 9.9 s");
    }
}

#[test]
fn a_quiet_state_is_only_refreshed() {
    let mut fixture = Fixture::live();
    let mut sent = Vec::new();
    for _ in 0..1250 {
        fixture.faces(&[]);
        fixture.due().unwrap();
        sent.extend(fixture.sent.topics());
        fixture.pass(100);
    }
    for topic in ["state", "scene"] {
        let count = sent.iter().filter(|sent| *sent == topic).count();
        // The first frame, and four refreshes.
        assert!(
            (4..=5).contains(&count),
            "{topic}: {count} messages in two minutes of nothing"
        );
    }
    fixture.pass(175_000);
    fixture.due().unwrap();
    sent.extend(fixture.sent.topics());
    let visits = sent.iter().filter(|sent| *sent == "visits").count();
    assert_eq!(visits, 1, "every five minutes, because they expire at the broker");
}

#[test]
fn a_wait_ends_when_the_next_message_is_due() {
    let mut fixture = Fixture::live();
    fixture.pass(1000);
    fixture.faces(&[1]);
    assert_eq!(fixture.due(), Ok(Duration::from_secs(30)));
    fixture.pass(50);
    fixture.faces(&[2, 1]);
    let wait = fixture.due().unwrap();
    assert_eq!(wait, Duration::from_millis(150));
    assert_eq!(
        fixture.sent.topics(),
        ["state", "scene", "1", "state", "scene", "2"]
    );
    fixture.pass(150);
    fixture.due().unwrap();
    assert_eq!(fixture.sent.topics(), ["1"]);
}

#[test]
fn the_age_grows_when_nothing_new_comes() {
    let mut fixture = Fixture::live();
    let mut report = report(&[face(1)]);
    report.captured = Some(fixture.now.monotonic);
    fixture.pass(500);
    fixture.outbox.report(&report, fixture.now.monotonic);
    fixture.due().unwrap();
    fixture.pass(30_000);
    fixture.due().unwrap();
    let ages: Vec<bool> = ["\"age\":0.5", "\"age\":30.5"]
        .iter()
        .map(|age| {
            fixture
                .sent
                .messages
                .iter()
                .any(|message| message.1.contains(age))
        })
        .collect();
    assert_eq!(ages, [true, true], "{:?}", fixture.sent.messages);
}

#[test]
fn home_assistant_is_answered_at_once_and_then_every_ten_seconds() {
    let mut fixture = Fixture::live();
    let mut sent = Vec::new();
    for _ in 0..200 {
        fixture.dispatcher.home_assistant_has_started();
        fixture.due().unwrap();
        sent.extend(fixture.sent.topics());
        fixture.pass(100);
    }
    for topic in ["config", "camera", "privacy"] {
        let count = sent.iter().filter(|sent| *sent == topic).count();
        assert_eq!(count, 2, "{topic} in 20 seconds");
    }
    // The last announcement is answered too.
    fixture.due().unwrap();
    assert!(fixture.sent.topics().contains(&"config".to_owned()));
}

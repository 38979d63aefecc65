#![allow(clippy::unwrap_used)]
use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::sense::detection::Landmarks;

const LOST: Duration = Duration::from_millis(1000);
const FOREVER: Duration = Duration::MAX;

fn face(x: f32, y: f32, width: f32) -> Detection {
    let at = |fx: f32, fy: f32| Point {
        x: x + fx * width,
        y: y + fy * width,
    };
    Detection {
        rect: Rect {
            x,
            y,
            width,
            height: width * 1.2,
        },
        score: 0.9,
        landmarks: Landmarks {
            right_eye: at(0.3, 0.4),
            left_eye: at(0.7, 0.4),
            nose: at(0.5, 0.6),
            mouth: at(0.5, 0.9),
        },
    }
}

fn seconds(s: f32) -> Duration {
    Duration::from_secs_f32(s)
}

struct Bench {
    tracker: Tracker,
}

impl Bench {
    fn new() -> Self {
        Self {
            tracker: Tracker::new(LOST, FOREVER),
        }
    }

    fn at(&mut self, s: f32, detections: &[Detection]) -> heapless::Vec<Track, MAX_FACES> {
        self.tracker.update(detections, 0, seconds(s));
        self.tracker.faces()
    }
}

#[test]
fn a_sure_face_appears_at_once_and_a_weak_one_when_seen_again() {
    let mut bench = Bench::new();
    let weak = Detection {
        score: 0.6,
        ..face(300.0, 100.0, 50.0)
    };
    let faces = bench.at(0.0, &[face(100.0, 100.0, 50.0), weak]);
    assert_eq!(faces.len(), 1);
    let faces = bench.at(0.1, &[face(100.0, 100.0, 50.0), weak]);
    assert_eq!(faces.len(), 2);
}

#[test]
fn a_face_stays_over_a_short_gap_and_leaves_after_a_long_one() {
    let mut bench = Bench::new();
    let id = bench.at(0.0, &[face(100.0, 100.0, 50.0)])[0].id;
    bench.at(0.5, &[face(100.0, 100.0, 50.0)]);
    assert_eq!(bench.at(1.4, &[]).len(), 1);
    assert_eq!(bench.at(1.45, &[face(104.0, 100.0, 50.0)])[0].id, id);
    assert!(bench.at(2.5, &[]).is_empty());
    assert_ne!(bench.at(2.6, &[face(100.0, 100.0, 50.0)])[0].id, id);
}

#[test]
fn detections_of_followers_continue_tracks_but_start_none() {
    let mut bench = Bench::new();
    let seen = [face(100.0, 100.0, 50.0), face(300.0, 100.0, 50.0)];
    bench.tracker.update(&seen, 1, seconds(0.0));
    assert_eq!(bench.tracker.tracks().len(), 1);
    assert_eq!(bench.tracker.tracks()[0].detection.rect.x, 300.0);
}

#[test]
fn a_face_that_searches_miss_has_left() {
    let seen = [face(100.0, 100.0, 50.0)];
    // Found by each search; missed by searches that should have found it; missed by searches that need not
    // have.
    for (found, covers, stays) in [(&seen[..], true, true), (&[], true, false), (&[], false, true)] {
        let mut bench = Bench::new();
        bench.tracker.unconfirmed_after = seconds(2.5);
        bench.at(0.0, &seen);
        for frame in 1..40 {
            let now = seconds(frame as f32 * 0.1);
            if frame % 10 == 0 {
                bench.tracker.confirm(found, now, |_| covers);
            }
            bench.tracker.update(&seen, seen.len(), now);
        }
        assert_eq!(!bench.tracker.faces().is_empty(), stays);
    }
}

#[test]
fn faces_that_cross_keep_their_numbers() {
    for rate in [5.0_f32, 15.0, 30.0] {
        let mut bench = Bench::new();
        let places = |t: f32| {
            [
                face(100.0 + 100.0 * t, 100.0, 60.0),
                face(340.0 - 100.0 * t, 110.0, 62.0),
            ]
        };
        bench.at(0.0, &places(0.0));
        let of = |bench: &Bench, x: f32| {
            let nearest = |t: &&Track| (t.detection.rect.x - x).abs() as i32;
            bench.tracker.tracks().iter().min_by_key(nearest).unwrap().id
        };
        let (left, right) = (of(&bench, 100.0), of(&bench, 340.0));
        let mut frame = 1;
        while (frame as f32) < 2.4 * rate {
            let t = frame as f32 / rate;
            bench.at(t, &places(t));
            frame += 1;
        }
        assert_eq!(bench.tracker.tracks().len(), 2);
        assert_eq!(
            (of(&bench, 340.0), of(&bench, 100.0)),
            (left, right),
            "at {rate} frames a second"
        );
    }
}

#[test]
fn the_primary_face_changes_only_when_another_is_clearly_larger_for_a_while() {
    let mut bench = Bench::new();
    let first = bench.at(0.0, &[face(100.0, 100.0, 60.0), face(300.0, 100.0, 50.0)])[0].id;
    // A little larger: never.
    for frame in 1..30 {
        let faces = bench.at(
            frame as f32 * 0.1,
            &[face(100.0, 100.0, 60.0), face(300.0, 100.0, 64.0)],
        );
        assert_eq!(faces[0].id, first);
    }
    // Clearly larger: after a second.
    let mut changed = None;
    for frame in 30..60 {
        let now = frame as f32 * 0.1;
        let faces = bench.at(now, &[face(100.0, 100.0, 60.0), face(300.0, 100.0, 90.0)]);
        if faces[0].id != first {
            changed.get_or_insert(now);
        }
    }
    assert!((3.9..4.5).contains(&changed.unwrap()), "{changed:?}");
}

#[test]
fn another_face_is_primary_once_the_first_leaves() {
    let mut bench = Bench::new();
    bench.at(0.0, &[face(100.0, 100.0, 90.0), face(300.0, 100.0, 50.0)]);
    for frame in 1..12 {
        bench.at(frame as f32 * 0.1, &[face(300.0, 100.0, 50.0)]);
    }
    let faces = bench.tracker.faces();
    assert_eq!(faces.len(), 1);
    assert_eq!(bench.tracker.primary, Some(faces[0].id));
}

#[test]
fn smoothing_steadies_a_resting_face_and_does_not_lag_behind_a_moving_one() {
    for rate in [5.0_f32, 15.0, 30.0] {
        let mut bench = Bench::new();
        let mut worst = 0.0_f32;
        for frame in 0..(3.0 * rate) as u32 {
            let jitter = if frame % 2 == 0 { 1.0 } else { -1.0 };
            let faces = bench.at(frame as f32 / rate, &[face(100.0 + jitter, 100.0, 100.0)]);
            if frame as f32 > rate {
                worst = worst.max((faces[0].detection.rect.x - 100.0).abs());
            }
        }
        assert!(worst < if rate > 10.0 { 0.75 } else { 1.05 }, "{worst} at {rate}");

        let mut bench = Bench::new();
        let mut lag = 0.0_f32;
        for frame in 0..(2.0 * rate) as u32 {
            let t = frame as f32 / rate;
            let x = 50.0 + 150.0 * t; // one and a half widths a second
            let faces = bench.at(t, &[face(x, 100.0, 100.0)]);
            if t > 0.5 {
                lag = lag.max((faces[0].detection.landmarks.nose.x - (x + 50.0)).abs());
            }
        }
        assert!(lag < 3.0, "{lag} pixels behind at {rate}");
    }
}

#[test]
fn a_face_that_never_leaves_does_not_overflow_the_count_of_its_detections() {
    let mut bench = Bench::new();
    bench.at(0.0, &[face(100.0, 100.0, 50.0)]);
    bench.tracker.tracks[0].hits = u32::MAX;
    let faces = bench.at(0.1, &[face(100.0, 100.0, 50.0)]);
    assert_eq!((faces.len(), faces[0].hits), (1, u32::MAX));
}

proptest! {
    #[test]
    fn any_detections_give_few_and_unique_tracks(
        frames in proptest::collection::vec(
            (0.0f32..0.9, proptest::collection::vec((0.0f32..600.0, 0.0f32..440.0, 8.0f32..200.0, 0.3f32..1.0), 0..20)),
            1..30,
        )
    ) {
        let mut bench = Bench::new();
        let mut now = 0.0;
        let mut alive: BTreeSet<u32> = BTreeSet::new();
        let mut gone = BTreeSet::new();
        for (dt, seen) in frames {
            now += dt;
            let seen: Vec<_> =
                seen.into_iter().map(|(x, y, w, score)| Detection { score, ..face(x, y, w) }).collect();
            let faces = bench.at(now, &seen);
            prop_assert!(bench.tracker.tracks().len() <= MAX_FACES);
            let ids: BTreeSet<u32> = bench.tracker.tracks().iter().map(|t| t.id).collect();
            prop_assert_eq!(ids.len(), bench.tracker.tracks().len());
            let confirmed: BTreeSet<u32> = faces.iter().map(|track| track.id).collect();
            prop_assert!(confirmed.is_subset(&ids));
            gone.extend(alive.difference(&confirmed));
            prop_assert!(confirmed.is_disjoint(&gone), "a track came back");
            alive = confirmed;
        }
    }

    #[test]
    fn the_order_of_detections_does_not_matter(
        frames in proptest::collection::vec(
            proptest::collection::vec((0.0f32..600.0, 0.0f32..440.0, 20.0f32..120.0), 0..12), 1..8,
        ),
        turn in 0usize..12,
    ) {
        let (mut one, mut other) = (Bench::new(), Bench::new());
        for (i, seen) in frames.iter().enumerate() {
            let mut seen: Vec<_> = seen.iter().map(|(x, y, w)| face(*x, *y, *w)).collect();
            one.at(i as f32 * 0.1, &seen);
            let places = seen.len().max(1);
            seen.reverse();
            seen.rotate_left(turn % places);
            other.at(i as f32 * 0.1, &seen);
            prop_assert_eq!(one.tracker.faces(), other.tracker.faces());
        }
    }
}

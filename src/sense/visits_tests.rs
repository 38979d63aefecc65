//! Visits on synthetic tracks.
#![allow(clippy::unwrap_used)]

use jiff::civil::date;

use super::*;
use crate::sense::{
    detection::Detection,
    face::{Category, Label, MAX_FACES, Prediction, Probabilities, Smoothed},
    visit::Visit,
};

#[path = "visits_replay_tests.rs"]
mod replay;

const SETTINGS: config::Visit = config::Visit {
    gap: Duration::from_millis(4000),
    present: Duration::from_millis(5000),
    smile: Duration::from_millis(1000),
};

fn day() -> Date {
    date(2026, 3, 1)
}

fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

/// A neutral face at `x`, which does not attend.
fn face(track: u32, x: f32) -> TrackedFace {
    TrackedFace {
        track,
        seen: true,
        detection: Detection {
            rect: Rect {
                x,
                y: 100.0,
                width: 50.0,
                height: 60.0,
            },
            ..Detection::default()
        },
        ..showing(Category::Neutral, 0.0)
    }
}

fn showing(category: Category, valence: f32) -> TrackedFace {
    let mut weights = [0.02; 8];
    weights[category as usize] = 0.86;
    TrackedFace {
        smoothed: Some(Smoothed {
            label: Label::Category(category),
            prediction: Prediction {
                probabilities: Probabilities::from_weights(weights),
                valence: Some(valence),
                arousal: None,
            },
            poor: false,
        }),
        ..TrackedFace::default()
    }
}

struct Bench {
    visits: Visits,
    events: Vec<Event>,
}

impl Bench {
    fn new() -> Self {
        Self {
            visits: Visits::new(&SETTINGS),
            events: Vec::new(),
        }
    }

    fn at(&mut self, now: f64, faces: &[TrackedFace]) {
        let mut events = Events::new();
        self.visits.update(seconds(now), day(), faces, &mut events);
        self.events.extend(events);
    }

    fn left(&self) -> Vec<(u32, Visit)> {
        let left = |event: &Event| match event {
            Event::Left { track, visit } => Some((*track, *visit)),
            _ => None,
        };
        self.events.iter().filter_map(left).collect()
    }
}

fn near(found: f32, expected: f32) {
    assert!((found - expected).abs() < 1e-4, "{found} instead of {expected}");
}

#[test]
fn a_visit_sums_up_what_the_face_did() {
    let mut bench = Bench::new();
    for tenth in 0..=100 {
        let now = f64::from(tenth) / 10.0;
        let shows = match tenth {
            0..40 => showing(Category::Neutral, 0.0),
            40..70 => showing(Category::Happiness, 0.8),
            _ => showing(Category::Sadness, -0.5),
        };
        let attending = (20..50).contains(&tenth);
        bench.at(
            now,
            &[TrackedFace {
                attending,
                smoothed: shows.smoothed,
                ..face(3, 100.0)
            }],
        );
    }
    bench.at(14.0, &[]);
    assert!(bench.left().is_empty(), "the gap may still be bridged");
    assert!(bench.visits.is_any_open());
    bench.at(14.2, &[]);
    assert!(!bench.visits.is_any_open());
    let [(track, visit)] = bench.left()[..] else {
        panic!("{:?}", bench.events)
    };
    assert_eq!(track, 3);
    near(visit.seconds, 10.0);
    near(visit.attended_s, 3.0);
    near(visit.smiled_s, 3.0);
    near(visit.shares[Category::Neutral as usize], 0.4);
    near(visit.shares[Category::Happiness as usize], 0.3);
    near(visit.shares[Category::Sadness as usize], 0.3);
    let valence = visit.valence.unwrap();
    near(valence.mean, 0.8 * 0.3 - 0.5 * 0.3);
    assert_eq!((valence.min, valence.max), (-0.5, 0.8));
    assert_eq!(visit.arousal, None);
    let totals = bench.visits.totals();
    assert_eq!((totals.today, totals.day), (totals.since_start, Some(day())));
    let VisitCounters {
        visits,
        attended,
        smiled,
        ..
    } = totals.today;
    assert_eq!((visits, attended, smiled), (1, 1, 1));
    near(totals.today.mean_s().unwrap(), 10.0);
    near(totals.today.longest_s, 10.0);
}

#[test]
fn a_short_loss_continues_the_visit_under_the_new_track_s_number() {
    let mut bench = Bench::new();
    for second in 0..=10 {
        bench.at(
            f64::from(second),
            &[TrackedFace {
                attending: true,
                ..face(1, 100.0)
            }],
        );
    }
    bench.at(12.0, &[]);
    for second in 14..=20 {
        bench.at(
            f64::from(second),
            &[TrackedFace {
                attending: true,
                ..face(2, 130.0)
            }],
        );
    }
    bench.at(25.0, &[]);
    assert_eq!(
        bench.events[0],
        Event::Appeared {
            track: 1,
            continues: None
        }
    );
    assert_eq!(
        bench.events[1],
        Event::Present {
            track: 1,
            seconds: 5.0
        }
    );
    assert_eq!(
        bench.events[2],
        Event::Appeared {
            track: 2,
            continues: Some(1)
        }
    );
    let [(2, visit)] = bench.left()[..] else {
        panic!("{:?}", bench.events)
    };
    assert_eq!(bench.events.len(), 4, "present is announced once");
    near(visit.seconds, 20.0);
    // The four seconds out of sight count only towards the length.
    near(visit.attended_s, 16.0);
    near(visit.shares[Category::Neutral as usize], 1.0);
}

#[test]
fn a_far_late_or_differently_sized_face_is_a_new_visit() {
    let wide = |track| {
        let mut face = face(track, 100.0);
        face.detection.rect.width = 120.0;
        face
    };
    for (now, newcomer) in [(13.0, face(2, 190.0)), (14.5, face(2, 100.0)), (13.0, wide(2))] {
        let mut bench = Bench::new();
        bench.at(0.0, &[face(1, 100.0)]);
        bench.at(10.0, &[face(1, 100.0)]);
        bench.at(12.0, &[]);
        bench.at(now, &[newcomer]);
        bench.at(16.0, &[newcomer]);
        assert!(
            bench.events.contains(&Event::Appeared {
                track: 2,
                continues: None
            }),
            "{newcomer:?}"
        );
        assert_eq!(bench.left().len(), 1);
        assert_eq!(bench.left()[0].0, 1);
    }
}

#[test]
fn a_visit_whose_track_is_still_there_is_not_continued_by_another() {
    let mut bench = Bench::new();
    let unseen = TrackedFace {
        seen: false,
        ..face(1, 100.0)
    };
    bench.at(0.0, &[face(1, 100.0)]);
    bench.at(0.5, &[unseen]);
    bench.at(0.6, &[unseen, face(2, 110.0)]);
    assert_eq!(
        bench.events[1],
        Event::Appeared {
            track: 2,
            continues: None
        }
    );
}

#[test]
fn of_two_lost_faces_the_nearer_is_continued() {
    let mut bench = Bench::new();
    bench.at(0.0, &[face(1, 100.0), face(2, 150.0)]);
    bench.at(1.0, &[]);
    bench.at(2.0, &[face(3, 145.0)]);
    bench.at(2.1, &[face(3, 145.0), face(4, 100.0)]);
    let continued: Vec<_> = bench.events[2..].to_vec();
    assert_eq!(
        continued,
        [
            Event::Appeared {
                track: 3,
                continues: Some(2)
            },
            Event::Appeared {
                track: 4,
                continues: Some(1)
            }
        ]
    );
}

#[test]
fn an_end_noticed_late_is_counted_and_not_announced() {
    let mut bench = Bench::new();
    bench.at(0.0, &[face(1, 100.0)]);
    bench.at(6.0, &[face(1, 100.0)]);
    // Sensing stopped for an hour.
    bench.at(3600.0, &[]);
    assert!(bench.left().is_empty());
    let counters = bench.visits.totals().since_start;
    assert_eq!(counters.visits, 1);
    near(counters.longest_s, 6.0);
}

#[test]
fn more_faces_than_there_is_room_for_end_the_oldest_visits() {
    let mut bench = Bench::new();
    // A new face at another place every tenth of a second: 40 within the gap.
    for index in 0..60_u32 {
        bench.at(f64::from(index) / 10.0, &[face(index, 200.0 * index as f32)]);
    }
    bench.at(20.0, &[]);
    assert_eq!(bench.visits.totals().since_start.visits, 60);
    let tracks: Vec<u32> = bench.left().iter().map(|(track, _)| *track).collect();
    assert!(
        tracks.len() >= 60 - MAX_VISITS && tracks.is_sorted(),
        "{tracks:?}"
    );
}

#[test]
fn only_the_day_s_counters_reset_at_midnight() {
    let mut visits = Visits::new(&SETTINGS);
    let mut update = |now: f64, today: Date, faces: &[TrackedFace]| {
        visits.update(seconds(now), today, faces, &mut Events::new());
        visits.totals()
    };
    update(0.0, day(), &[face(1, 100.0)]);
    update(3.0, day(), &[face(1, 100.0)]);
    assert_eq!(update(10.0, day(), &[]).today.visits, 1);
    update(11.0, day(), &[face(2, 100.0)]);
    let tomorrow = day().tomorrow().unwrap();
    let totals = update(12.0, tomorrow, &[face(2, 100.0)]);
    assert_eq!(
        (totals.today, totals.day),
        (VisitCounters::default(), Some(tomorrow))
    );
    // It counts for the day on which it ends.
    let totals = update(20.0, tomorrow, &[]);
    assert_eq!((totals.today.visits, totals.since_start.visits), (1, 2));
}

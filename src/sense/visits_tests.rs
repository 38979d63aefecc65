//! Visits on synthetic tracks, among them a whole day beside an independent count.
#![allow(clippy::unwrap_used)]

use jiff::{ToSpan, civil::date};

use super::*;
use crate::sense::face::{Category, Detection, Label, Prediction, Probabilities, Smoothed};

const SETTINGS: config::Visit = config::Visit {
    gap_s: 4.0,
    present_s: 5.0,
    smile_s: 1.0,
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
    bench.at(14.2, &[]);
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
    // The four seconds out of sight are nobody's.
    near(visit.attended_s, 16.0);
    near(visit.shares[Category::Neutral as usize], 1.0);
}

#[test]
fn what_is_far_away_late_or_of_another_size_is_another_visit() {
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
fn the_day_s_counters_begin_anew_at_midnight_and_the_others_go_on() {
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

/// Somebody who comes once; all times are in quarters of a second.
struct Person {
    track: u32,
    x: f32,
    comes: u64,
    leaves: u64,
    /// Out of sight from, until; the track after that has another number.
    away: Option<(u64, u64)>,
    attends: (u64, u64),
    smiles: (u64, u64),
}

const QUARTERS: u64 = 4;
const PLACES: u64 = 6;

fn random(state: &mut u64, below: u64) -> u64 {
    *state = state
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    (*state >> 33) % below
}

/// The people of a day and a half: at each of six places one after another, with pauses longer than the gap.
fn people() -> Vec<Person> {
    let mut state = 7;
    let mut people = Vec::new();
    for place in 0..PLACES {
        let mut now = random(&mut state, 600 * QUARTERS);
        while now < 36 * 3600 * QUARTERS {
            let stay = 2 + random(&mut state, 240 * QUARTERS);
            let part = |state: &mut u64| {
                let from = random(state, stay);
                (now + from, now + from + random(state, stay - from))
            };
            let away = (stay > 40 && random(&mut state, 3) == 0).then(|| {
                let from = now + 8 + random(&mut state, stay - 30);
                (from, from + 5 + random(&mut state, 10))
            });
            let track = 2 * people.len() as u32 + 1;
            people.push(Person {
                track,
                x: 200.0 * place as f32,
                comes: now,
                leaves: now + stay,
                away,
                attends: part(&mut state),
                smiles: part(&mut state),
            });
            now += stay + 20 + random(&mut state, 600 * QUARTERS);
        }
    }
    people
}

impl Person {
    fn is_away(&self, now: u64) -> bool {
        self.away
            .is_some_and(|(from, until)| (from..until).contains(&now))
    }

    fn face(&self, now: u64) -> Option<TrackedFace> {
        if !(self.comes..=self.leaves).contains(&now) || self.is_away(now) {
            return None;
        }
        let within = |(from, until): (u64, u64)| (from..until).contains(&now);
        let back = self.away.is_some_and(|(_, until)| now >= until);
        let shows = if within(self.smiles) {
            Category::Happiness
        } else {
            Category::Neutral
        };
        Some(TrackedFace {
            attending: within(self.attends),
            smoothed: showing(shows, 0.0).smoothed,
            ..face(self.track + u32::from(back), self.x)
        })
    }

    /// Quarters within `span` after which the face was there again: the naive count.
    fn quarters(&self, (from, until): (u64, u64)) -> u64 {
        let there = |now: u64| self.face(now).is_some();
        (self.comes.max(from)..self.leaves.min(until))
            .filter(|now| there(*now) && there(now + 1))
            .count() as u64
    }
}

/// The counters after the visits of `people`, from the schedule alone.
fn count(people: &[&Person]) -> VisitCounters {
    let seconds = |person: &&Person| (person.leaves - person.comes) as f64 / QUARTERS as f64;
    let number_of =
        |is_one: &dyn Fn(&Person) -> bool| people.iter().filter(|person| is_one(person)).count() as u64;
    VisitCounters {
        visits: people.len() as u64,
        attended: number_of(&|person| person.quarters(person.attends) > 0),
        smiled: number_of(&|person| person.quarters(person.smiles) >= QUARTERS),
        seconds: people.iter().map(seconds).sum(),
        longest_s: people.iter().map(seconds).fold(0.0, f64::max) as f32,
    }
}

/// A day and a half at four frames a second, in seconds, beside a count from the schedule alone.
#[test]
fn a_replayed_day_gives_the_visits_of_an_independent_count() {
    let people = people();
    let noon = day().at(12, 0, 0, 0);
    let date_of = |quarter: u64| (noon + (quarter as i64 / QUARTERS as i64).seconds()).date();
    let mut visits = Visits::new(&SETTINGS);
    let mut left = Vec::new();
    let mut announced = 0;
    let end = 37 * 3600 * QUARTERS;
    let midnight = 12 * 3600 * QUARTERS;
    let mut before_midnight = VisitCounters::default();
    let mut active: Vec<&Person> = Vec::new();
    let mut coming: Vec<&Person> = people.iter().collect();
    coming.sort_by_key(|person| std::cmp::Reverse(person.comes));
    for quarter in 0..end {
        while coming.last().is_some_and(|person| person.comes <= quarter) {
            active.extend(coming.pop());
        }
        active.retain(|person| person.leaves >= quarter);
        let faces: heapless::Vec<TrackedFace, MAX_FACES> =
            active.iter().filter_map(|person| person.face(quarter)).collect();
        let mut events = Events::new();
        if quarter == midnight {
            before_midnight = visits.totals().today;
        }
        let now = seconds(quarter as f64 / QUARTERS as f64);
        visits.update(now, date_of(quarter), &faces, &mut events);
        for event in events {
            match event {
                Event::Left { track, visit } => left.push((track, visit)),
                Event::Present { .. } => announced += 1,
                _ => {}
            }
        }
    }

    assert!(people.len() > 500 && people.iter().filter(|person| person.away.is_some()).count() > 100);
    assert_eq!(left.len(), people.len());
    for person in &people {
        let last = person.track + u32::from(person.away.is_some());
        let (_, visit) = left.iter().find(|(track, _)| *track == last).unwrap();
        let expect = |found: f32, quarters: u64| near(found, quarters as f32 / QUARTERS as f32);
        expect(visit.seconds, person.leaves - person.comes);
        expect(visit.attended_s, person.quarters(person.attends));
        expect(visit.smiled_s, person.quarters(person.smiles));
        let tracked = person.quarters((0, u64::MAX));
        let share = person.quarters(person.smiles) as f32 / tracked as f32;
        near(visit.shares[Category::Happiness as usize], share);
        near(visit.shares[Category::Neutral as usize], 1.0 - share);
    }
    let stayed = |person: &&Person| {
        let seen_late = |quarter: u64| person.face(quarter).is_some();
        (person.comes + 5 * QUARTERS..=person.leaves).any(seen_late)
    };
    assert_eq!(announced, people.iter().filter(stayed).count());

    // A visit ends once its face is out of sight for more than the gap of 16 quarters.
    let ended = |person: &&Person, from: u64, until: u64| (from..until).contains(&(person.leaves + 17));
    let ending = |from: u64, until: u64| -> Vec<&Person> {
        people
            .iter()
            .filter(|person| ended(person, from, until))
            .collect()
    };
    let day_end = midnight + 24 * 3600 * QUARTERS;
    assert_eq!(before_midnight, count(&ending(0, midnight)));
    assert_eq!(visits.totals().since_start, count(&ending(0, end)));
    assert_eq!(visits.totals().today, count(&ending(day_end, end)));
    assert!(!ending(day_end, end).is_empty());
}

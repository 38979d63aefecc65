//! A replayed day, compared with an independent count.

use jiff::ToSpan;

use super::*;

/// A person who comes once; all times are in quarters of a second.
struct Person {
    track: u32,
    x: f32,
    comes: u64,
    leaves: u64,
    /// Out of sight from and until; the track after that has another number.
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

    /// Quarters between `from` and `until` at whose beginning and end the face was there: the naive count.
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

/// Replays a day and a half at four frames a second within seconds, and compares it with a count from the
/// schedule alone.
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

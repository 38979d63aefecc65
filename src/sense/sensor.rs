//! One picture in, one report out: follows faces, classifies each at its rate, smooths, and says what changed.

use std::{
    num::NonZero,
    time::{Duration, Instant},
};

use super::{
    detect::DetectError,
    expression::{Classified, Expression},
    face::{Event, Label, Landmarks, MAX_FACES, Reading, Report, TrackedFace},
    follow::{Follower, Work},
    pace::Rhythm,
    smooth::Smoother,
};
use crate::{
    config::{Settings, Smoothing},
    health::Stage,
    infer::InferError,
    model::{Registry, Manifest, ModelError},
    picture::Picture,
};

/// Why sensing cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A detector is unusable.
    #[error(transparent)]
    Detect(#[from] DetectError),
    /// The expression model is unusable.
    #[error(transparent)]
    Model(#[from] ModelError),
}

/// The pure part of the daemon: pictures and their times go in, reports come out.
pub struct Sensor {
    follower: Follower,
    expression: Expression,
    smoothing: Smoothing,
    /// Pauses at the full rate.
    full: Pauses,
    /// The part of the full rate at which to work.
    kept: f32,
    /// Frames, where the work must be less than the camera gives.
    frames: Rhythm,
    people: heapless::Vec<Person, MAX_FACES>,
    report: Report,
}

/// What is remembered of a track besides where it is.
struct Person {
    track: u32,
    smoother: Smoother,
    raw: Option<Reading>,
    quality: f32,
    /// Of its classifications, on the frames' clock.
    rhythm: Rhythm,
    label: Label,
}

/// Mean pauses between two pieces of work.
#[derive(Debug, Clone, Copy)]
struct Pauses {
    /// Frames.
    frame: Duration,
    /// Searches of the whole picture.
    search: Duration,
    /// Classifications of one face.
    classify: Duration,
}

impl Pauses {
    /// At the part `kept` of the rate. Readings that are further apart than the smoothing's gap would each begin anew.
    fn at(&self, kept: f32, smoothing: &Smoothing) -> Self {
        Self {
            frame: self.frame.div_f32(kept),
            search: self.search.div_f32(kept),
            classify: self
                .classify
                .div_f32(kept)
                .min(smoothing.gap.mul_f32(0.9))
                .max(self.classify),
        }
    }
}

impl Sensor {
    /// Opens the detectors and the expression model that `settings` names.
    ///
    /// # Errors
    /// [`OpenError`] if a model is missing, damaged, or does not reproduce its golden vectors here.
    pub fn open(settings: &Settings, registry: &Registry) -> Result<(Self, Manifest), OpenError> {
        let follower = Follower::open(&settings.detect, registry)?;
        let manifest = registry.find(&settings.expression.model)?;
        let expression = Expression::open(&manifest)?
            .with_threads(threads(settings.expression.threads))
            .map_err(ModelError::from)?;
        let sensor = Self {
            follower,
            expression,
            smoothing: settings.smoothing,
            full: Pauses {
                frame: Duration::from_secs_f32(1.0 / settings.camera.rate),
                search: settings.detect.interval,
                classify: Duration::from_secs_f32(1.0 / settings.expression.rate),
            },
            kept: 1.0,
            frames: Rhythm::new(Duration::ZERO),
            people: heapless::Vec::new(),
            report: Report::default(),
        };
        Ok((sensor, manifest))
    }

    /// Time spent inside the networks so far.
    #[must_use]
    pub fn network_time(&self) -> Duration {
        self.follower.network_time() + self.expression.network_time()
    }

    /// Works at the part `kept` of the full rate, above 0 and at most 1: searches, classifications and, below 1, frames.
    pub fn set_kept(&mut self, kept: f32) {
        if kept == self.kept {
            return;
        }
        self.kept = kept;
        let pauses = self.full.at(kept, &self.smoothing);
        self.follower.set_interval(pauses.search);
        self.frames.set_pause(pauses.frame);
        for person in &mut self.people {
            person.rhythm.set_pause(pauses.classify);
        }
    }

    /// Whether a frame that was captured at `captured` is to be sensed. All are at the full rate, however many the camera
    /// gives.
    pub fn takes(&mut self, captured: Duration) -> bool {
        let takes = self.kept >= 1.0 || self.frames.is_due(captured);
        if takes {
            self.frames.done(captured);
        }
        takes
    }

    /// Senses the picture of a frame that was captured at `captured`. `timer` is told every stage of the work
    /// and how long it took.
    ///
    /// # Errors
    /// [`InferError`] if a network fails.
    pub fn sense(
        &mut self,
        picture: &Picture,
        captured: Duration,
        timer: &mut dyn FnMut(Stage, Duration),
    ) -> Result<&Report, InferError> {
        let mut lap = Lap::start();
        self.follower.update(picture, captured, |work| {
            let stage = match work {
                Work::Follow => Stage::Follow,
                Work::Search => Stage::Detect,
            };
            timer(stage, lap.turn());
        })?;
        self.report.size = (picture.width(), picture.height());
        self.report.captured = captured;
        self.report.faces.clear();
        self.report.events.clear();
        // There is room: a report holds three events for each face, tracks make two.
        self.report.events.extend(self.follower.events().iter().copied());
        let faces = self.follower.faces();
        let pause = self.full.at(self.kept, &self.smoothing).classify;
        self.people
            .retain(|person| faces.iter().any(|face| face.track == person.track));
        timer(Stage::Track, lap.turn());

        // So many faces at a time as there are threads.
        let mut results: [Option<Classified>; MAX_FACES] = [const { None }; MAX_FACES];
        let mut due: heapless::Vec<usize, MAX_FACES> = heapless::Vec::new();
        for (index, face) in faces.iter().enumerate() {
            let person = person(&mut self.people, face.track, &self.smoothing, pause);
            if face.seen && person.is_some_and(|person| person.rhythm.is_due(captured)) {
                let _ = due.push(index); // as many places as faces
            }
        }
        for together in due.chunks(self.expression.threads()) {
            let mut landmarks: heapless::Vec<Landmarks, MAX_FACES> = heapless::Vec::new();
            landmarks.extend(together.iter().map(|index| faces[*index].detection.landmarks));
            self.expression
                .classify_all(picture, &landmarks, |number, result| {
                    results[together[number]] = Some(result)
                });
            timer(Stage::Classify, lap.turn());
        }

        // With several threads faces that came at different times are soon read at the same one.
        let meeting = self
            .people
            .iter()
            .filter_map(|person| person.rhythm.next(captured))
            .min();
        let meeting = meeting.filter(|_| self.expression.threads() > 1);
        for (face, result) in faces.iter().zip(results) {
            let Some(person) = person(&mut self.people, face.track, &self.smoothing, pause) else {
                continue;
            };
            if let Some(result) = result {
                match result {
                    Ok((reading, quality)) => {
                        person.raw = Some(reading);
                        person.quality = quality;
                        person.rhythm.done(captured);
                        meeting.into_iter().for_each(|due| person.rhythm.meet(due));
                        let smoothed = person.smoother.update(captured, &reading, quality);
                        timer(Stage::Smooth, lap.turn());
                        if smoothed.label != person.label {
                            let event = Event::Changed {
                                track: face.track,
                                from: person.label,
                                to: smoothed.label,
                            };
                            // There is room, see above.
                            let _ = self.report.events.push(event);
                            person.label = smoothed.label;
                        }
                    }
                    // Landmarks in one point: this crop is worth nothing, the next may be.
                    Err(InferError::NoFace) => {}
                    Err(error) => return Err(error),
                }
            }
            let tracked = TrackedFace {
                track: face.track,
                detection: face.detection,
                quality: person.quality,
                raw: person.raw,
                smoothed: person.smoother.current(),
            };
            // As many places as tracks.
            let _ = self.report.faces.push(tracked);
        }
        Ok(&self.report)
    }
}

/// The person on this track, new where the track is; `None` if there is no room, which tracks never exceed.
fn person<'a>(
    people: &'a mut heapless::Vec<Person, MAX_FACES>,
    track: u32,
    smoothing: &Smoothing,
    pause: Duration,
) -> Option<&'a mut Person> {
    let known = people.iter().position(|person| person.track == track);
    let index = match known {
        Some(index) => index,
        None => {
            let smoother = Smoother::new(smoothing);
            let person = Person {
                track,
                smoother,
                raw: None,
                quality: 0.0,
                rhythm: Rhythm::new(pause),
                label: Label::Uncertain,
            };
            people.push(person).ok()?;
            people.len() - 1
        }
    };
    people.get_mut(index)
}

/// Expression networks that run at the same time: as set or, where that is nothing, with one core left for the camera.
fn threads(setting: usize) -> usize {
    const MOST: usize = 4;
    match setting {
        0 => {
            let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
            cores.saturating_sub(1).clamp(1, MOST)
        }
        threads => threads.min(MAX_FACES),
    }
}

/// Times one piece of work after another.
struct Lap {
    last: Instant,
}

impl Lap {
    fn start() -> Self {
        Self { last: Instant::now() }
    }

    /// The time since the last turn.
    fn turn(&mut self) -> Duration {
        let now = Instant::now();
        let took = now - self.last;
        self.last = now;
        took
    }
}

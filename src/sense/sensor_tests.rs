//! Reports from scripted detectors and a scripted classifier.
#![allow(clippy::unwrap_used)]

use std::sync::{Arc, Mutex};

use jiff::civil::date;

use super::*;
use crate::{
    config::{Sources, load},
    sense::{
        crop_quality::CropQuality,
        detect::{Detections, Detector},
        detection::{Detection, Landmarks},
        face::{Category, Prediction, Probabilities},
        geometry::{Point, Rect},
    },
};

/// What the fakes see and predict.
#[derive(Default)]
struct World {
    faces: Vec<Detection>,
    quality: f32,
    classified: usize,
}

#[derive(Clone, Default)]
struct Fake(Arc<Mutex<World>>);

impl Detector for Fake {
    fn input_size(&self) -> (usize, usize) {
        (640, 480)
    }

    fn network_time(&self) -> Duration {
        Duration::ZERO
    }

    fn detect(&mut self, _: &Picture, region: &Rect, found: &mut Detections) -> Result<(), InferError> {
        found.clear();
        let inside = |face: &&Detection| region.iou(&face.rect) > 0.0;
        found.extend(self.0.lock().unwrap().faces.iter().filter(inside).copied());
        Ok(())
    }
}

impl Classifier for Fake {
    fn batch_size(&self) -> usize {
        2
    }

    fn network_time(&self) -> Duration {
        Duration::ZERO
    }

    fn classify_batch(
        &mut self,
        _: &Picture,
        crops: &[AlignedCrop],
        results: &mut Classifications,
    ) -> Result<(), InferError> {
        let mut world = self.0.lock().unwrap();
        assert!((1..=2).contains(&crops.len()), "a batch");
        world.classified += crops.len();
        let mut weights = [0.02; 8];
        weights[Category::Happiness as usize] = 0.86;
        results.clear();
        results.extend(crops.iter().map(|_| Classification {
            prediction: Prediction {
                probabilities: Probabilities::from_weights(weights),
                valence: Some(0.5),
                arousal: None,
            },
            quality: CropQuality {
                size: world.quality,
                ..CropQuality::PERFECT
            },
        }));
        Ok(())
    }
}

/// A face of 100 pixels; the nose `aside` pixels to the right of the middle.
fn face(x: f32, aside: f32) -> Detection {
    let at = |dx: f32, dy: f32| Point {
        x: x + dx,
        y: 100.0 + dy,
    };
    Detection {
        rect: Rect {
            x,
            y: 100.0,
            width: 100.0,
            height: 100.0,
        },
        score: 0.9,
        landmarks: Landmarks {
            right_eye: at(31.0, 40.0),
            left_eye: at(69.0, 40.0),
            nose: at(50.0 + aside, 60.5),
            mouth: at(50.0, 76.5),
        },
    }
}

struct Bench {
    world: Fake,
    sensor: Sensor,
    picture: Picture,
    luma: LumaGrid,
    frame: u32,
}

impl Bench {
    fn new(change: impl FnOnce(&mut Settings)) -> Self {
        let sources = Sources {
            file: Some("/dev/null".into()),
            environment: Vec::new(),
            options: Vec::new(),
        };
        let mut settings = load(&sources).unwrap().settings;
        change(&mut settings);
        let world = Fake::default();
        world.0.lock().unwrap().quality = 0.8;
        let tracker = FaceTracker::new(
            &settings.detect,
            &Intervals::full(&settings),
            Box::new(world.clone()),
            Box::new(world.clone()),
        );
        let sensor = Sensor::new(&settings, tracker, Box::new(world.clone()));
        let mut picture = Picture::default();
        picture.reset(640, 480);
        // With unknown luma, every frame is sensed at the full rate.
        let mut luma = LumaGrid::default();
        luma.reset_unknown(640, 480);
        Self {
            world,
            sensor,
            picture,
            luma,
            frame: 0,
        }
    }

    fn show(&self, faces: &[Detection]) {
        self.world.0.lock().unwrap().faces = faces.to_vec();
    }

    /// Senses ten frames a second for this long, and returns the last report and all events.
    fn run(&mut self, tenths: u32) -> (Report, Vec<Event>) {
        let mut events = Vec::new();
        let mut last = Report::default();
        for _ in 0..tenths {
            self.frame += 1;
            let time = FrameTime {
                captured: Duration::from_millis(100) * self.frame,
                date: date(2026, 3, 1),
            };
            let is_needed = self.sensor.observe(&self.luma, time.captured);
            last = self
                .sensor
                .sense(is_needed.then_some(&self.picture), time, &mut |_| {})
                .unwrap()
                .clone();
            events.extend(last.events.iter().copied());
        }
        (last, events)
    }
}

#[test]
fn a_face_comes_attends_smiles_and_leaves() {
    let mut bench = Bench::new(|_| {});
    bench.show(&[face(100.0, 0.0)]);
    let (report, events) = bench.run(60);
    assert!(
        matches!(
            events[..],
            [
                Event::Appeared {
                    track: 1,
                    continues: None
                },
                Event::Changed {
                    track: 1,
                    from: Label::Uncertain,
                    to: Label::Category(Category::Happiness)
                },
                Event::Present { track: 1, .. },
            ]
        ),
        "{events:?}"
    );
    assert!(report.faces[0].attending && !report.withheld);
    let counts = report.scene.counts.unwrap();
    assert_eq!((counts.faces, counts.attending, counts.smiling), (1, 1, 1));
    assert_eq!(report.scene.label, Label::Category(Category::Happiness));

    // The head turns away, and the attention ends half a second later.
    bench.show(&[face(100.0, 12.0)]);
    let (report, _) = bench.run(10);
    assert!(
        !report.faces[0].attending && report.faces[0].pose.unwrap().yaw_deg > 25.0,
        "{report:?}"
    );

    bench.show(&[]);
    let (report, events) = bench.run(60);
    let [Event::Left { track: 1, visit }] = events[..] else {
        panic!("{events:?}")
    };
    assert!((visit.seconds - 6.9).abs() < 1e-3, "{visit:?}");
    assert!(
        (5.0..6.5).contains(&visit.attended_s) && visit.smiled_s > 6.5,
        "{visit:?}"
    );
    assert_eq!(
        visit.valence.map(|spread| (spread.min, spread.max)),
        Some((0.5, 0.5))
    );
    let today = report.visits.today;
    assert_eq!((today.visits, today.attended, today.smiled), (1, 1, 1));
    assert_eq!(report.scene, crate::sense::scene::Scene::default());
}

#[test]
fn a_face_whose_crops_are_poor_is_uncertain() {
    let mut bench = Bench::new(|settings| settings.publish.min_quality = 0.3);
    bench.show(&[face(100.0, 0.0)]);
    bench.world.0.lock().unwrap().quality = 0.2;
    let (report, events) = bench.run(20);
    let smoothed = report.faces[0].smoothed.unwrap();
    assert_eq!((smoothed.label, smoothed.poor), (Label::Uncertain, true));
    assert_eq!(report.scene.label, Label::Uncertain);
    assert_eq!(
        events,
        [Event::Appeared {
            track: 1,
            continues: None
        }]
    );
}

#[test]
fn with_a_minimum_of_faces_only_groups_are_reported() {
    let mut bench = Bench::new(|settings| settings.publish.min_faces = 2);
    bench.show(&[face(100.0, 0.0)]);
    let (report, events) = bench.run(60);
    assert!(report.withheld && report.faces.is_empty() && events.is_empty());
    assert_eq!((report.scene.counts, report.scene.label), (None, Label::Withheld));

    bench.show(&[face(100.0, 0.0), face(400.0, 0.0)]);
    let (report, events) = bench.run(20);
    assert!(report.withheld && report.faces.is_empty() && events.is_empty());
    assert_eq!(report.scene.counts.map(|counts| counts.faces), Some(2));
    assert_eq!(report.scene.label, Label::Category(Category::Happiness));

    bench.show(&[]);
    let (report, events) = bench.run(80);
    assert!(!report.withheld && events.is_empty());
    assert_eq!(report.visits.today.visits, 2, "counted all the same");
}

#[test]
fn faces_are_classified_at_their_rate_and_together() {
    let mut bench = Bench::new(|settings| settings.expression.rate = 2.0);
    bench.show(&[face(100.0, 0.0)]);
    bench.run(2);
    bench.show(&[face(100.0, 0.0), face(300.0, 0.0), face(500.0, 0.0)]);
    bench.run(98);
    // Ten seconds of three faces, twice a second; the second and third came later, and once out of turn.
    let classified = bench.world.0.lock().unwrap().classified;
    assert!((56..=62).contains(&classified), "{classified}");
}

#[test]
fn a_still_face_that_is_classified_rarely_is_not_lost_between() {
    let mut bench = Bench::new(|settings| settings.expression.rate = 0.5);
    bench.luma.reset(640, 480).fill(800);
    bench.show(&[face(100.0, 0.0)]);
    let (report, _) = bench.run(20);
    assert_eq!(report.faces.len(), 1);
    let (report, events) = bench.run(300);
    assert!(report.faces.len() == 1 && report.faces[0].seen);
    assert!(
        events.iter().all(|event| !matches!(event, Event::Left { .. })),
        "{events:?}"
    );
}

#[test]
fn faces_with_bad_landmarks_are_not_classified() {
    let mut bench = Bench::new(|_| {});
    let mut broken = face(100.0, 0.0);
    broken.landmarks = Landmarks::default();
    bench.show(&[broken]);
    let (report, _) = bench.run(10);
    assert_eq!(
        (report.faces.len(), report.faces[0].smoothed, report.faces[0].pose),
        (1, None, None)
    );
    assert_eq!(bench.world.0.lock().unwrap().classified, 0);
}

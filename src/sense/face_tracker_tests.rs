//! Searching and following, with detectors that see what they are shown.
#![allow(clippy::unwrap_used)]

#[path = "face_tracker_still_tests.rs"]
mod still;

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU32, Ordering},
};

use super::*;
use crate::sense::detection::Landmarks;

/// The faces in view, and how often each detector ran.
#[derive(Default)]
struct World {
    faces: Mutex<Vec<Detection>>,
    searches: AtomicU32,
    follows: AtomicU32,
}

impl World {
    fn show(&self, faces: &[(f32, f32, f32)]) {
        *self.faces.lock().unwrap() = faces
            .iter()
            .map(|&(x, y, width)| Detection {
                rect: Rect {
                    x,
                    y,
                    width,
                    height: width,
                },
                score: 0.9,
                landmarks: Landmarks::default(),
            })
            .collect();
    }
}

/// Sees every face whose centre lies in the region, if it is at least `narrowest` wide.
struct Fake {
    world: Arc<World>,
    narrowest: f32,
    follows: bool,
}

impl Detector for Fake {
    fn input_size(&self) -> (usize, usize) {
        (640, 480)
    }

    fn network_time(&self) -> Duration {
        Duration::ZERO
    }

    fn detect(&mut self, _: &Picture, region: &Rect, found: &mut Detections) -> Result<(), InferError> {
        let count = if self.follows {
            &self.world.follows
        } else {
            &self.world.searches
        };
        count.fetch_add(1, Ordering::Relaxed);
        found.clear();
        for face in self
            .world
            .faces
            .lock()
            .unwrap()
            .iter()
            .filter(|face| face.rect.width >= self.narrowest)
        {
            let c = face.rect.centre();
            let r = region;
            let inside = (r.x..r.x + r.width).contains(&c.x) && (r.y..r.y + r.height).contains(&c.y);
            if inside {
                found.push(*face).unwrap();
            }
        }
        Ok(())
    }
}

struct Bench {
    world: Arc<World>,
    tracker: FaceTracker,
    picture: Picture,
    luma: LumaGrid,
    frame: u32,
    rate: u32,
    searches: u32,
}

impl Bench {
    /// A face tracker at `rate` frames a second; its following detector sees faces of at least `narrowest`
    /// pixels.
    fn new(rate: u32, narrowest: f32) -> Self {
        Self::with(rate, 0.0, narrowest)
    }

    /// As [`Bench::new`], with the narrowest face that a search sees.
    fn with(rate: u32, narrowest_searched: f32, narrowest: f32) -> Self {
        let world = Arc::new(World::default());
        let settings = Detect {
            model: "search".parse().unwrap(),
            follow_model: "follow".parse().unwrap(),
            interval: Duration::from_millis(500),
            still_interval: Duration::from_secs(10),
            min_score: 0.5,
            min_face_px: 16.0,
            lost: Duration::from_millis(1000),
        };
        let tracker = FaceTracker::new(
            &settings,
            &Intervals {
                frame: Duration::from_secs(1) / rate,
                search: settings.interval,
                follow: Duration::from_millis(200),
                classify: Duration::from_millis(200),
            },
            Box::new(Fake {
                world: world.clone(),
                narrowest: narrowest_searched,
                follows: false,
            }),
            Box::new(Fake {
                world: world.clone(),
                narrowest,
                follows: true,
            }),
        );
        let mut picture = Picture::default();
        picture.reset(640, 480);
        let mut luma = LumaGrid::default();
        luma.reset_unknown(640, 480);
        Self {
            world,
            tracker,
            picture,
            luma,
            frame: 0,
            rate,
            searches: 0,
        }
    }

    fn next(&mut self) -> heapless::Vec<FollowedFace, MAX_FACES> {
        let now = Duration::from_secs(self.frame.into()) / self.rate;
        self.frame += 1;
        let is_needed = self.tracker.observe(&self.luma, now);
        let searches = &mut self.searches;
        self.tracker
            .update(is_needed.then_some(&self.picture), now, &mut |stage| {
                *searches += u32::from(stage == Stage::Detect);
            })
            .unwrap();
        self.tracker.faces()
    }
}

#[test]
fn an_empty_room_is_searched_at_the_interval_only() {
    let mut bench = Bench::new(20, 0.0);
    for _ in 0..100 {
        assert!(bench.next().is_empty());
    }
    assert_eq!(bench.searches, 10);
    assert_eq!(bench.world.searches.load(Ordering::Relaxed), 10);
    assert_eq!(bench.world.follows.load(Ordering::Relaxed), 0);
}

#[test]
fn a_new_face_is_found_within_the_interval_and_seen_in_every_frame_from_then_on() {
    let mut bench = Bench::new(20, 0.0);
    bench.next();
    bench.world.show(&[(100.0, 100.0, 60.0)]);
    let waited = (0..20).take_while(|_| bench.next().is_empty()).count();
    assert!(waited < 10, "{waited} frames of 50 ms");
    let searches = bench.searches;
    for step in 0..20 {
        bench.world.show(&[(100.0 + step as f32 * 4.0, 100.0, 60.0)]);
        let faces = bench.next();
        assert!(faces.len() == 1 && faces[0].seen);
        assert!((faces[0].detection.rect.x - (100.0 + step as f32 * 4.0)).abs() < 4.0);
    }
    assert_eq!(bench.searches - searches, 2);
}

#[test]
fn a_face_out_of_sight_is_searched_for_at_once_but_not_in_every_frame() {
    let mut bench = Bench::new(20, 0.0);
    bench.world.show(&[(100.0, 100.0, 60.0)]);
    for _ in 0..4 {
        bench.next();
    }
    assert_eq!(bench.searches, 1);
    bench.world.show(&[]);
    let faces = bench.next();
    assert_eq!(bench.searches, 2);
    assert!(!faces[0].seen);
    // The next regular search comes half a second after the first.
    for _ in 5..10 {
        bench.next();
    }
    assert_eq!(bench.searches, 2);
    bench.next();
    assert_eq!(bench.searches, 3);
}

#[test]
fn a_face_too_small_to_follow_is_kept_by_the_searches() {
    let mut bench = Bench::new(20, 40.0);
    bench.world.show(&[(100.0, 100.0, 20.0)]);
    let id = bench.next()[0].track;
    for _ in 0..60 {
        let faces = bench.next();
        assert_eq!(faces[0].track, id);
    }
    assert!(bench.searches <= 8, "{}", bench.searches);
}

#[test]
fn two_tracks_do_not_settle_on_one_face() {
    let mut bench = Bench::new(20, 0.0);
    bench.world.show(&[(100.0, 100.0, 60.0), (170.0, 100.0, 60.0)]);
    bench.next();
    bench.world.show(&[(100.0, 100.0, 60.0)]);
    for _ in 0..40 {
        assert_eq!(bench.next().iter().filter(|face| face.seen).count(), 1);
    }
    assert_eq!(bench.tracker.faces().len(), 1);
}

#[test]
fn faces_that_are_too_small_are_ignored() {
    let mut bench = Bench::new(20, 0.0);
    bench.world.show(&[(100.0, 100.0, 12.0)]);
    for _ in 0..40 {
        assert!(bench.next().is_empty());
    }
}

#[test]
fn a_crowd_fills_the_places_with_the_nearest_faces() {
    let mut bench = Bench::new(20, 0.0);
    let crowd: Vec<_> = (0..12)
        .map(|i| (i as f32 * 50.0, 100.0, 20.0 + i as f32))
        .collect();
    bench.world.show(&crowd);
    let faces = bench.next();
    assert_eq!(faces.len(), MAX_FACES);
    assert!(faces.iter().all(|face| face.detection.rect.width >= 24.0));
}

#[test]
fn searches_of_quarters_add_no_second_track_of_a_face() {
    let mut bench = Bench::new(20, 0.0);
    bench.picture.reset(1280, 960);
    bench.luma.reset_unknown(1280, 960);
    // In the middle: every quarter sees it, or a part of it.
    bench.world.show(&[(610.0, 450.0, 60.0), (20.0, 20.0, 60.0)]);
    for _ in 0..100 {
        bench.next();
        assert_eq!(bench.tracker.tracker.tracks().len(), 2);
    }
    assert_eq!(bench.searches, 20);
}

#[test]
fn a_face_that_only_the_following_detector_sees_does_not_stay() {
    let mut bench = Bench::with(20, 40.0, 0.0);
    bench.world.show(&[(100.0, 100.0, 60.0)]);
    assert_eq!(bench.next().len(), 1);
    bench.world.show(&[(110.0, 110.0, 38.0)]);
    let held = (0..200).take_while(|_| !bench.next().is_empty()).count();
    // Half a second until it is missed, and five intervals.
    assert!((50..=62).contains(&held), "{held} frames of 50 ms");
}

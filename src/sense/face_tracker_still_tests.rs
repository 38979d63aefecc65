//! The face tracker on pictures where nothing changes, and where something does.

use super::*;

impl Bench {
    /// Makes the luma known from now on: uniform and constant.
    fn show_light(&mut self) {
        self.luma.reset(640, 480).fill(800);
    }

    /// Runs without changes until searches are as rare as they get.
    fn rest(&mut self) {
        for _ in 0..100 * self.rate {
            self.next();
        }
    }

    /// Changes the luma of the cells that touch a square.
    fn change(&mut self, x: usize, y: usize, side: usize) {
        for row in y / 8..(y + side).div_ceil(8) {
            for column in x / 8..(x + side).div_ceil(8) {
                let cell = &mut self.luma.cells_mut()[row * 80 + column];
                *cell = if *cell == 800 { 1000 } else { 800 };
            }
        }
    }
}

#[test]
fn a_still_empty_room_is_searched_as_a_precaution_only() {
    let mut bench = Bench::new(15, 0.0);
    bench.show_light();
    bench.rest();
    let searches = bench.searches;
    for _ in 0..1500 {
        assert!(bench.next().is_empty());
    }
    // The picture is no larger than the detector's input, so there are no quarters.
    assert_eq!(bench.searches - searches, 10);
}

#[test]
fn a_room_rests_some_seconds_after_everybody_has_left() {
    let mut bench = Bench::new(15, 0.0);
    let rests = |bench: &Bench| {
        bench
            .tracker
            .is_resting(Duration::from_secs(bench.frame.into()) / 15)
    };
    bench.show_light();
    bench.rest();
    assert!(rests(&bench));
    bench.world.show(&[(100.0, 100.0, 60.0)]);
    bench.change(100, 100, 60);
    bench.next();
    bench.rest();
    assert!(!rests(&bench), "somebody is in sight");
    bench.world.show(&[]);
    bench.change(100, 100, 60);
    let left = (0..).take_while(|_| !bench.next().is_empty()).count();
    let restless = (0..)
        .take_while(|_| bench.next().is_empty() && !rests(&bench))
        .count();
    assert!(
        left < 20 && (55..=75).contains(&restless),
        "{left} and {restless} frames of 67 ms"
    );
}

#[test]
fn a_newcomer_in_a_still_room_is_found_at_once() {
    let mut bench = Bench::new(15, 0.0);
    bench.show_light();
    bench.rest();
    bench.world.show(&[(100.0, 100.0, 60.0)]);
    bench.change(100, 100, 60);
    assert_eq!(bench.next().len(), 1);
}

#[test]
fn a_face_that_does_not_move_asks_for_no_search() {
    let mut bench = Bench::new(15, 0.0);
    bench.show_light();
    bench.world.show(&[(100.0, 100.0, 60.0)]);
    bench.rest();
    let searches = bench.searches;
    for _ in 0..1500 {
        let faces = bench.next();
        assert!(faces.len() == 1 && faces[0].seen);
    }
    assert_eq!(bench.searches - searches, 10);
}

#[test]
fn a_face_that_moves_slowly_is_looked_for_five_times_a_second() {
    let mut bench = Bench::new(15, 0.0);
    bench.show_light();
    bench.world.show(&[(100.0, 100.0, 60.0)]);
    bench.rest();
    let follows = bench.world.follows.load(Ordering::Relaxed);
    for step in 0..150 {
        // A third of its width in a second.
        bench
            .world
            .show(&[(100.0 + step as f32 * 4.0 / 3.0, 100.0, 60.0)]);
        bench.change(100 + step, 100, 60);
        let faces = bench.next();
        assert!(faces.len() == 1 && faces[0].seen);
    }
    let follows = bench.world.follows.load(Ordering::Relaxed) - follows;
    // In 10 s; a search may come between two looks.
    assert!((49..=57).contains(&follows), "{follows}");
}

#[test]
fn a_face_that_moves_fast_is_looked_for_in_every_frame() {
    let mut bench = Bench::new(15, 0.0);
    bench.show_light();
    bench.world.show(&[(0.0, 100.0, 60.0)]);
    bench.rest();
    let mut follows = 0;
    for step in 0..60 {
        // One and a half widths in a second.
        bench.world.show(&[(step as f32 * 6.0, 100.0, 60.0)]);
        bench.change(step * 6, 100, 60);
        let faces = bench.next();
        assert!(faces.len() == 1 && faces[0].seen, "{step}");
        if step == 10 {
            follows = bench.world.follows.load(Ordering::Relaxed);
        }
    }
    assert_eq!(bench.world.follows.load(Ordering::Relaxed) - follows, 49);
}

#[test]
fn a_moving_body_is_searched_for_faces_less_often_than_other_movement() {
    let searches = |x: usize| {
        let mut bench = Bench::new(15, 0.0);
        bench.show_light();
        bench.world.show(&[(100.0, 100.0, 60.0)]);
        bench.rest();
        let searches = bench.searches;
        for _ in 0..90 {
            bench.change(x, 300, 40);
            bench.next();
        }
        bench.searches - searches
    };
    // In 6 s.
    assert!((3..=5).contains(&searches(110)), "{}", searches(110));
    assert!((12..=13).contains(&searches(400)), "{}", searches(400));
}

#[test]
fn movement_of_a_face_does_not_ask_for_searches_in_every_interval() {
    let mut bench = Bench::new(15, 0.0);
    bench.show_light();
    bench.world.show(&[(100.0, 100.0, 60.0)]);
    bench.rest();
    let searches = bench.searches;
    for step in 0..60 {
        bench.world.show(&[(100.0 + step as f32, 100.0, 60.0)]);
        bench.change(100 + step, 100, 60);
        let faces = bench.next();
        assert!(faces.len() == 1 && faces[0].seen);
        assert!((faces[0].detection.rect.x - (100.0 + step as f32)).abs() < 6.0);
    }
    // In 4 s, one in 1.5 s instead of one in 0.5 s.
    assert!(
        (2..=4).contains(&(bench.searches - searches)),
        "{}",
        bench.searches - searches
    );
}

#[test]
fn a_face_that_leaves_is_lost_after_a_second() {
    for known in [false, true] {
        let mut bench = Bench::new(15, 0.0);
        if known {
            bench.show_light();
        }
        bench.world.show(&[(100.0, 100.0, 60.0)]);
        for _ in 0..60 {
            bench.next();
        }
        bench.world.show(&[]);
        if known {
            bench.change(100, 100, 60);
        }
        let frames = (0..60).take_while(|_| !bench.next().is_empty()).count();
        assert!((14..=16).contains(&frames), "{known}: {frames} frames of 67 ms");
    }
}

#[test]
fn a_patch_that_looks_like_a_face_to_the_following_detector_does_not_stay_in_a_still_room() {
    let mut bench = Bench::with(15, 40.0, 0.0);
    bench.show_light();
    bench.world.show(&[(100.0, 100.0, 60.0)]);
    for _ in 0..30 {
        bench.next();
    }
    // The person leaves; the patch is too small for the search, and nothing moves after that.
    bench.world.show(&[(110.0, 110.0, 38.0)]);
    bench.change(100, 100, 60);
    let frames = (0..200).take_while(|_| !bench.next().is_empty()).count();
    assert!(frames <= 62, "{frames} frames of 67 ms, 4 s at the full rate");
}

#[test]
fn a_second_face_beside_a_moving_one_is_found_within_the_interval() {
    let mut bench = Bench::new(15, 0.0);
    bench.show_light();
    bench.world.show(&[(100.0, 100.0, 60.0)]);
    for _ in 0..30 {
        bench.next();
    }
    // Within the surroundings of the first, whose movement explains the changes there.
    bench.world.show(&[(100.0, 100.0, 60.0), (165.0, 100.0, 50.0)]);
    let mut waited = 0;
    while bench.next().len() < 2 {
        bench.change(100, 100, 60);
        waited += 1;
        assert!(waited <= 8, "half a second");
    }
}

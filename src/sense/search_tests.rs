//! What a window shows, and which faces its edges cut.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use proptest::prelude::*;

use super::*;

/// A network of 320x256 pixels that sees nothing.
struct Blind;

impl Detector for Blind {
    fn input_size(&self) -> (usize, usize) {
        (320, 256)
    }

    fn network_time(&self) -> Duration {
        Duration::ZERO
    }

    fn detect(&mut self, _: &Picture, _: &Rect, found: &mut Detections) -> Result<(), InferError> {
        found.clear();
        Ok(())
    }
}

const PICTURE: (u32, u32) = (640, 480);

fn rect(x: f32, y: f32, width: f32, height: f32) -> Rect {
    Rect { x, y, width, height }
}

fn of(region: SearchRegion) -> SearchWindow {
    SearchWindow::of(region, PICTURE, &Blind)
}

#[test]
fn quarters_overlap_and_cover_the_picture() {
    let quarters: Vec<SearchWindow> = (0..4).map(|corner| of(SearchRegion::Quarter(corner))).collect();
    let (first, last) = (quarters[0].rect(), quarters[3].rect());
    assert_eq!((first.x, first.y), (0.0, 0.0));
    assert!((last.x + last.width - 640.0).abs() < 1e-3);
    assert!((last.y + last.height - 480.0).abs() < 1e-3);
    // Any face of up to 40 pixels lies whole in one of them.
    for x in 0..59 {
        for y in 0..43 {
            let face = rect(x as f32 * 10.0, y as f32 * 10.0, 40.0, 40.0);
            assert!(quarters.iter().any(|quarter| quarter.covers(&face)), "{face:?}");
        }
    }
}

#[test]
fn only_inner_region_edges_cut_a_face() {
    let quarter = of(SearchRegion::Quarter(0));
    let face = |x: f32, y: f32| rect(x, y, 50.0, 50.0);
    assert!(!quarter.cuts(&face(-10.0, -10.0)));
    assert!(!quarter.cuts(&face(200.0, 100.0)));
    assert!(quarter.cuts(&face(310.0, 100.0)));
    assert!(quarter.cuts(&face(100.0, 220.0)));
    assert!(!of(SearchRegion::Quarter(3)).cuts(&face(620.0, 450.0)));
    assert!(!of(SearchRegion::Whole).cuts(&face(620.0, -5.0)));
}

#[test]
fn a_whole_search_does_not_cover_small_faces() {
    let whole = of(SearchRegion::Whole);
    assert!(whole.covers(&rect(300.0, 200.0, 31.0, 31.0)));
    assert!(!whole.covers(&rect(300.0, 200.0, 29.0, 29.0)));
}

#[test]
fn small_changes_are_shown_at_full_size_and_large_ones_in_no_window() {
    let window = |changes: Rect| SearchWindow::around(&changes, PICTURE, &Blind);
    let small = window(rect(600.0, 300.0, 16.0, 16.0)).unwrap();
    assert_eq!(*small.rect(), rect(320.0, 180.0, 320.0, 256.0));
    assert!(small.covers(&rect(500.0, 300.0, 14.0, 14.0)));
    let larger = window(rect(0.0, 0.0, 400.0, 100.0)).unwrap();
    assert_eq!(*larger.rect(), rect(0.0, 0.0, 432.0, 345.6));
    // Rounding to whole pixels does not move a window away from the picture's edge.
    let at_edge = SearchWindow::around(&rect(0.0, 518.0, 1.0, 236.0), (400, 754), &Blind).unwrap();
    assert_eq!(at_edge.rect().y + at_edge.rect().height, 754.0);
    assert_eq!(window(rect(0.0, 0.0, 560.0, 100.0)), None);
    assert_eq!(window(rect(0.0, 0.0, 100.0, 430.0)), None);
}

proptest! {
    #[test]
    fn a_window_contains_the_changes_and_lies_in_the_picture(
        x in 0.0f32..1200.0, y in 0.0f32..900.0, width in 0.0f32..1000.0, height in 0.0f32..1000.0,
        picture in (400u32..1300, 300u32..1000),
    ) {
        let changes = rect(
            x.min(picture.0 as f32),
            y.min(picture.1 as f32),
            width.min(picture.0 as f32 - x.min(picture.0 as f32)),
            height.min(picture.1 as f32 - y.min(picture.1 as f32)),
        );
        if let Some(window) = SearchWindow::around(&changes, picture, &Blind) {
            let seen = window.rect();
            let slack = 0.01;
            prop_assert!(seen.x >= 0.0 && seen.x + seen.width <= picture.0 as f32 + slack);
            prop_assert!(seen.y >= 0.0 && seen.y + seen.height <= picture.1 as f32 + slack);
            prop_assert!(seen.x <= changes.x + slack && seen.y <= changes.y + slack);
            prop_assert!(seen.x + seen.width >= changes.x + changes.width - slack);
            prop_assert!(seen.y + seen.height >= changes.y + changes.height - slack);
        }
    }
}

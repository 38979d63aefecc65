//! Which region of the picture is searched when.
//!
//! A network of 320 pixels sees a picture of 640 at half its size and misses faces narrower than 30 pixels; a
//! network of 640 pixels costs four times as much per search. So the whole picture is searched with the small
//! network, and between two such searches one of its overlapping quarters, in turn: near faces are found
//! within the interval, distant ones within four of them (models/detectors.md has the figures).

use std::time::Duration;

use affectd_infer::InferError;

use super::{
    detect::{Detections, Detector},
    face::Detection,
    geometry::Rect,
};
use crate::picture::Picture;

/// Width and height of a quarter as fractions of the picture's; more than a half, so that a face which is cut
/// by one quarter's edge lies whole in another.
const QUARTER: f32 = 0.55;
/// A box that comes nearer than this to a quarter's edge, in pixels of the picture, is cut by it.
const CUT_MARGIN: f32 = 2.0;
/// A face that got out of sight causes an expedited search, at most this many times per interval.
const EXPEDITED_SEARCH_DIVISOR: u32 = 4;

/// A region of the picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SearchRegion {
    /// All of it.
    Whole,
    /// A corner: 0 top left, 1 top right, 2 bottom left, 3 bottom right.
    Quarter(u8),
}

impl SearchRegion {
    /// All regions.
    const ALL: [Self; 5] = [
        Self::Whole,
        Self::Quarter(0),
        Self::Quarter(1),
        Self::Quarter(2),
        Self::Quarter(3),
    ];

    /// Whether quarters resolve more than the whole does: only where the network shrinks the picture.
    #[must_use]
    pub fn quarters_help(picture: &Picture, detector: &dyn Detector) -> bool {
        let (width, height) = detector.input_size();
        picture.width() as usize > width || picture.height() as usize > height
    }

    fn rect(self, picture: &Picture) -> Rect {
        let (width, height) = (picture.width() as f32, picture.height() as f32);
        match self {
            Self::Whole => Rect {
                x: 0.0,
                y: 0.0,
                width,
                height,
            },
            Self::Quarter(corner) => Rect {
                x: f32::from(corner % 2) * (1.0 - QUARTER) * width,
                y: f32::from(corner / 2) * (1.0 - QUARTER) * height,
                width: QUARTER * width,
                height: QUARTER * height,
            },
        }
    }

    /// Searches this region and adds each face to `faces` that is not in it yet and that the region's edge
    /// does not cut. `found` is scratch space.
    ///
    /// # Errors
    /// [`InferError`] if the network fails.
    pub fn search<const N: usize>(
        self,
        detector: &mut dyn Detector,
        picture: &Picture,
        found: &mut Detections,
        faces: &mut heapless::Vec<Detection, N>,
    ) -> Result<(), InferError> {
        let rect = self.rect(picture);
        detector.detect(picture, &rect, found)?;
        for face in found.iter().filter(|face| !is_cut(&face.rect, &rect, picture)) {
            add(faces, face);
        }
        Ok(())
    }
}

/// Whether an edge of `region` that lies inside the picture runs through or along `face`.
fn is_cut(face: &Rect, region: &Rect, picture: &Picture) -> bool {
    let cuts = |from: f32, size: f32, first: f32, length: f32, end: u32| {
        (first > 0.0 && from < first + CUT_MARGIN)
            || (first + length < end as f32 - CUT_MARGIN && from + size > first + length - CUT_MARGIN)
    };
    cuts(face.x, face.width, region.x, region.width, picture.width())
        || cuts(face.y, face.height, region.y, region.height, picture.height())
}

/// Adds a detection, unless its face is in the list already or the list is full.
fn add<const N: usize>(faces: &mut heapless::Vec<Detection, N>, face: &Detection) {
    if !faces.iter().any(|other| other.is_same_face(face)) {
        let _ = faces.push(*face); // a full list already holds more than can be tracked
    }
}

/// All faces of a single picture: the whole of it and, where that helps, each quarter.
///
/// # Errors
/// [`InferError`] if the network fails.
pub fn all_faces(detector: &mut dyn Detector, picture: &Picture) -> Result<Detections, InferError> {
    let (mut found, mut faces) = (Detections::new(), Detections::new());
    let regions = if SearchRegion::quarters_help(picture, detector) {
        &SearchRegion::ALL[..]
    } else {
        &SearchRegion::ALL[..1]
    };
    for region in regions {
        region.search(detector, picture, &mut found, &mut faces)?;
    }
    Ok(faces)
}

/// When to search, and which region.
#[derive(Debug)]
pub struct SearchSchedule {
    interval: Duration,
    /// When the next region is to be searched; `None` before the first.
    due: Option<Duration>,
    /// When the last region was searched.
    last: Duration,
    /// Counts the scheduled searches.
    turn: u8,
}

impl SearchSchedule {
    /// The whole picture every `interval`, and a quarter in between.
    #[must_use]
    pub fn new(interval: Duration) -> Self {
        Self {
            interval,
            due: None,
            last: Duration::ZERO,
            turn: 0,
        }
    }

    /// Sets the time between two searches of the whole picture.
    pub fn set_interval(&mut self, interval: Duration) {
        self.interval = interval;
    }

    /// The region to search at `now`, if any. With `expedite` (a face got out of sight) the whole picture may
    /// be searched early; without `quarters` only the whole picture is searched.
    pub fn next(&mut self, now: Duration, expedite: bool, quarters: bool) -> Option<SearchRegion> {
        let due = self.due.unwrap_or(now);
        if now < due {
            if !expedite || now.saturating_sub(self.last) < self.interval / EXPEDITED_SEARCH_DIVISOR {
                return None;
            }
            self.last = now;
            return Some(SearchRegion::Whole);
        }
        let step = if quarters {
            self.interval / 2
        } else {
            self.interval
        };
        // On time: no drift caused by the frames' times. Late: missed searches are not made up for.
        self.due = Some(if now < due + step { due + step } else { now + step });
        self.last = now;
        if !quarters {
            return Some(SearchRegion::Whole);
        }
        let turn = self.turn;
        self.turn = (turn + 1) % 8;
        Some(if turn.is_multiple_of(2) {
            SearchRegion::Whole
        } else {
            SearchRegion::Quarter(turn / 2)
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn schedule(rate: u32, seconds: u32, quarters: bool) -> Vec<(Duration, SearchRegion)> {
        let mut schedule = SearchSchedule::new(Duration::from_millis(500));
        let frames = (0..rate * seconds).map(|frame| Duration::from_secs(frame.into()) / rate);
        frames
            .filter_map(|now| schedule.next(now, false, quarters).map(|region| (now, region)))
            .collect()
    }

    #[test]
    fn at_any_rate_the_whole_picture_comes_every_interval_and_each_quarter_every_fourth() {
        for rate in [7, 10, 15, 30] {
            let searches = schedule(rate, 20, true);
            let count = |region: SearchRegion| searches.iter().filter(|(_, r)| *r == region).count();
            assert!(
                (39..=41).contains(&count(SearchRegion::Whole)),
                "at {rate}: {}",
                count(SearchRegion::Whole)
            );
            for corner in 0..4 {
                assert!(
                    (9..=11).contains(&count(SearchRegion::Quarter(corner))),
                    "at {rate}"
                );
            }
            assert!(searches.windows(2).all(|pair| pair[0].0 != pair[1].0));
        }
    }

    #[test]
    fn a_slow_camera_still_gets_every_region() {
        let searches = schedule(1, 16, true);
        assert_eq!(searches.len(), 16);
        assert_eq!(
            searches
                .iter()
                .filter(|(_, region)| *region == SearchRegion::Whole)
                .count(),
            8
        );
    }

    #[test]
    fn without_quarters_only_the_whole_is_searched() {
        let searches = schedule(20, 10, false);
        assert_eq!(searches.len(), 20);
        assert!(searches.iter().all(|(_, region)| *region == SearchRegion::Whole));
    }

    #[test]
    fn after_a_pause_it_does_not_make_up_for_lost_searches() {
        let mut schedule = SearchSchedule::new(Duration::from_millis(500));
        schedule.next(Duration::ZERO, false, true);
        let after = (0..10).filter(|ms| {
            schedule
                .next(Duration::from_millis(60_000 + ms), false, true)
                .is_some()
        });
        assert_eq!(after.count(), 1);
    }

    #[test]
    fn quarters_overlap_and_cover_the_picture() {
        let mut picture = Picture::default();
        picture.reset(640, 480);
        let quarters: Vec<Rect> = (0..4)
            .map(|corner| SearchRegion::Quarter(corner).rect(&picture))
            .collect();
        assert_eq!((quarters[0].x, quarters[0].y), (0.0, 0.0));
        assert!((quarters[3].x + quarters[3].width - 640.0).abs() < 1e-3);
        assert!((quarters[3].y + quarters[3].height - 480.0).abs() < 1e-3);
        // Any face of up to 50 pixels lies whole in one of them.
        for x in 0..59 {
            for y in 0..43 {
                let face = Rect {
                    x: x as f32 * 10.0,
                    y: y as f32 * 10.0,
                    width: 40.0,
                    height: 40.0,
                };
                assert!(
                    quarters.iter().any(|quarter| {
                        let inside = face.x >= quarter.x
                            && face.y >= quarter.y
                            && face.x + face.width <= quarter.x + quarter.width
                            && face.y + face.height <= quarter.y + quarter.height;
                        inside && !is_cut(&face, quarter, &picture)
                    }),
                    "{face:?}"
                );
            }
        }
    }

    #[test]
    fn only_cuts_within_the_picture_cut_a_face() {
        let mut picture = Picture::default();
        picture.reset(640, 480);
        let region = SearchRegion::Quarter(0).rect(&picture);
        let face = |x: f32, y: f32| Rect {
            x,
            y,
            width: 50.0,
            height: 50.0,
        };
        assert!(!is_cut(&face(-10.0, -10.0), &region, &picture));
        assert!(!is_cut(&face(200.0, 100.0), &region, &picture));
        assert!(is_cut(&face(310.0, 100.0), &region, &picture));
        assert!(is_cut(&face(100.0, 220.0), &region, &picture));
        assert!(!is_cut(
            &face(620.0, 450.0),
            &SearchRegion::Quarter(3).rect(&picture),
            &picture
        ));
        assert!(!is_cut(
            &face(620.0, -5.0),
            &SearchRegion::Whole.rect(&picture),
            &picture
        ));
    }
}

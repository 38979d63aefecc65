//! Which part of the picture is searched when.
//!
//! A network of 320 pixels sees a picture of 640 at half its size and misses faces narrower than 30 pixels; a
//! network of 640 pixels costs four times as much at every search. So the whole picture is searched with the small
//! network, and in between one of its overlapping quarters, in turn: faces that matter are found within the interval,
//! those far away within four of them (models/detectors.md has the figures).

use std::time::Duration;

use affectd_infer::InferError;

use super::{
    detect::{Detector, Found, MAX_FOUND},
    face::Detection,
    geometry::Rect,
};
use crate::picture::Picture;

/// Width and height of a quarter, as a part of the picture's; more than a half, so that a face which one quarter
/// cuts in two lies whole in another.
const QUARTER: f32 = 0.55;
/// A box that comes nearer than this to a cut, in pixels of the picture, is part of a face.
const CUT: f32 = 2.0;
/// Two detections that share so much (intersection over union) are one face.
const SAME_FACE: f32 = 0.3;
/// A face out of sight brings a search at once, but not more often than so many times within the interval.
const HURRY: u32 = 4;

/// A part of the picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// All of it.
    Whole,
    /// A corner: 0 top left, 1 top right, 2 bottom left, 3 bottom right.
    Quarter(u8),
}

impl Part {
    /// All parts.
    const ALL: [Self; 5] = [
        Self::Whole,
        Self::Quarter(0),
        Self::Quarter(1),
        Self::Quarter(2),
        Self::Quarter(3),
    ];

    /// Whether quarters show more than the whole does: only where the network shrinks the picture.
    #[must_use]
    pub fn quarters_help(picture: &Picture, detector: &dyn Detector) -> bool {
        let (width, height) = detector.input_size();
        picture.width() as usize > width || picture.height() as usize > height
    }

    fn region(self, picture: &Picture) -> Rect {
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

    /// Searches this part and adds each face that is not yet in `faces` and that the part's edge does not cut.
    /// `found` is room to work in.
    ///
    /// # Errors
    /// [`InferError`] if the network fails.
    pub fn search<const N: usize>(
        self,
        detector: &mut dyn Detector,
        picture: &Picture,
        found: &mut Found,
        faces: &mut heapless::Vec<Detection, N>,
    ) -> Result<(), InferError> {
        let region = self.region(picture);
        detector.detect(picture, &region, found)?;
        for face in found.iter().filter(|face| !cut(&face.rect, &region, picture)) {
            add(faces, face);
        }
        Ok(())
    }
}

/// Whether an edge of `region` that lies within the picture runs through or along `face`.
fn cut(face: &Rect, region: &Rect, picture: &Picture) -> bool {
    let cuts = |from: f32, size: f32, first: f32, length: f32, end: u32| {
        (first > 0.0 && from < first + CUT)
            || (first + length < end as f32 - CUT && from + size > first + length - CUT)
    };
    cuts(face.x, face.width, region.x, region.width, picture.width())
        || cuts(face.y, face.height, region.y, region.height, picture.height())
}

/// Whether two detections show one face, found twice.
#[must_use]
pub fn same_face(a: &Detection, b: &Detection) -> bool {
    a.rect.iou(&b.rect) >= SAME_FACE
}

/// Adds a detection, unless its face is there already or there is no room.
fn add<const N: usize>(faces: &mut heapless::Vec<Detection, N>, face: &Detection) {
    if !faces.iter().any(|other| same_face(other, face)) {
        let _ = faces.push(*face); // a full list already holds more than can be followed
    }
}

/// All faces of a single picture: the whole of it and, where that helps, each quarter.
///
/// # Errors
/// [`InferError`] if the network fails.
pub fn all_faces(detector: &mut dyn Detector, picture: &Picture) -> Result<Found, InferError> {
    let (mut found, mut faces) = (Found::new(), heapless::Vec::<Detection, MAX_FOUND>::new());
    let parts = if Part::quarters_help(picture, detector) {
        &Part::ALL[..]
    } else {
        &Part::ALL[..1]
    };
    for part in parts {
        part.search(detector, picture, &mut found, &mut faces)?;
    }
    Ok(faces)
}

/// When to search, and what.
#[derive(Debug)]
pub struct Cadence {
    interval: Duration,
    /// When the next part is to be searched; `None` before the first.
    due: Option<Duration>,
    /// When the last part was searched.
    last: Duration,
    /// Counts the parts.
    turn: u8,
}

impl Cadence {
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

    /// What to search at `now`. With `hurry` (a face got out of sight) the whole picture may come before its time;
    /// without `quarters` it is all that is searched.
    pub fn next(&mut self, now: Duration, hurry: bool, quarters: bool) -> Option<Part> {
        let due = self.due.unwrap_or(now);
        if now < due {
            if !hurry || now.saturating_sub(self.last) < self.interval / HURRY {
                return None;
            }
            self.last = now;
            return Some(Part::Whole);
        }
        let step = if quarters {
            self.interval / 2
        } else {
            self.interval
        };
        // On time: no drift from the frames' rhythm. Late: no rush to make up for it.
        self.due = Some(if now < due + step { due + step } else { now + step });
        self.last = now;
        if !quarters {
            return Some(Part::Whole);
        }
        let turn = self.turn;
        self.turn = (turn + 1) % 8;
        Some(if turn.is_multiple_of(2) {
            Part::Whole
        } else {
            Part::Quarter(turn / 2)
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn parts(rate: u32, seconds: u32, quarters: bool) -> Vec<(Duration, Part)> {
        let mut cadence = Cadence::new(Duration::from_millis(500));
        let frames = (0..rate * seconds).map(|frame| Duration::from_secs(frame.into()) / rate);
        frames
            .filter_map(|now| cadence.next(now, false, quarters).map(|part| (now, part)))
            .collect()
    }

    #[test]
    fn at_any_rate_the_whole_picture_comes_every_interval_and_each_quarter_every_fourth() {
        for rate in [7, 10, 15, 30] {
            let parts = parts(rate, 20, true);
            let count = |part: Part| parts.iter().filter(|(_, p)| *p == part).count();
            assert!(
                (39..=41).contains(&count(Part::Whole)),
                "at {rate}: {}",
                count(Part::Whole)
            );
            for corner in 0..4 {
                assert!((9..=11).contains(&count(Part::Quarter(corner))), "at {rate}");
            }
            assert!(parts.windows(2).all(|pair| pair[0].0 != pair[1].0));
        }
    }

    #[test]
    fn a_slow_camera_still_gets_every_part() {
        let parts = parts(1, 16, true);
        assert_eq!(parts.len(), 16);
        assert_eq!(parts.iter().filter(|(_, p)| *p == Part::Whole).count(), 8);
    }

    #[test]
    fn without_quarters_only_the_whole_is_searched() {
        let parts = parts(20, 10, false);
        assert_eq!(parts.len(), 20);
        assert!(parts.iter().all(|(_, part)| *part == Part::Whole));
    }

    #[test]
    fn after_a_pause_it_does_not_make_up_for_lost_searches() {
        let mut cadence = Cadence::new(Duration::from_millis(500));
        cadence.next(Duration::ZERO, false, true);
        let after = (0..10).filter(|ms| {
            cadence
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
            .map(|corner| Part::Quarter(corner).region(&picture))
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
                        inside && !cut(&face, quarter, &picture)
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
        let region = Part::Quarter(0).region(&picture);
        let face = |x: f32, y: f32| Rect {
            x,
            y,
            width: 50.0,
            height: 50.0,
        };
        assert!(!cut(&face(-10.0, -10.0), &region, &picture));
        assert!(!cut(&face(200.0, 100.0), &region, &picture));
        assert!(cut(&face(310.0, 100.0), &region, &picture));
        assert!(cut(&face(100.0, 220.0), &region, &picture));
        assert!(!cut(
            &face(620.0, 450.0),
            &Part::Quarter(3).region(&picture),
            &picture
        ));
        assert!(!cut(&face(620.0, -5.0), &Part::Whole.region(&picture), &picture));
    }
}

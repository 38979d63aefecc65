//! The regions of the picture that are searched.
//!
//! A network of 320 pixels sees a picture of 640 at half its size and misses faces narrower than 30 pixels; a
//! network of 640 pixels costs four times as much per search. So the whole picture is searched with the small
//! network, and between two such searches one of its overlapping quarters, in turn: near faces are found
//! within the interval, distant ones within four of them (models/detectors.md has the figures).

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
/// A search of the whole picture finds a face as good as always from this width on, in pixels of the network's
/// input: 30 pixels of a picture of 640 in a network of 320 (models/detectors.md).
const RESOLVED: f32 = 15.0;

/// A region of the picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SearchRegion {
    /// All of it.
    Whole,
    /// A corner: 0 top left, 1 top right, 2 bottom left, 3 bottom right.
    Quarter(u8),
}

impl SearchRegion {
    /// How many regions there are.
    pub const COUNT: usize = 5;

    /// All regions, the whole first.
    pub const ALL: [Self; Self::COUNT] = [
        Self::Whole,
        Self::Quarter(0),
        Self::Quarter(1),
        Self::Quarter(2),
        Self::Quarter(3),
    ];

    /// Whether quarters resolve more than the whole of a picture of this width and height does: only where the
    /// network shrinks the picture.
    #[must_use]
    pub fn quarters_help((width, height): (u32, u32), detector: &dyn Detector) -> bool {
        let (input_width, input_height) = detector.input_size();
        width as usize > input_width || height as usize > input_height
    }

    /// Whether a search of this region should find a face with the box `face`. Quarters are for those that
    /// are too small for a search of the whole.
    #[must_use]
    pub fn covers(self, face: &Rect, picture: (u32, u32), detector: &dyn Detector) -> bool {
        let rect = self.rect(picture.0, picture.1);
        let (width, height) = detector.input_size();
        let scale = (width as f32 / rect.width).min(height as f32 / rect.height);
        let centre = face.centre();
        let is_inside = (rect.x..=rect.x + rect.width).contains(&centre.x)
            && (rect.y..=rect.y + rect.height).contains(&centre.y);
        let is_resolved = self != Self::Whole || face.width * scale >= RESOLVED;
        is_inside && !is_cut(face, &rect, picture) && is_resolved
    }

    /// The position in [`SearchRegion::ALL`].
    #[must_use]
    pub fn index(self) -> usize {
        match self {
            Self::Whole => 0,
            Self::Quarter(corner) => 1 + usize::from(corner),
        }
    }

    /// Where it lies in a picture of this size, in pixels.
    #[must_use]
    pub fn rect(self, width: u32, height: u32) -> Rect {
        let (width, height) = (width as f32, height as f32);
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
        let rect = self.rect(picture.width(), picture.height());
        detector.detect(picture, &rect, found)?;
        let size = (picture.width(), picture.height());
        for face in found.iter().filter(|face| !is_cut(&face.rect, &rect, size)) {
            add(faces, face);
        }
        Ok(())
    }
}

/// Whether an edge of `region` that lies inside the picture (of this width and height) runs through or along `face`.
fn is_cut(face: &Rect, region: &Rect, picture: (u32, u32)) -> bool {
    let cuts = |from: f32, size: f32, first: f32, length: f32, end: u32| {
        (first > 0.0 && from < first + CUT_MARGIN)
            || (first + length < end as f32 - CUT_MARGIN && from + size > first + length - CUT_MARGIN)
    };
    cuts(face.x, face.width, region.x, region.width, picture.0)
        || cuts(face.y, face.height, region.y, region.height, picture.1)
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
    let regions = if SearchRegion::quarters_help((picture.width(), picture.height()), detector) {
        &SearchRegion::ALL[..]
    } else {
        &SearchRegion::ALL[..1]
    };
    for region in regions {
        region.search(detector, picture, &mut found, &mut faces)?;
    }
    Ok(faces)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn quarters_overlap_and_cover_the_picture() {
        let quarters: Vec<Rect> = (0..4)
            .map(|corner| SearchRegion::Quarter(corner).rect(640, 480))
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
                        inside && !is_cut(&face, quarter, (640, 480))
                    }),
                    "{face:?}"
                );
            }
        }
    }

    #[test]
    fn only_cuts_within_the_picture_cut_a_face() {
        let region = SearchRegion::Quarter(0).rect(640, 480);
        let face = |x: f32, y: f32| Rect {
            x,
            y,
            width: 50.0,
            height: 50.0,
        };
        assert!(!is_cut(&face(-10.0, -10.0), &region, (640, 480)));
        assert!(!is_cut(&face(200.0, 100.0), &region, (640, 480)));
        assert!(is_cut(&face(310.0, 100.0), &region, (640, 480)));
        assert!(is_cut(&face(100.0, 220.0), &region, (640, 480)));
        assert!(!is_cut(
            &face(620.0, 450.0),
            &SearchRegion::Quarter(3).rect(640, 480),
            (640, 480)
        ));
        assert!(!is_cut(
            &face(620.0, -5.0),
            &SearchRegion::Whole.rect(640, 480),
            (640, 480)
        ));
    }
}

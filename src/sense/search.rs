//! One run of the search network on a part of the picture.
//!
//! A whole picture of 640 pixels is seen at half its size, so a face of less than 30 pixels is missed. Where
//! all changes lie close together, a window around them shows them in more detail than the whole, and
//! replaces a search of the whole and of all quarters.

use affectd_infer::InferError;

use super::{
    detect::{Detections, Detector, letterbox::Letterbox},
    detection::Detection,
    geometry::Rect,
    region::SearchRegion,
};
use crate::picture::Picture;

/// A box closer than this to a window's edge, in pixels of the picture, counts as cut by it.
const CUT_MARGIN: f32 = 2.0;
/// A search of the whole picture finds a face of at least this width almost always, in pixels of the
/// network's input: 30 pixels of a picture of 640 in a network of 320 (models/detectors.md).
const RESOLVED: f32 = 15.0;
/// A window around changes reaches this far beyond them, as a fraction of the picture's width: two cells of
/// its luma grid.
const CHANGE_MARGIN: f32 = 1.0 / 40.0;
/// A window around changes shows a face at no less than this fraction of its size in a quarter. In a picture
/// of 640 pixels, 25 pixels are then as wide as 30 in a search of the whole.
const LEAST_DETAIL: f32 = 0.65;

/// What one run of the search network sees.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SearchWindow {
    /// Where it lies, in pixels of the picture.
    rect: Rect,
    /// Width and height of the picture.
    picture: (u32, u32),
    /// The narrowest face that it should find, in pixels of the picture.
    narrowest: f32,
}

impl SearchWindow {
    /// The window of a region of a picture of this width and height.
    #[must_use]
    pub fn of(region: SearchRegion, picture: (u32, u32), detector: &dyn Detector) -> Self {
        let rect = region.rect(picture.0, picture.1);
        Self {
            rect,
            picture,
            narrowest: match region {
                SearchRegion::Whole => RESOLVED / scale(&rect, detector),
                // Quarters are for the faces that are too small for a search of the whole.
                SearchRegion::Quarter(_) => 0.0,
            },
        }
    }

    /// The window around `changes` in a picture of this width and height: of the size of the network's input,
    /// or larger if necessary. `None` if a face would be shown much smaller than in a quarter.
    #[must_use]
    pub fn around(changes: &Rect, picture: (u32, u32), detector: &dyn Detector) -> Option<Self> {
        let margin = picture.0 as f32 * CHANGE_MARGIN;
        let needed = Rect {
            x: changes.x - margin,
            y: changes.y - margin,
            width: changes.width + 2.0 * margin,
            height: changes.height + 2.0 * margin,
        };
        let quarter = SearchRegion::Quarter(0).rect(picture.0, picture.1);
        let scale_of_window = scale(&needed, detector).min(1.0);
        if scale_of_window < LEAST_DETAIL * scale(&quarter, detector) {
            return None;
        }
        // As close to the middle of the changes as the picture's edges allow, and on whole pixels, so a
        // window of the input's size needs no interpolation.
        let place = |centre: f32, input: usize, length: u32| {
            let length = length as f32;
            let side = (input as f32 / scale_of_window).min(length);
            ((centre - side / 2.0).floor().clamp(0.0, length - side), side)
        };
        let (input_width, input_height) = detector.input_size();
        let centre = needed.centre();
        let (x, width) = place(centre.x, input_width, picture.0);
        let (y, height) = place(centre.y, input_height, picture.1);
        Some(Self {
            rect: Rect { x, y, width, height },
            picture,
            narrowest: 0.0,
        })
    }

    /// Where it lies, in pixels of the picture.
    #[must_use]
    pub fn rect(&self) -> &Rect {
        &self.rect
    }

    /// Whether a search should find a face with the box `face`.
    #[must_use]
    pub fn covers(&self, face: &Rect) -> bool {
        let Rect { x, y, width, height } = self.rect;
        let centre = face.centre();
        let is_inside = (x..=x + width).contains(&centre.x) && (y..=y + height).contains(&centre.y);
        is_inside && !self.cuts(face) && face.width >= self.narrowest
    }

    /// Searches this window and adds to `faces` each new face that the window's edge does not cut. `found` is
    /// scratch space.
    ///
    /// # Errors
    /// [`InferError`] if the network fails.
    pub fn search<const N: usize>(
        &self,
        detector: &mut dyn Detector,
        picture: &Picture,
        found: &mut Detections,
        faces: &mut heapless::Vec<Detection, N>,
    ) -> Result<(), InferError> {
        detector.detect(picture, &self.rect, found)?;
        for face in found.iter().filter(|face| !self.cuts(&face.rect)) {
            add(faces, face);
        }
        Ok(())
    }

    /// Whether an edge of the window that lies inside the picture runs through or along `face`.
    fn cuts(&self, face: &Rect) -> bool {
        let cuts = |from: f32, size: f32, first: f32, length: f32, end: u32| {
            (first > 0.0 && from < first + CUT_MARGIN)
                || (first + length < end as f32 - CUT_MARGIN && from + size > first + length - CUT_MARGIN)
        };
        let Rect { x, y, width, height } = self.rect;
        cuts(face.x, face.width, x, width, self.picture.0)
            || cuts(face.y, face.height, y, height, self.picture.1)
    }
}

/// Pixels of the network's input per pixel of the picture when the network sees `rect`.
fn scale(rect: &Rect, detector: &dyn Detector) -> f32 {
    let (width, height) = detector.input_size();
    Letterbox::fit(rect, width, height).scale()
}

/// Adds a detection, unless its face is in the list already or the list is full.
fn add<const N: usize>(faces: &mut heapless::Vec<Detection, N>, face: &Detection) {
    if !faces.iter().any(|other| other.is_same_face(face)) {
        let _ = faces.push(*face); // a full list already holds more than can be tracked
    }
}

/// All faces of a single picture: from searches of the whole of it and, where that helps, of each quarter.
///
/// # Errors
/// [`InferError`] if the network fails.
pub fn all_faces(detector: &mut dyn Detector, picture: &Picture) -> Result<Detections, InferError> {
    let (mut found, mut faces) = (Detections::new(), Detections::new());
    let size = (picture.width(), picture.height());
    let regions = if SearchRegion::quarters_help(size, detector) {
        &SearchRegion::ALL[..]
    } else {
        &SearchRegion::ALL[..1]
    };
    for region in regions {
        let window = SearchWindow::of(*region, size, detector);
        window.search(detector, picture, &mut found, &mut faces)?;
    }
    Ok(faces)
}

#[cfg(test)]
#[path = "search_tests.rs"]
mod tests;

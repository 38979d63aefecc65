//! Which changes of the picture are explained by the faces in sight, so they ask for no search.

use super::{face::MAX_FACES, geometry::Rect, region::SearchRegion};

/// Side of the surroundings, in sides of the face's box. BlazeFace finds a face of 14 pixels best at this
/// scale, and larger ones at any (models/detectors.md).
pub const SURROUNDINGS_SCALE: f32 = 2.5;

/// Side of the square, in sides of the face's box, within which changes are attributed to the face itself.
pub const OWN_SCALE: f32 = 1.5;

/// Width of a body and its head's movements, in sides of the face's box.
const BODY_SCALE: f32 = 3.0;

/// A box for each face.
type FaceRects = heapless::Vec<Rect, MAX_FACES>;

/// Where the faces in sight explain changes.
#[derive(Debug)]
pub struct ExplainedChanges {
    faces: FaceRects,
    bodies: FaceRects,
}

impl ExplainedChanges {
    /// The changes explained by the faces with these boxes, in a picture of this height.
    #[must_use]
    pub fn new(faces: FaceRects, height: u32) -> Self {
        let bodies = faces.iter().map(|face| body(face, height)).collect();
        Self { faces, bodies }
    }

    /// Where the faces explain changes when `region` is searched. The following detector sees other faces of
    /// similar size in the surroundings of a face, so these need no search of the whole picture; smaller
    /// faces are left to the quarters.
    #[must_use]
    pub fn by_faces(&self, region: SearchRegion) -> FaceRects {
        let scale = match region {
            SearchRegion::Whole => SURROUNDINGS_SCALE,
            SearchRegion::Quarter(_) => OWN_SCALE,
        };
        self.faces.iter().map(|face| around(face, scale)).collect()
    }

    /// Where the faces' bodies explain changes: a new face is unlikely there.
    #[must_use]
    pub fn by_bodies(&self) -> &[Rect] {
        &self.bodies
    }

    /// Where the faces or their bodies explain changes when `region` is searched.
    #[must_use]
    pub fn by_all(&self, region: SearchRegion) -> heapless::Vec<Rect, { 2 * MAX_FACES }> {
        self.by_faces(region)
            .into_iter()
            .chain(self.bodies.iter().copied())
            .collect()
    }
}

/// The square around the middle of a box, `scale` times as large as its longer side.
#[must_use]
pub fn around(face: &Rect, scale: f32) -> Rect {
    let side = scale * face.width.max(face.height);
    let centre = face.centre();
    Rect {
        x: centre.x - side / 2.0,
        y: centre.y - side / 2.0,
        width: side,
        height: side,
    }
}

/// Roughly where the head and body of a face move in a picture of this height: down to the lower edge.
fn body(face: &Rect, height: u32) -> Rect {
    let head = around(face, BODY_SCALE);
    Rect {
        height: (height as f32 - head.y).max(head.height),
        ..head
    }
}

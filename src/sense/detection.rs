//! Where a face is, as a detector found it.

use super::geometry::{Point, Rect};

/// The four points that every supported detector marks. "Right" is the person's own right, which is on the
/// left of an unmirrored picture.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Landmarks {
    /// Centre of the right eye.
    pub right_eye: Point,
    /// Centre of the left eye.
    pub left_eye: Point,
    /// Tip of the nose.
    pub nose: Point,
    /// Centre of the mouth.
    pub mouth: Point,
}

impl Landmarks {
    /// Right eye, left eye, nose and mouth.
    #[must_use]
    pub fn points(&self) -> [Point; 4] {
        [self.right_eye, self.left_eye, self.nose, self.mouth]
    }

    /// Landmarks with `f` applied to each point.
    #[must_use]
    pub fn map(&self, mut f: impl FnMut(Point) -> Point) -> Self {
        Self {
            right_eye: f(self.right_eye),
            left_eye: f(self.left_eye),
            nose: f(self.nose),
            mouth: f(self.mouth),
        }
    }
}

/// Boxes with at least this intersection over union show the same face.
const SAME_FACE_IOU: f32 = 0.3;

/// One face as a detector found it.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Detection {
    /// The detector's box. Boxes of different detectors differ, so crops never depend on it.
    pub rect: Rect,
    /// The detector's score, 0 to 1.
    pub score: f32,
    /// Eyes, nose and mouth.
    pub landmarks: Landmarks,
}

impl Detection {
    /// Whether both detections are of the same face.
    #[must_use]
    pub fn is_same_face(&self, other: &Self) -> bool {
        self.rect.iou(&other.rect) >= SAME_FACE_IOU
    }

    /// Box and landmarks at the fraction `t` of the way to those of `other`; keeps the score.
    #[must_use]
    pub fn lerp(&self, other: &Self, t: f32) -> Self {
        let to = &other.landmarks;
        let from = &self.landmarks;
        Self {
            rect: self.rect.lerp(&other.rect, t),
            score: self.score,
            landmarks: Landmarks {
                right_eye: from.right_eye.lerp(to.right_eye, t),
                left_eye: from.left_eye.lerp(to.left_eye, t),
                nose: from.nose.lerp(to.nose, t),
                mouth: from.mouth.lerp(to.mouth, t),
            },
        }
    }
}

//! Aligns faces: computes a square from the landmarks alone, so the boxes, which differ between detectors,
//! cannot move it.

use super::{detection::Landmarks, geometry::Point};

/// Where right eye, left eye, nose and mouth lie in the canonical square, as fractions of its side: the
/// medians of what a detector found on the faces of FER2013, made symmetric. The margin in a model's manifest
/// accounts for training faces that are cropped wider or tighter.
pub const TEMPLATE: [Point; 4] = [
    Point { x: 0.31, y: 0.40 },
    Point { x: 0.69, y: 0.40 },
    Point { x: 0.50, y: 0.605 },
    Point { x: 0.50, y: 0.765 },
];

/// The square around a face, rotated in the plane of the picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AlignedCrop {
    /// Its centre, in pixels of the picture.
    pub centre: Point,
    /// Its side, in pixels of the picture.
    pub side: f32,
    /// Unit vector along its upper edge, from left to right.
    pub right: Point,
    /// How badly the landmarks fit [`TEMPLATE`]: root mean square distance as a fraction of the side.
    pub residual: f32,
}

impl AlignedCrop {
    /// The canonical square of a face: the similarity transform (scale, rotation, translation, no reflection)
    /// that maps [`TEMPLATE`] to the landmarks with the least sum of squared distances. In the plane it has a
    /// closed form; S. Umeyama, "Least-squares estimation of transformation parameters between two point
    /// patterns", IEEE PAMI 13(4), 1991.
    ///
    /// `None` if the landmarks are not finite or lie closer together than those of a face two pixels wide.
    #[must_use]
    pub fn fit(landmarks: &Landmarks) -> Option<Self> {
        let points = landmarks.points();
        let (from, to) = (mean(&TEMPLATE), mean(&points));
        let (mut dot, mut cross, mut norm, mut spread) = (0.0, 0.0, 0.0, 0.0);
        for (template, point) in TEMPLATE.iter().zip(&points) {
            let a = minus(*template, from);
            let b = minus(*point, to);
            dot += a.x * b.x + a.y * b.y;
            cross += a.x * b.y - a.y * b.x;
            norm += a.x * a.x + a.y * a.y;
            spread += b.x * b.x + b.y * b.y;
        }
        let side = dot.hypot(cross) / norm;
        if !(side >= 2.0 && side.is_finite() && to.x.is_finite() && to.y.is_finite()) {
            return None;
        }
        let right = Point {
            x: dot / norm / side,
            y: cross / norm / side,
        };
        let middle = minus(Point { x: 0.5, y: 0.5 }, from);
        // The mean squared residual of the best similarity transform, by Pythagoras.
        let left = (spread - side * side * norm).max(0.0) / points.len() as f32;
        Some(Self {
            centre: Point {
                x: to.x + side * (right.x * middle.x - right.y * middle.y),
                y: to.y + side * (right.y * middle.x + right.x * middle.y),
            },
            side,
            right,
            residual: left.sqrt() / side,
        })
    }
}

fn mean(points: &[Point; 4]) -> Point {
    let sum = points.iter().fold(Point::default(), |sum, point| Point {
        x: sum.x + point.x,
        y: sum.y + point.y,
    });
    Point {
        x: sum.x / 4.0,
        y: sum.y / 4.0,
    }
}

fn minus(a: Point, b: Point) -> Point {
    Point {
        x: a.x - b.x,
        y: a.y - b.y,
    }
}

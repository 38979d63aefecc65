//! Estimates how far a face is from the camera.

use super::{attention::HeadPose, detection::Landmarks};

/// Distance between the centres of the eyes of an adult, in metres: the mean of N. A. Dodgson, "Variation and
/// extrema of human interpupillary distance", Proc. SPIE 5291, 2004. Most adults have 0.055 to 0.07, so the
/// estimate is up to 15 % too far or 10 % too near; children are closer than estimated.
const EYES_M: f32 = 0.063;

/// A lens, described by its field of view.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Lens {
    /// Horizontal field of view of the camera, in degrees.
    pub fov_deg: f32,
    /// Whether the picture was rotated by a quarter turn, so its height is the camera's width.
    pub is_turned: bool,
}

impl Lens {
    /// The distance of a face in metres, in a picture of `size` pixels; `None` if the eyes coincide.
    ///
    /// For a lens without distortion and eyes that are `d` pixels apart, seen from the front, it is
    /// `EYES_M * f / d`, where the focal length in pixels is `f = width / 2 / tan(fov / 2)`. The eyes of a
    /// turned head appear closer together by the cosine of its yaw.
    #[must_use]
    pub fn distance(&self, size: (u32, u32), landmarks: &Landmarks, pose: Option<HeadPose>) -> Option<f32> {
        let width = if self.is_turned { size.1 } else { size.0 } as f32;
        let focal = width / 2.0 / (self.fov_deg / 2.0).to_radians().tan();
        let (right, left) = (landmarks.right_eye, landmarks.left_eye);
        let seen = (left.x - right.x).hypot(left.y - right.y);
        let turned = pose.map_or(1.0, |pose| pose.yaw_deg.to_radians().cos());
        let distance = EYES_M * focal * turned / seen;
        (seen > 0.0 && distance.is_finite()).then_some(distance)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::sense::geometry::Point;

    fn eyes(apart: f32) -> Landmarks {
        Landmarks {
            left_eye: Point { x: apart, y: 0.0 },
            ..Landmarks::default()
        }
    }

    #[test]
    fn the_distance_follows_the_field_of_view() {
        // With 90 degrees the picture is as wide as twice the distance.
        let lens = Lens {
            fov_deg: 90.0,
            is_turned: false,
        };
        let near = lens.distance((640, 480), &eyes(640.0), None).unwrap();
        assert!((near - EYES_M / 2.0).abs() < 1e-6, "{near}");
        let far = lens.distance((640, 480), &eyes(16.0), None).unwrap();
        assert!((far / near - 40.0).abs() < 1e-3, "{far}");
        let upright = Lens {
            is_turned: true,
            ..lens
        };
        let same = upright.distance((480, 640), &eyes(16.0), None).unwrap();
        assert!((same - far).abs() < 1e-6, "{same}");
    }

    #[test]
    fn a_turned_head_is_not_farther_away() {
        let lens = Lens {
            fov_deg: 65.0,
            is_turned: false,
        };
        let pose = HeadPose {
            yaw_deg: 60.0,
            pitch_deg: 0.0,
        };
        let frontal = lens.distance((640, 480), &eyes(40.0), None).unwrap();
        let turned = lens.distance((640, 480), &eyes(20.0), Some(pose)).unwrap();
        assert!((frontal - turned).abs() < 1e-4, "{frontal} {turned}");
    }

    #[test]
    fn eyes_in_one_place_have_no_distance() {
        let lens = Lens {
            fov_deg: 65.0,
            is_turned: false,
        };
        assert_eq!(lens.distance((640, 480), &eyes(0.0), None), None);
    }
}

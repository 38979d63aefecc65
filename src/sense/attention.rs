//! Estimates which way a head is turned, and from that whether a face looks towards the camera.
//!
//! # The estimate
//! The eyes, nose and mouth of a generic head are seen under weak perspective: the head is small compared
//! with its distance from the camera. Let `u` be the vector from the right to the left eye in the picture,
//! `v` the vector from the midpoint between the eyes to the mouth, and `a u + b v` the vector from that
//! midpoint to the tip of the nose. `a` and `b` do not depend on the head's position, size and roll. For a
//! head whose mouth is `m` below and `zm` in front of its eyes, and whose nose is `n` below and `zn` in front
//! of them, in distances between the eyes,
//!
//! ```text
//! k     = zn - b zm
//! yaw   = atan(a / k)
//! pitch = atan((n - b m) cos(yaw) / k)
//! ```
//!
//! solves the projection exactly. Angles are relative to the line of sight from the camera to the face, so a
//! face at the picture's edge that looks into the lens has angles of 0.
//!
//! It remains an estimate of the direction of the head, not of the eyes. Real heads differ from the generic
//! one, which shifts the pitch of a person by up to about 10 degrees. On the two portraits of
//! tests/data/heads, turned by up to 30 degrees, BlazeFace's landmarks give a yaw that is off by 2.4 degrees
//! on average (at most 8) and a pitch that is off by 3.0 (at most 9), relative to the photograph's own pose.
//! Beyond 30 degrees the detectors guess what they do not see: 45 and 60 degrees look like 30 to 40.
//! CenterFace is as good in yaw (2.8, at most 6) but hardly notices a raised head: its pitch is off by up to
//! 25 degrees. Almost all landmarks of tracked faces are BlazeFace's.

use std::time::Duration;

use super::{detection::Landmarks, geometry::Point};
use crate::config;

/// A generic head, in distances between the eyes, relative to the midpoint between them.
struct Head {
    /// How far the tip of the nose is below the eyes.
    nose_below: f32,
    /// How far the tip of the nose is in front of the eyes.
    nose_ahead: f32,
    /// How far the mouth is below the eyes.
    mouth_below: f32,
    /// How far the mouth is in front of the eyes.
    mouth_ahead: f32,
}

const HEAD: Head = Head {
    nose_below: 0.54,
    nose_ahead: 0.50,
    mouth_below: 0.96,
    mouth_ahead: 0.15,
};

/// The direction of a head, relative to the line of sight.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HeadPose {
    /// Degrees from looking into the camera, positive towards the picture's right.
    pub yaw_deg: f32,
    /// Degrees from looking into the camera, positive upwards.
    pub pitch_deg: f32,
}

impl HeadPose {
    /// Estimates the pose from a face's landmarks.
    ///
    /// `None` if the landmarks cannot be those of a head turned by less than 90 degrees: if eyes and mouth
    /// lie in a line, or the tip of the nose is too far outside them.
    #[must_use]
    pub fn estimate(landmarks: &Landmarks) -> Option<Self> {
        let origin = landmarks.right_eye.midpoint(landmarks.left_eye);
        let from = |a: Point, b: Point| Point {
            x: b.x - a.x,
            y: b.y - a.y,
        };
        let cross = |a: Point, b: Point| a.x * b.y - a.y * b.x;
        let u = from(landmarks.right_eye, landmarks.left_eye);
        let v = from(origin, landmarks.mouth);
        let nose = from(origin, landmarks.nose);
        let area = cross(u, v);
        let (a, b) = (cross(nose, v) / area, cross(u, nose) / area);
        let depth = HEAD.nose_ahead - b * HEAD.mouth_ahead;
        // Written so that NaN fails. The area is positive unless eyes and mouth are mirrored or in a line.
        if !(area > 0.0 && depth > 0.0 && depth.is_finite() && a.is_finite()) {
            return None;
        }
        let yaw = (a / depth).atan();
        let pitch = ((HEAD.nose_below - b * HEAD.mouth_below) * yaw.cos() / depth).atan();
        Some(Self {
            yaw_deg: yaw.to_degrees(),
            pitch_deg: pitch.to_degrees(),
        })
    }
}

/// Whether one face looks towards the camera, with hysteresis in time.
#[derive(Debug, Clone, Copy)]
pub struct Attention {
    settings: config::Attention,
    attending: bool,
    /// Since when the poses have contradicted `attending`.
    contradicted: Option<Duration>,
}

impl Attention {
    /// A face that has not been seen yet is not attending.
    #[must_use]
    pub fn new(settings: &config::Attention) -> Self {
        Self {
            settings: *settings,
            attending: false,
            contradicted: None,
        }
    }

    /// Adds the pose of a frame that was captured at `now`, and returns whether the face is attending: from
    /// when its poses have been within both limits for `hold_s` until they have been outside them for as
    /// long. A missing pose counts as outside.
    pub fn update(&mut self, now: Duration, pose: Option<HeadPose>) -> bool {
        let within = pose.is_some_and(|pose| {
            pose.yaw_deg.abs() <= self.settings.yaw_deg && pose.pitch_deg.abs() <= self.settings.pitch_deg
        });
        if within == self.attending {
            self.contradicted = None;
            return self.attending;
        }
        let since = *self.contradicted.get_or_insert(now);
        if now.saturating_sub(since) >= self.settings.hold {
            self.attending = within;
            self.contradicted = None;
        }
        self.attending
    }

    /// The result of the last update.
    #[must_use]
    pub fn is_attending(&self) -> bool {
        self.attending
    }
}

#[cfg(test)]
#[path = "attention_tests.rs"]
mod tests;

//! Poses of projected heads of known angles, and hysteresis.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;

const SETTINGS: config::Attention = config::Attention {
    yaw_deg: 25.0,
    pitch_deg: 20.0,
    hold: Duration::from_millis(500),
};

/// A head in space: right eye, left eye, nose and mouth, in any unit. The axes point to the right, downwards
/// and towards the camera.
type Solid = [[f32; 3]; 4];

/// The points of [`HEAD`].
fn generic() -> Solid {
    [
        [-0.5, 0.0, 0.0],
        [0.5, 0.0, 0.0],
        [0.0, HEAD.nose_below, HEAD.nose_ahead],
        [0.0, HEAD.mouth_below, HEAD.mouth_ahead],
    ]
}

/// The pose of a head in front of a camera, turned first by yaw, then by pitch, then by roll, all in degrees.
#[derive(Debug, Clone, Copy)]
struct Pose {
    yaw: f32,
    pitch: f32,
    roll: f32,
    /// In distances between the eyes; `f32::INFINITY` for weak perspective.
    distance: f32,
}

fn project(head: Solid, pose: Pose) -> Landmarks {
    let eyes = head[1][0] - head[0][0];
    let point = |[x, y, z]: [f32; 3]| {
        let (sin, cos) = pose.yaw.to_radians().sin_cos();
        let (x, z) = (x * cos + z * sin, z * cos - x * sin);
        let (sin, cos) = pose.pitch.to_radians().sin_cos();
        let (y, z) = (y * cos - z * sin, z * cos + y * sin);
        let (sin, cos) = pose.roll.to_radians().sin_cos();
        let (x, y) = (x * cos - y * sin, y * cos + x * sin);
        let scale = 60.0 / eyes / (1.0 - z / eyes / pose.distance);
        Point {
            x: 320.0 + scale * x,
            y: 200.0 + scale * y,
        }
    };
    Landmarks {
        right_eye: point(head[0]),
        left_eye: point(head[1]),
        nose: point(head[2]),
        mouth: point(head[3]),
    }
}

proptest! {
    #[test]
    fn the_generic_head_s_pose_is_found_exactly(
        yaw in -75.0_f32..75.0, pitch in -50.0_f32..50.0, roll in -180.0_f32..180.0,
    ) {
        let pose = Pose { yaw, pitch, roll, distance: f32::INFINITY };
        let found = HeadPose::estimate(&project(generic(), pose)).unwrap();
        prop_assert!((found.yaw_deg - yaw).abs() < 0.1, "{found:?}");
        prop_assert!((found.pitch_deg - pitch).abs() < 0.1, "{found:?}");
    }

    #[test]
    fn any_landmarks_give_finite_angles_or_none(places in prop::array::uniform8(prop::num::f32::ANY)) {
        let [a, b, c, d, e, f, g, h] = places;
        let at = |x, y| Point { x, y };
        let landmarks = Landmarks {
            right_eye: at(a, b), left_eye: at(c, d), nose: at(e, f), mouth: at(g, h),
        };
        if let Some(pose) = HeadPose::estimate(&landmarks) {
            prop_assert!(pose.yaw_deg.abs() <= 90.0 && pose.pitch_deg.abs() <= 90.0, "{pose:?}");
        }
    }
}

/// The head of the OpenCV sample for head pose (in its own unit), whose proportions are not those of
/// [`HEAD`], seen in full perspective from a distance of 0.6 m.
#[test]
fn another_head_in_perspective_is_found_within_tolerance() {
    let other: Solid = [
        [-157.0, -170.0, -115.0],
        [157.0, -170.0, -115.0],
        [0.0, 0.0, 45.0],
        [0.0, 150.0, -75.0],
    ];
    let middle = [0.0, -170.0, -115.0];
    let head = other.map(|point| [0, 1, 2].map(|axis| point[axis] - middle[axis]));
    let (mut yaw_error, mut pitch_error) = (0.0_f32, 0.0_f32);
    for yaw in [-40.0, -20.0, 0.0, 20.0, 40.0] {
        for pitch in [-20.0, 0.0, 20.0] {
            let pose = Pose {
                yaw,
                pitch,
                roll: 10.0,
                distance: 10.0,
            };
            let found = HeadPose::estimate(&project(head, pose)).unwrap();
            yaw_error = yaw_error.max((found.yaw_deg - yaw).abs());
            pitch_error = pitch_error.max((found.pitch_deg - pitch).abs());
        }
    }
    assert!(yaw_error < 8.0 && pitch_error < 8.0, "{yaw_error} {pitch_error}");
}

#[test]
fn signs_follow_the_picture() {
    let of = |yaw, pitch| {
        let pose = Pose {
            yaw,
            pitch,
            roll: 0.0,
            distance: f32::INFINITY,
        };
        let landmarks = project(generic(), pose);
        let middle = landmarks.right_eye.midpoint(landmarks.left_eye);
        (
            landmarks.nose.x - middle.x,
            landmarks.nose.y - middle.y,
            HeadPose::estimate(&landmarks).unwrap(),
        )
    };
    let (across, _, pose) = of(30.0, 0.0);
    assert!(
        across > 0.0 && pose.yaw_deg > 0.0,
        "the nose points to the picture's right"
    );
    let (_, up, raised) = of(0.0, 20.0);
    let (_, down, lowered) = of(0.0, -20.0);
    assert!(up < down && raised.pitch_deg > 0.0 && lowered.pitch_deg < 0.0);
}

#[test]
fn invalid_landmarks_have_no_pose() {
    assert_eq!(HeadPose::estimate(&Landmarks::default()), None);
    let pose = Pose {
        yaw: 0.0,
        pitch: 0.0,
        roll: 0.0,
        distance: f32::INFINITY,
    };
    let face = project(generic(), pose);
    let mirrored = Landmarks {
        right_eye: face.left_eye,
        left_eye: face.right_eye,
        ..face
    };
    assert_eq!(HeadPose::estimate(&mirrored), None);
}

fn at(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

const TOWARDS: Option<HeadPose> = Some(HeadPose {
    yaw_deg: 5.0,
    pitch_deg: -8.0,
});
const ASIDE: Option<HeadPose> = Some(HeadPose {
    yaw_deg: 40.0,
    pitch_deg: 0.0,
});

#[test]
fn attention_begins_and_ends_after_the_hold_time_at_any_rate() {
    for step in [20, 50, 100, 250] {
        let mut attention = Attention::new(&SETTINGS);
        let mut changes = Vec::new();
        for now in (0..4000).step_by(step) {
            let pose = if now < 2000 { TOWARDS } else { ASIDE };
            let before = attention.is_attending();
            if attention.update(at(now as u64), pose) != before {
                changes.push(now);
            }
        }
        assert_eq!(changes.len(), 2, "every {step} ms: {changes:?}");
        assert!((500..500 + step).contains(&changes[0]) && (2500..2500 + step).contains(&changes[1]));
    }
}

#[test]
fn a_glance_neither_begins_nor_ends_attention() {
    let mut attention = Attention::new(&SETTINGS);
    let glance = |now: u64| (now / 400) % 3 == 1;
    for now in (0..6000).step_by(50) {
        assert!(!attention.update(at(now), if glance(now) { TOWARDS } else { ASIDE }));
    }
    let mut attention = Attention::new(&SETTINGS);
    attention.update(at(0), TOWARDS);
    assert!(attention.update(at(500), TOWARDS));
    for now in (600..6600).step_by(50) {
        assert!(attention.update(at(now), if glance(now) { ASIDE } else { TOWARDS }));
    }
}

#[test]
fn either_angle_alone_and_a_missing_pose_end_attention() {
    for outside in [
        ASIDE,
        None,
        Some(HeadPose {
            yaw_deg: 0.0,
            pitch_deg: 20.5,
        }),
        Some(HeadPose {
            yaw_deg: -25.5,
            pitch_deg: 0.0,
        }),
    ] {
        let mut attention = Attention::new(&SETTINGS);
        attention.update(at(0), TOWARDS);
        assert!(attention.update(at(500), TOWARDS));
        attention.update(at(1000), outside);
        assert!(!attention.update(at(1500), outside), "{outside:?}");
    }
}

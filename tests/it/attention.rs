//! Head poses estimated from the landmarks of the shipped detectors, for heads rotated by known angles.

use std::path::Path;

use affectd::{
    capture::read_picture,
    model::Registry,
    picture::Picture,
    sense::{
        attention::HeadPose,
        detect::{Detections, Detector},
        engine::NetworkDetector,
        geometry::Rect,
    },
};

/// Side of one picture in tests/data/heads, in pixels.
const TILE: f32 = 256.0;
/// Yaw and pitch in degrees relative to the photograph's pose; the sixth is the photograph itself.
const ANGLES: [(f32, f32); 15] = [
    (-60.0, 0.0),
    (-45.0, 0.0),
    (-30.0, 0.0),
    (-20.0, 0.0),
    (-10.0, 0.0),
    (0.0, 0.0),
    (10.0, 0.0),
    (20.0, 0.0),
    (30.0, 0.0),
    (45.0, 0.0),
    (60.0, 0.0),
    (0.0, -25.0),
    (0.0, -12.0),
    (0.0, 12.0),
    (0.0, 25.0),
];
const OWN: usize = 5;

fn poses(detector: &str, portrait: &str) -> [HeadPose; 15] {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let registry = Registry::open(&root.join("models")).unwrap();
    let mut detector = NetworkDetector::open(&registry.find(detector).unwrap(), 0.4).unwrap();
    let mut picture = Picture::default();
    read_picture(&root.join("tests/data/heads").join(portrait), &mut picture).unwrap();
    let mut tile = 0.0;
    ANGLES.map(|angles| {
        let region = Rect {
            x: tile * TILE,
            y: 0.0,
            width: TILE,
            height: TILE,
        };
        tile += 1.0;
        let mut found = Detections::new();
        detector.detect(&picture, &region, &mut found).unwrap();
        let face = found
            .first()
            .unwrap_or_else(|| panic!("no face in {portrait} at {angles:?}"));
        HeadPose::estimate(&face.landmarks).unwrap()
    })
}

#[test]
fn heads_turned_by_known_angles_are_estimated_within_tolerance() {
    for detector in ["blazeface", "centerface"] {
        let (mut yaw_errors, mut pitch_errors) = (Vec::new(), Vec::new());
        for portrait in ["astronaut.jpg", "grace_hopper.jpg"] {
            let poses = poses(detector, portrait);
            let own = poses[OWN];
            assert!(
                own.yaw_deg.abs() < 8.0 && own.pitch_deg.abs() < 20.0,
                "{portrait}: {own:?}"
            );
            for ((yaw, pitch), pose) in ANGLES.into_iter().zip(poses) {
                println!(
                    "{detector} {portrait} {yaw} {pitch}: {:.1} {:.1}",
                    pose.yaw_deg, pose.pitch_deg
                );
                if yaw.abs() <= 30.0 {
                    yaw_errors.push((pose.yaw_deg - own.yaw_deg - yaw).abs());
                    pitch_errors.push((pose.pitch_deg - own.pitch_deg - pitch).abs());
                } else {
                    // An eye hidden behind the nose is guessed: the yaw is underestimated, but has the right
                    // sign and exceeds the limit.
                    assert!(
                        pose.yaw_deg * yaw.signum() > 20.0,
                        "{portrait} at {yaw}: {pose:?}"
                    );
                }
            }
        }
        let mean = |errors: &[f32]| errors.iter().sum::<f32>() / errors.len() as f32;
        let most = |errors: &[f32]| errors.iter().copied().fold(0.0, f32::max);
        println!(
            "{detector}: yaw off by {:.1} degrees (at most {:.1}), pitch by {:.1} (at most {:.1})",
            mean(&yaw_errors),
            most(&yaw_errors),
            mean(&pitch_errors),
            most(&pitch_errors)
        );
        assert!(
            mean(&yaw_errors) < 5.0 && most(&yaw_errors) < 12.0,
            "{detector}: {yaw_errors:?}"
        );
        // CenterFace's landmarks hardly change when the head is raised.
        assert!(
            detector == "centerface" || mean(&pitch_errors) < 6.0 && most(&pitch_errors) < 13.0,
            "{detector}: {pitch_errors:?}"
        );
    }
}

//! The quality of a crop.

use super::*;

#[test]
fn a_whole_picture_has_the_quality_of_its_size_and_detail() {
    let mut numbers = vec![0.0; SIDE * SIDE];
    let mut quality = |side: u32, wavelength: f32| {
        let scale = std::f32::consts::TAU / (wavelength * side as f32);
        let stripes = picture(side, side, |x, _| [0.5 + 0.4 * (scale * x).sin(); 3]);
        grey().whole(&stripes, &mut numbers)
    };
    let side = SIDE as u32;
    let sharp = quality(side, 0.15);
    assert_eq!((sharp.side_px, sharp.size), (SIDE as f32, 1.0));
    assert_eq!((sharp.frontal, sharp.presence), (1.0, 1.0));
    assert!((sharp.light - 0.5).abs() < 0.02, "{sharp:?}");
    assert_eq!(quality(side / 2, 0.15).size, 0.5);
    assert!(quality(side, 1.5).sharpness < 0.5 * sharp.sharpness);
}

/// A picture of unblurred stripes, `wavelength` of the square's side apart.
fn stripes(pose: Pose, wavelength: f32) -> Picture {
    picture(320, 240, |x, y| {
        let at = pose.find(x, y);
        let wave = |t: f32| (t / wavelength * std::f32::consts::TAU).sin();
        [0.5 + 0.2 * wave(at.x) + 0.2 * wave(at.y); 3]
    })
}

#[test]
fn quality_falls_with_blur_size_and_the_picture_s_edge() {
    let near = pose(160.0, 120.0, 100.0, 0.1);
    let quality = |pose: Pose, wavelength| crop(&mut grey(), &stripes(pose, wavelength), &pose.landmarks()).1;
    let best = quality(near, 0.2);
    assert!(best > 0.95, "{best}");
    let few = quality(near, 0.4);
    assert!(few > 0.2 && few < 0.8, "{few}: few details");
    assert!(quality(near, 1.5) < 0.1, "blurred");
    assert!(quality(pose(160.0, 120.0, 12.0, 0.1), 0.2) < 0.6 * best, "small");
    let cut = quality(pose(10.0, 120.0, 100.0, 0.0), 0.2);
    assert!(
        cut > 0.3 * best && cut < 0.75 * best,
        "{cut}: two fifths lie outside"
    );
}

#[test]
fn quality_is_blind_to_light() {
    let pose = pose(160.0, 120.0, 100.0, 0.0);
    let bright = stripes(pose, 0.4);
    let mut dim = bright.clone();
    let darker: Vec<u8> = bright.rgb().iter().map(|value| value / 3).collect();
    dim.reset(320, 240).copy_from_slice(&darker);
    let (_, in_light) = crop(&mut grey(), &bright, &pose.landmarks());
    let (_, in_shade) = crop(&mut grey(), &dim, &pose.landmarks());
    assert!((in_light - in_shade).abs() < 0.03, "{in_light} {in_shade}");
    let flat = picture(320, 240, |_, _| [0.5; 3]);
    assert_eq!(crop(&mut grey(), &flat, &pose.landmarks()).1, 0.0);
}

#[test]
fn quality_falls_as_the_head_turns() {
    // Eyes, nose and mouth of a head, in distances between the eyes; the nose and the mouth are in front of
    // the eyes.
    let head = [
        (-0.5, 0.0, 0.0),
        (0.5, 0.0, 0.0),
        (0.0, 0.53, 0.5),
        (0.0, 1.0, 0.2),
    ];
    let turned = |yaw: f32| {
        marks(head.map(|(x, y, z): (f32, f32, f32)| Point {
            x: 160.0 + 50.0 * (x * yaw.cos() + z * yaw.sin()),
            y: 100.0 + 50.0 * y,
        }))
    };
    let pattern = stripes(pose(160.0, 120.0, 130.0, 0.0), 0.2);
    let qualities: Vec<f32> = [0.0_f32, 20.0, 40.0, 60.0, 80.0]
        .iter()
        .map(|yaw| crop(&mut grey(), &pattern, &turned(yaw.to_radians())).1)
        .collect();
    assert!(qualities[0] > 0.9, "{qualities:?}");
    assert!(
        qualities.windows(2).all(|pair| pair[1] <= pair[0]),
        "{qualities:?}"
    );
    assert!(qualities[2] < 0.8 && qualities[4] < 0.1, "{qualities:?}");
}

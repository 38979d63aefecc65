//! Where a crop lies and what it shows.
#![allow(clippy::unwrap_used)]

#[path = "crop_quality_tests.rs"]
mod quality;

use proptest::prelude::*;

use super::*;
use crate::{
    model::{Colour, Layout},
    sense::{alignment::TEMPLATE, detection::Landmarks},
};

const SIDE: usize = 24;

const PLAIN: Crop = Crop {
    margin: 0.0,
    align: Align::Roll,
    mirror: false,
};

fn input(colour: Colour, layout: Layout) -> Input {
    Input {
        width: SIDE,
        height: SIDE,
        layout,
        colour,
        mean: vec![0.0; colour.channels()],
        std: vec![1.0; colour.channels()],
    }
}

fn cropper(colour: Colour, layout: Layout) -> Cropper {
    Cropper::new(&input(colour, layout), PLAIN)
}

fn grey() -> Cropper {
    cropper(Colour::Gray, Layout::Nchw)
}

/// A picture whose pixel with its centre at (x, y) is `colour(x, y)`, each channel 0 to 1.
fn picture(width: u32, height: u32, colour: impl Fn(f32, f32) -> [f32; 3]) -> Picture {
    let mut picture = Picture::default();
    let pixels = picture.reset(width, height).chunks_exact_mut(3);
    for (index, pixel) in pixels.enumerate() {
        let (x, y) = (index as u32 % width, index as u32 / width);
        let channels = colour(x as f32 + 0.5, y as f32 + 0.5);
        pixel.copy_from_slice(&channels.map(|channel| (channel * 255.0).round().clamp(0.0, 255.0) as u8));
    }
    picture
}

/// A canonical square placed in a picture.
#[derive(Debug, Clone, Copy)]
struct Pose {
    centre: Point,
    side: f32,
    roll: f32,
}

impl Pose {
    /// From fractions of the square to pixels of the picture.
    fn place(&self, at: Point) -> Point {
        let (sin, cos) = self.roll.sin_cos();
        let (x, y) = ((at.x - 0.5) * self.side, (at.y - 0.5) * self.side);
        Point {
            x: self.centre.x + cos * x - sin * y,
            y: self.centre.y + sin * x + cos * y,
        }
    }

    /// From pixels of the picture to fractions of the square.
    fn find(&self, x: f32, y: f32) -> Point {
        let (sin, cos) = self.roll.sin_cos();
        let (x, y) = (x - self.centre.x, y - self.centre.y);
        Point {
            x: (cos * x + sin * y) / self.side + 0.5,
            y: (cos * y - sin * x) / self.side + 0.5,
        }
    }

    fn landmarks(&self) -> Landmarks {
        marks(TEMPLATE.map(|at| self.place(at)))
    }
}

fn marks([right_eye, left_eye, nose, mouth]: [Point; 4]) -> Landmarks {
    Landmarks {
        right_eye,
        left_eye,
        nose,
        mouth,
    }
}

fn pose(x: f32, y: f32, side: f32, roll: f32) -> Pose {
    Pose {
        centre: Point { x, y },
        side,
        roll,
    }
}

/// A smooth pattern over the canonical square, different in every part of it.
fn pattern(at: Point) -> [f32; 3] {
    let wave = |a: f32, b: f32| 0.5 + 0.4 * (a * at.x + b * at.y).sin();
    [wave(5.0, 2.0), wave(-3.0, 6.0), wave(4.0, -5.0)]
}

fn crop(cropper: &mut Cropper, picture: &Picture, landmarks: &Landmarks) -> (Vec<f32>, f32) {
    let mut numbers = vec![f32::NAN; cropper.input.elements()];
    let square = AlignedCrop::fit(landmarks).unwrap();
    let quality = cropper.face(picture, &square, &mut numbers).value();
    (numbers, quality)
}

fn largest_difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter()
        .zip(b)
        .fold(0.0, |largest, (a, b)| largest.max((a - b).abs()))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn the_square_follows_shift_scale_and_rotation(
        x in -50.0_f32..700.0, y in -50.0_f32..500.0, side in 10.0_f32..400.0, roll in -3.1_f32..3.1,
    ) {
        let pose = pose(x, y, side, roll);
        let square = AlignedCrop::fit(&pose.landmarks()).unwrap();
        prop_assert!((square.side - side).abs() < 1e-3 * side);
        prop_assert!((square.centre.x - x).hypot(square.centre.y - y) < 2e-3 * side + 1e-3);
        prop_assert!((square.right.x - roll.cos()).hypot(square.right.y - roll.sin()) < 1e-3);
        prop_assert!(square.residual < 2e-3);
    }

    /// Detectors disagree a little about landmarks; their boxes, which differ much more, are not used.
    #[test]
    fn landmarks_that_differ_a_little_give_squares_that_differ_a_little(
        side in 40.0_f32..300.0, roll in -0.6_f32..0.6,
        noise in prop::array::uniform8(-0.03_f32..0.03),
    ) {
        let pose = pose(320.0, 240.0, side, roll);
        let exact = AlignedCrop::fit(&pose.landmarks()).unwrap();
        let mut index = 0;
        let moved = TEMPLATE.map(|at| {
            index += 2;
            pose.place(Point { x: at.x + noise[index - 2], y: at.y + noise[index - 1] })
        });
        let noisy = AlignedCrop::fit(&marks(moved)).unwrap();
        prop_assert!((noisy.side / exact.side - 1.0).abs() < 0.15);
        prop_assert!((noisy.centre.x - exact.centre.x).hypot(noisy.centre.y - exact.centre.y) < 0.05 * side);
        prop_assert!(noisy.residual < 0.045);
    }

    #[test]
    fn the_crop_is_independent_of_the_face_s_pose(
        x in 150.0_f32..170.0, y in 110.0_f32..130.0, side in 20.0_f32..140.0, roll in -3.1_f32..3.1,
    ) {
        let pose = pose(x, y, side, roll);
        let picture = picture(320, 240, |x, y| pattern(pose.find(x, y)));
        let (found, _) = crop(&mut cropper(Colour::Rgb, Layout::Nhwc), &picture, &pose.landmarks());
        let expected: Vec<f32> = (0..SIDE * SIDE)
            .flat_map(|index| {
                let at = |k: usize| (k as f32 + 0.5) / SIDE as f32;
                pattern(Point { x: at(index % SIDE), y: at(index / SIDE) })
            })
            .collect();
        let difference = largest_difference(&found, &expected);
        prop_assert!(difference < 0.03, "{difference}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn any_input_gives_crop_numbers_in_range(
        places in prop::array::uniform8(prop::num::f32::ANY), scale in -3_i32..9,
        width in 0_u32..5, height in 0_u32..5,
    ) {
        // Arbitrary numbers, and numbers of one magnitude.
        let tamed = places.map(|place| place.clamp(-1e30, 1e30) % 1.0 * 10.0_f32.powi(scale));
        for [a, b, c, d, e, f, g, h] in [places, tamed] {
            let at = |x, y| Point { x, y };
            let landmarks = marks([at(a, b), at(c, d), at(e, f), at(g, h)]);
            if let Some(square) = AlignedCrop::fit(&landmarks) {
                let mut numbers = vec![f32::NAN; SIDE * SIDE];
                let quality = grey()
                    .face(&picture(width, height, |_, _| [0.5; 3]), &square, &mut numbers)
                    .value();
                prop_assert!((0.0..=1.0).contains(&quality));
                prop_assert!(numbers.iter().all(|number| (0.0..=0.51).contains(number)));
            }
        }
    }
}

#[test]
fn bad_landmarks_give_no_crop() {
    let face = pose(50.0, 50.0, 40.0, 0.2).landmarks();
    assert!(AlignedCrop::fit(&face).is_some());
    assert!(AlignedCrop::fit(&marks([face.nose; 4])).is_none());
    assert!(AlignedCrop::fit(&pose(50.0, 50.0, 1.0, 0.0).landmarks()).is_none());
    for bad in [f32::NAN, f32::INFINITY, f32::MAX] {
        let mut broken = face;
        broken.mouth.y = bad;
        assert!(AlignedCrop::fit(&broken).is_none(), "{bad}");
    }
}

#[test]
fn a_whole_picture_of_the_inputs_size_is_copied() {
    let picture = picture(SIDE as u32, SIDE as u32, |x, y| {
        pattern(Point {
            x: x / 9.0,
            y: y / 7.0,
        })
    });
    let mut numbers = vec![0.0; 3 * SIDE * SIDE];
    cropper(Colour::Rgb, Layout::Nhwc).whole(&picture, &mut numbers);
    let expected: Vec<f32> = picture
        .rgb()
        .iter()
        .map(|value| f32::from(*value) / 255.0)
        .collect();
    assert!(largest_difference(&numbers, &expected) < 1e-5);
}

#[test]
fn channels_and_layouts() {
    let pose = pose(60.0, 50.0, 70.0, 0.3);
    let picture = picture(120, 100, |x, y| pattern(pose.find(x, y)));
    let of = |colour, layout| crop(&mut cropper(colour, layout), &picture, &pose.landmarks()).0;
    let rgb = of(Colour::Rgb, Layout::Nchw);
    let plane = SIDE * SIDE;
    let [r, g, b] = [&rgb[..plane], &rgb[plane..2 * plane], &rgb[2 * plane..]];
    assert_eq!(of(Colour::Bgr, Layout::Nchw), [b, g, r].concat());
    let interleaved: Vec<f32> = (0..plane).flat_map(|i| [r[i], g[i], b[i]]).collect();
    assert_eq!(of(Colour::Rgb, Layout::Nhwc), interleaved);
    let luma: Vec<f32> = (0..plane)
        .map(|i| 0.299 * r[i] + 0.587 * g[i] + 0.114 * b[i])
        .collect();
    assert!(largest_difference(&of(Colour::Gray, Layout::Nchw), &luma) < 1e-5);
    assert_eq!(of(Colour::Gray, Layout::Nhwc), of(Colour::Gray, Layout::Nchw));
}

#[test]
fn a_grey_model_sees_a_colour_photograph_as_its_grey_version() {
    let pose = pose(60.0, 50.0, 70.0, -0.2);
    let colour = picture(120, 100, |x, y| pattern(pose.find(x, y)));
    let luma = |x: f32, y: f32| {
        let [r, g, b] = pattern(pose.find(x, y));
        [0.299 * r + 0.587 * g + 0.114 * b; 3]
    };
    let (from_colour, quality) = crop(&mut grey(), &colour, &pose.landmarks());
    let (from_grey, grey_quality) = crop(&mut grey(), &picture(120, 100, luma), &pose.landmarks());
    assert!(largest_difference(&from_colour, &from_grey) < 1.5 / 255.0);
    assert!((quality - grey_quality).abs() < 0.05);
}

#[test]
fn mean_and_deviation_of_each_channel() {
    let mut described = input(Colour::Bgr, Layout::Nhwc);
    described.mean = vec![0.1, 0.2, 0.3];
    described.std = vec![0.5, 0.25, 0.125];
    let picture = picture(10, 10, |_, _| [0.8, 0.6, 0.4]);
    let mut numbers = vec![0.0; 3 * SIDE * SIDE];
    Cropper::new(&described, PLAIN).whole(&picture, &mut numbers);
    // Blue first: (0.4 - 0.1) / 0.5, (0.6 - 0.2) / 0.25, (0.8 - 0.3) / 0.125.
    assert!(largest_difference(&numbers[..3], &[0.6, 1.6, 4.0]) < 1e-5);
}

#[test]
fn the_mirror_image_of_every_layout() {
    for colour in [Colour::Gray, Colour::Rgb] {
        for layout in [Layout::Nchw, Layout::Nhwc] {
            let mut cropper = cropper(colour, layout);
            let mut there = vec![0.0; colour.channels() * SIDE * SIDE];
            let mut back = there.clone();
            let size = SIDE as u32;
            cropper.whole(
                &picture(size, size, |x, y| [x / 48.0, y / 48.0, (x + y) / 96.0]),
                &mut there,
            );
            cropper.whole(
                &picture(size, size, |x, y| {
                    [(24.0 - x) / 48.0, y / 48.0, (24.0 - x + y) / 96.0]
                }),
                &mut back,
            );
            assert!(largest_difference(&there, &back) > 0.1);
            cropper.mirror(&mut there);
            assert!(largest_difference(&there, &back) < 0.01, "{colour:?} {layout:?}");
        }
    }
}

#[test]
fn a_large_face_does_not_alias() {
    // Pixels alternate between black and white; sampling every other one would give black, white or bands.
    let checks = picture(480, 480, |x, y| [((x as u32 + y as u32) % 2) as f32; 3]);
    for roll in [0.0, 0.4] {
        let (numbers, _) = crop(&mut grey(), &checks, &pose(240.0, 240.0, 240.0, roll).landmarks());
        let worst = numbers
            .iter()
            .fold(0.0_f32, |worst, value| worst.max((value - 0.5).abs()));
        assert!(worst < 0.06, "{roll}: {worst}");
    }
}

#[test]
fn without_alignment_the_square_stands_upright_in_the_same_place() {
    let pose = pose(60.0, 50.0, 48.0, 0.7);
    // Brighter to the right, whatever the face's roll.
    let picture = picture(120, 100, |x, _| [x / 120.0; 3]);
    let upright = Crop {
        align: Align::None,
        ..PLAIN
    };
    let mut cropper = Cropper::new(&input(Colour::Gray, Layout::Nchw), upright);
    let (numbers, _) = crop(&mut cropper, &picture, &pose.landmarks());
    for (index, value) in numbers.iter().enumerate() {
        let x = 60.0 + ((index % SIDE) as f32 + 0.5 - SIDE as f32 / 2.0) * 48.0 / SIDE as f32;
        assert!((value - x / 120.0).abs() < 0.01, "{index}: {value}");
    }
}

#[test]
fn the_margin_widens_about_the_middle() {
    let pose = pose(60.0, 50.0, 48.0, 0.0);
    let picture = picture(120, 100, |x, _| [x / 120.0; 3]);
    let wide = Crop { margin: 0.5, ..PLAIN };
    let mut cropper = Cropper::new(&input(Colour::Gray, Layout::Nchw), wide);
    let (numbers, _) = crop(&mut cropper, &picture, &pose.landmarks());
    // 72 pixels across 24: the first is the mean of 24 to 27.
    assert!((numbers[0] - 25.5 / 120.0).abs() < 0.005);
    assert!((numbers[SIDE - 1] - 94.5 / 120.0).abs() < 0.005);
}

#[test]
fn edge_pixels_extend_beyond_the_picture() {
    let picture = picture(40, 40, |_, y| [if y < 1.0 { 0.8 } else { 0.2 }; 3]);
    let (numbers, _) = crop(&mut grey(), &picture, &pose(20.0, 0.0, 24.0, 0.0).landmarks());
    assert!(
        numbers[..SIDE * 11]
            .iter()
            .all(|value| (value - 0.8).abs() < 0.01)
    );
    assert!(
        numbers[SIDE * 14..]
            .iter()
            .all(|value| (value - 0.2).abs() < 0.01)
    );
    let (far, quality) = crop(&mut grey(), &picture, &pose(-500.0, 900.0, 24.0, 0.5).landmarks());
    assert!(far.iter().all(|value| (value - 0.2).abs() < 0.01));
    assert_eq!(quality, 0.0);
}

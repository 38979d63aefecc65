#![allow(clippy::unwrap_used)]

use super::*;

fn picture(width: u32, height: u32, luma: impl Fn(u32, u32) -> u8) -> Picture {
    let mut picture = Picture::default();
    for (index, pixel) in picture.reset(width, height).chunks_exact_mut(3).enumerate() {
        let index = index as u32;
        pixel.fill(luma(index % width, index / width));
    }
    picture
}

fn measure(picture: &Picture) -> FrameQuality {
    FrameQuality::measure(picture).unwrap()
}

#[test]
fn light_is_the_mean_and_the_extremes_are_counted() {
    let grey = measure(&picture(64, 48, |_, _| 102));
    assert!((grey.light - 0.4).abs() < 0.005, "{grey:?}");
    assert_eq!((grey.dark, grey.bright, grey.sharpness), (0.0, 0.0, 0.0));

    // A window on the right, a dark wall on the left.
    let backlit = measure(&picture(66, 50, |x, _| if x < 33 { 5 } else { 255 }));
    assert!(
        (backlit.dark - 0.5).abs() < 0.02 && (backlit.bright - 0.5).abs() < 0.02,
        "{backlit:?}"
    );
}

#[test]
fn a_blurred_edge_is_less_sharp_at_any_contrast() {
    let edge = |blur: f32, contrast: f32| {
        measure(&picture(96, 48, |x, _| {
            // Rises and falls again, so the only edges are the blurred ones.
            let place = ((x % 32) as f32 - 16.0).abs() - 8.0;
            let level = (place / blur).clamp(-1.0, 1.0);
            (128.0 + contrast * level) as u8
        }))
        .sharpness
    };
    let (sharp, soft) = (edge(0.5, 100.0), edge(7.0, 100.0));
    assert!(sharp > 2.0 * soft, "{sharp} {soft}");
    assert!((edge(7.0, 50.0) - soft).abs() < 0.1);
}

/// A photograph of 512 x 512 pixels, out of focus by a Gaussian of this many pixels.
fn photograph(name: &str, sigma: f32) -> Picture {
    let path = format!("{}/tests/data/pictures/{name}", env!("CARGO_MANIFEST_DIR"));
    let mut image = image::open(path).unwrap().to_rgb8();
    if sigma > 0.0 {
        image = image::imageops::blur(&image, sigma);
    }
    let mut picture = Picture::default();
    picture
        .reset(image.width(), image.height())
        .copy_from_slice(&image);
    picture
}

#[test]
fn blurred_photographs_are_less_sharp() {
    for name in ["astronaut.jpg", "grace_hopper.jpg"] {
        let values = [0.0, 1.0, 2.0, 4.0].map(|sigma| measure(&photograph(name, sigma)).sharpness);
        assert!(
            values.is_sorted_by(|sharper, softer| sharper > softer),
            "{name}: {values:?}"
        );
        assert!(values[0] > 0.8 && values[2] < 0.3, "{name}: {values:?}");
    }
}

#[test]
fn a_tiny_picture_is_not_measured() {
    for (width, height) in [(0, 0), (2, 48), (64, 2)] {
        assert_eq!(FrameQuality::measure(&picture(width, height, |_, _| 9)), None);
    }
    assert!(FrameQuality::measure(&picture(3, 3, |_, _| 9)).is_some());
}

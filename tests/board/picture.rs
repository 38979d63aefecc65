//! Frames for the simulated camera.

use std::{fs, path::Path};

use image::{Rgb, RgbImage, imageops};

/// Size of the camera's frames in pixels.
pub const SIZE: (u32, u32) = (640, 480);

/// Size of a YUYV frame in bytes.
pub const BYTES: u32 = 2 * SIZE.0 * SIZE.1;

/// Writes a grey frame, with a portrait of tests/data/pictures in its centre if one is given.
pub fn write(portrait: Option<&str>, to: &Path) {
    let mut frame = RgbImage::from_pixel(SIZE.0, SIZE.1, Rgb([120, 116, 110]));
    if let Some(name) = portrait {
        let file = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/data/pictures")
            .join(name);
        let picture = image::open(file).unwrap().to_rgb8();
        let width = picture.width() * SIZE.1 / picture.height();
        let picture = imageops::resize(&picture, width, SIZE.1, imageops::FilterType::Triangle);
        imageops::overlay(&mut frame, &picture, i64::from((SIZE.0 - width) / 2), 0);
    }
    fs::write(to, yuyv(&frame)).unwrap();
}

/// Converts to YUYV: ITU-R BT.601, limited range, chroma averaged over two pixels.
fn yuyv(frame: &RgbImage) -> Vec<u8> {
    let pairs = frame.as_raw().chunks_exact(6);
    let bytes = pairs.flat_map(|pair| {
        let [r, g, b] = [0, 1, 2].map(|i| f32::from(pair[i]));
        let luma = |p: &[u8]| {
            let [r, g, b] = [0, 1, 2].map(|i| f32::from(p[i]));
            16.0 + (65.481 * r + 128.553 * g + 24.966 * b) / 255.0
        };
        let [mr, mg, mb] = [(0, r), (1, g), (2, b)].map(|(i, first)| (first + f32::from(pair[3 + i])) / 2.0);
        let u = 128.0 + (-37.797 * mr - 74.203 * mg + 112.0 * mb) / 255.0;
        let v = 128.0 + (112.0 * mr - 93.786 * mg - 18.214 * mb) / 255.0;
        [luma(&pair[..3]), u, luma(&pair[3..]), v].map(|value| value.round() as u8)
    });
    bytes.collect()
}

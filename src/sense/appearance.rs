//! The coarse appearance of a face, which shows whether it has changed since it was classified.

use super::{
    alignment::AlignedCrop,
    geometry::Point,
    input::luma,
    resample::{Region, resample},
};
use crate::picture::Picture;

/// Side in cells. From frame to frame, the alignment is off by about 2 % of the distance between the eyes, so
/// finer cells would show the detector's noise instead of the face.
const SIDE: usize = 16;

/// The minimum contrast, as a standard deviation in levels: a flat crop has only noise.
const MIN_CONTRAST: f32 = 4.0;

/// The luma of an aligned crop in coarse cells, scaled to mean 0 and standard deviation 1, so light and
/// exposure make no difference.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Appearance([f32; SIDE * SIDE]);

impl Appearance {
    /// The appearance of the face in `crop`.
    #[must_use]
    pub fn of(picture: &Picture, crop: &AlignedCrop) -> Self {
        let mut cells = [0.0; SIDE * SIDE];
        let region = Region {
            centre: crop.centre,
            across: Point {
                x: crop.side * crop.right.x,
                y: crop.side * crop.right.y,
            },
            down: Point {
                x: -crop.side * crop.right.y,
                y: crop.side * crop.right.x,
            },
        };
        resample(picture, &region, (SIDE, SIDE), |row, column, rgb| {
            cells[row * SIDE + column] = luma(rgb);
        });
        let count = (SIDE * SIDE) as f32;
        let mean = cells.iter().sum::<f32>() / count;
        cells.iter_mut().for_each(|cell| *cell -= mean);
        let deviation = (cells.iter().map(|cell| cell * cell).sum::<f32>() / count).sqrt();
        let scale = 1.0 / deviation.max(MIN_CONTRAST);
        cells.iter_mut().for_each(|cell| *cell *= scale);
        Self(cells)
    }

    /// Root mean square difference: 0 for the same appearance, about 1.4 for unrelated ones.
    #[must_use]
    pub fn difference(&self, other: &Self) -> f32 {
        let squares: f32 = self.0.iter().zip(&other.0).map(|(a, b)| (a - b) * (a - b)).sum();
        (squares / (SIDE * SIDE) as f32).sqrt()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::sense::{alignment::TEMPLATE, detection::Landmarks};

    /// A pattern around (100, 80), moved by `shift` pixels, scaled by `light`, with a mark of this size at
    /// its mouth.
    fn picture(shift: f32, light: f32, mark: f32) -> Picture {
        let mut picture = Picture::default();
        for (index, pixel) in picture.reset(220, 180).chunks_exact_mut(3).enumerate() {
            let (x, y) = ((index % 220) as f32 - shift, (index / 220) as f32);
            let wave = 110.0 + 50.0 * (x / 9.0).sin() + 40.0 * (y / 7.0).cos();
            let is_mark = (x - 100.0).abs() < mark && (y - 100.0).abs() < mark / 3.0;
            pixel.fill((if is_mark { 30.0 } else { wave } * light) as u8);
        }
        picture
    }

    fn crop(shift: f32) -> AlignedCrop {
        let at = TEMPLATE.map(|point| Point {
            x: 100.0 + shift + (point.x - 0.5) * 90.0,
            y: 80.0 + (point.y - 0.5) * 90.0,
        });
        AlignedCrop::fit(&Landmarks {
            right_eye: at[0],
            left_eye: at[1],
            nose: at[2],
            mouth: at[3],
        })
        .unwrap()
    }

    #[test]
    fn a_face_looks_the_same_elsewhere_and_in_other_light() {
        let face = Appearance::of(&picture(0.0, 1.0, 0.0), &crop(0.0));
        let moved = Appearance::of(&picture(17.0, 1.0, 0.0), &crop(17.0));
        let dim = Appearance::of(&picture(0.0, 0.5, 0.0), &crop(0.0));
        assert!(face.difference(&moved) < 0.02, "{}", face.difference(&moved));
        assert!(face.difference(&dim) < 0.05, "{}", face.difference(&dim));
    }

    #[test]
    fn an_open_mouth_makes_a_difference_and_more_than_an_inexact_alignment() {
        let face = Appearance::of(&picture(0.0, 1.0, 0.0), &crop(0.0));
        let open = Appearance::of(&picture(0.0, 1.0, 14.0), &crop(0.0));
        let inexact = Appearance::of(&picture(0.0, 1.0, 0.0), &crop(0.7));
        assert!(face.difference(&open) > 0.12, "{}", face.difference(&open));
        assert!(face.difference(&open) > 1.5 * face.difference(&inexact));
    }

    #[test]
    fn a_flat_crop_has_no_appearance_that_noise_could_change() {
        let flat = |level: u8| {
            let mut picture = Picture::default();
            picture.reset(220, 180).fill(level);
            Appearance::of(&picture, &crop(0.0))
        };
        assert_eq!(flat(90).difference(&flat(94)), 0.0);
    }
}

//! Scales a part of a picture into a network's input without distorting it.

use affectd_infer::{FilteredPixel, RowFilter, SimdLevel};

use crate::{
    picture::Picture,
    sense::{
        geometry::{Point, Rect},
        input::InputTensor,
    },
};

/// Maps a region of a picture into a network's input: centred, as large as fits, aspect ratio preserved.
///
/// Coordinates are continuous: pixel `i` covers `i..i + 1`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Letterbox {
    /// Input pixels per picture pixel.
    scale: f32,
    /// The point of the picture that maps to the input's origin.
    origin: Point,
}

impl Letterbox {
    /// Fits `region` (in picture pixels, may reach beyond the picture) into an input of `width` x `height`.
    ///
    /// A region without area is widened to one pixel, so the result is always finite.
    #[must_use]
    pub fn fit(region: &Rect, width: usize, height: usize) -> Self {
        let scale = (width as f32 / region.width.max(1.0)).min(height as f32 / region.height.max(1.0));
        let centre = region.centre();
        Self {
            scale,
            origin: Point {
                x: centre.x - width as f32 / 2.0 / scale,
                y: centre.y - height as f32 / 2.0 / scale,
            },
        }
    }

    /// Input pixels per picture pixel.
    #[must_use]
    pub fn scale(&self) -> f32 {
        self.scale
    }

    /// Maps a point of the input to the picture.
    #[must_use]
    pub fn point_in_picture(&self, point: Point) -> Point {
        Point {
            x: point.x / self.scale + self.origin.x,
            y: point.y / self.scale + self.origin.y,
        }
    }

    /// Maps a box of the input to the picture.
    #[must_use]
    pub fn rect_in_picture(&self, rect: &Rect) -> Rect {
        let corner = self.point_in_picture(Point { x: rect.x, y: rect.y });
        Rect {
            x: corner.x,
            y: corner.y,
            width: rect.width / self.scale,
            height: rect.height / self.scale,
        }
    }
}

/// The filters of one axis: for each pixel of the input, the pixels of the picture that contribute to it, the
/// same number for all. Input pixels outside the picture have only weights of 0.
#[derive(Debug, Default)]
struct AxisFilter {
    /// The first pixel of the picture for each pixel of the input.
    starts: Vec<usize>,
    weights: Vec<f32>,
    /// Number of weights for each pixel of the input, at least 1.
    taps: usize,
}

impl AxisFilter {
    /// Sets the filters of `size` input pixels over a picture of `pixels`, from `origin` on.
    fn set(&mut self, scale: f32, origin: f32, pixels: u32, size: usize) {
        let step = 1.0 / scale;
        let radius = step.max(1.0);
        let pixels_f = pixels as f32;
        // From the pixel in which the filter begins to the one in which it ends.
        self.taps = ((2.0 * radius).ceil() as usize + 1).min(pixels as usize).max(1);
        self.starts.clear();
        self.weights.clear();
        // Room for any region up to four times as large as the picture, so a face that comes nearer causes no
        // allocation.
        self.weights.reserve(8 * pixels as usize + 4 * size);
        let last = (pixels as usize).saturating_sub(self.taps);
        for i in 0..size {
            let centre = origin + (i as f32 + 0.5) * step;
            let is_inside = centre > 0.0 && centre < pixels_f;
            // Casts saturate.
            let start = if is_inside {
                ((centre - radius).floor().max(0.0) as usize).min(last)
            } else {
                0
            };
            let weights = self.weights.len();
            let weight = |pixel: usize| {
                let weight = (1.0 - (pixel as f32 + 0.5 - centre).abs() / radius).max(0.0);
                if is_inside { weight } else { 0.0 }
            };
            self.weights.extend((start..start + self.taps).map(weight));
            if is_inside {
                let weights = &mut self.weights[weights..];
                let sum: f32 = weights.iter().sum();
                weights.iter_mut().for_each(|weight| *weight /= sum);
            }
            self.starts.push(start);
        }
    }
}

/// Resamples with a triangle filter as wide as one input pixel and at least one picture pixel: bilinear when
/// enlarging, free of aliasing when shrinking. Buffers are kept from call to call.
#[derive(Debug)]
pub struct LetterboxResizer {
    level: SimdLevel,
    columns: AxisFilter,
    rows: AxisFilter,
    /// The weighted sum of rows of the picture.
    row: Vec<f32>,
    /// A row of the input.
    pixels: Vec<FilteredPixel>,
}

impl Default for LetterboxResizer {
    fn default() -> Self {
        Self {
            level: SimdLevel::detect(),
            columns: AxisFilter::default(),
            rows: AxisFilter::default(),
            row: Vec::new(),
            pixels: Vec::new(),
        }
    }
}

impl LetterboxResizer {
    /// Fills `tensor`, the whole of `input`, with the part of `picture` that `letterbox` maps into it. The
    /// area outside the picture is black.
    pub fn resize(
        &mut self,
        picture: &Picture,
        letterbox: &Letterbox,
        input: &InputTensor,
        tensor: &mut [f32],
    ) {
        let (width, height) = (input.width(), input.height());
        debug_assert_eq!(tensor.len(), input.elements());
        let Letterbox { scale, origin } = *letterbox;
        self.columns.set(scale, origin.x, picture.width(), width);
        self.rows.set(scale, origin.y, picture.height(), height);
        self.pixels.resize(width, [0.0; 4]);

        // Only the columns in use are summed: first across rows (long and contiguous), then within one row.
        let AxisFilter {
            starts,
            weights,
            taps,
        } = &mut self.columns;
        let left = starts.iter().zip(weights.chunks_exact(*taps));
        let left = left.filter(|(_, weights)| weights.iter().any(|weight| *weight > 0.0));
        let left = left.map(|(start, _)| *start).min().unwrap_or(0);
        starts
            .iter_mut()
            .for_each(|start| *start = start.saturating_sub(left));
        let used = starts.iter().max().map_or(0, |last| last + *taps);
        let filter = RowFilter {
            starts,
            weights,
            taps: *taps,
        };
        let stride = picture.width() as usize * 3;
        self.row.clear();
        self.row.reserve(stride + 1);
        // One more, because pixels are read four values at a time.
        self.row.resize(used * 3 + 1, 0.0);

        let rows = self
            .rows
            .starts
            .iter()
            .zip(self.rows.weights.chunks_exact(self.rows.taps));
        for (y, (start, weights)) in rows.enumerate() {
            self.row.fill(0.0);
            let used = (*start..).zip(weights).filter(|(_, weight)| **weight > 0.0);
            for (line, weight) in used {
                let pixels = &picture.rgb()[line * stride + left * 3..(line + 1) * stride];
                self.level.add_weighted_bytes(pixels, *weight, &mut self.row);
            }
            self.level.filter_row(&filter, &self.row, &mut self.pixels);
            input.put_row(tensor, y, &self.pixels);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;
    use crate::model::{Colour, Input, Layout};

    /// An input that takes 8-bit values unchanged, in three planes of red, green and blue.
    fn plain(width: usize, height: usize) -> InputTensor {
        described(width, height, Colour::Rgb, [0.0; 3], [1.0; 3])
    }

    /// `mean` and `std` are those of 8-bit values.
    fn described(width: usize, height: usize, colour: Colour, mean: [f32; 3], std: [f32; 3]) -> InputTensor {
        InputTensor::new(&Input {
            width,
            height,
            layout: Layout::Nchw,
            colour,
            mean: mean.map(|mean| mean / 255.0).to_vec(),
            std: std.map(|std| std / 255.0).to_vec(),
        })
    }

    fn picture(width: u32, height: u32, pixel: impl Fn(u32, u32) -> [u8; 3]) -> Picture {
        let mut picture = Picture::default();
        let bytes = picture.reset(width, height);
        for (i, rgb) in bytes.chunks_exact_mut(3).enumerate() {
            rgb.copy_from_slice(&pixel(i as u32 % width, i as u32 / width));
        }
        picture
    }

    fn whole(picture: &Picture) -> Rect {
        Rect {
            x: 0.0,
            y: 0.0,
            width: picture.width() as f32,
            height: picture.height() as f32,
        }
    }

    #[test]
    fn a_picture_of_the_input_size_is_unchanged() {
        let picture = picture(5, 4, |x, y| [x as u8 * 10, y as u8 * 20, 7]);
        let mut tensor = vec![0.0; 60];
        let letterbox = Letterbox::fit(&whole(&picture), 5, 4);
        LetterboxResizer::default().resize(&picture, &letterbox, &plain(5, 4), &mut tensor);
        for y in 0..4 {
            for x in 0..5 {
                let at = y * 5 + x;
                let expected = [x as f32 * 10.0, y as f32 * 20.0, 7.0];
                for (plane, expected) in expected.into_iter().enumerate() {
                    assert!((tensor[20 * plane + at] - expected).abs() < 1e-4);
                }
            }
        }
    }

    #[test]
    fn shrinking_a_fine_pattern_gives_its_mean_without_moire() {
        let picture = picture(64, 64, |x, y| if (x + y) % 2 == 0 { [255; 3] } else { [0; 3] });
        let mut tensor = vec![0.0; 3 * 32 * 32];
        let letterbox = Letterbox::fit(&whole(&picture), 32, 32);
        LetterboxResizer::default().resize(&picture, &letterbox, &plain(32, 32), &mut tensor);
        // Except for the outermost pixels, where the filter reaches beyond the picture.
        for row in tensor[32..31 * 32].chunks_exact(32) {
            assert!(row[1..31].iter().all(|v| (v - 127.5).abs() < 0.1), "{row:?}");
        }
    }

    #[test]
    fn a_wide_picture_is_centred_between_black_bars() {
        let picture = picture(8, 4, |_, _| [200; 3]);
        let mut tensor = vec![1.0; 3 * 64];
        let letterbox = Letterbox::fit(&whole(&picture), 8, 8);
        LetterboxResizer::default().resize(&picture, &letterbox, &plain(8, 8), &mut tensor);
        for y in 0..8 {
            let expected = if (2..6).contains(&y) { 200.0 } else { 0.0 };
            assert!(
                tensor[y * 8..][..8].iter().all(|v| (v - expected).abs() < 1e-3),
                "row {y}"
            );
        }
    }

    #[test]
    fn channels_are_put_in_the_order_and_range_of_the_network() {
        let picture = picture(2, 2, |_, _| [10, 20, 30]);
        let bgr = described(2, 2, Colour::Bgr, [0.0, 10.0, 5.0], [1.0, 2.0, 5.0]);
        let mut tensor = vec![0.0; 12];
        let letterbox = Letterbox::fit(&whole(&picture), 2, 2);
        LetterboxResizer::default().resize(&picture, &letterbox, &bgr, &mut tensor);
        for (found, expected) in [tensor[0], tensor[4], tensor[8]]
            .into_iter()
            .zip([30.0, 5.0, 1.0])
        {
            assert!((found - expected).abs() < 1e-4, "{tensor:?}");
        }
    }

    #[test]
    fn a_face_that_comes_nearer_allocates_nothing() {
        let picture = picture(640, 480, |_, _| [1; 3]);
        let mut resizer = LetterboxResizer::default();
        let mut tensor = vec![0.0; 3 * 128 * 128];
        let mut capacities = std::collections::BTreeSet::new();
        for side in (10..1500).step_by(7) {
            let side = side as f32;
            let region = Rect {
                x: 320.0 - side / 2.0,
                y: 240.0 - side / 2.0,
                width: side,
                height: side,
            };
            let letterbox = Letterbox::fit(&region, 128, 128);
            resizer.resize(&picture, &letterbox, &plain(128, 128), &mut tensor);
            let filters = [&resizer.columns, &resizer.rows].map(|filter| filter.weights.capacity());
            capacities.insert((filters, resizer.row.capacity()));
        }
        assert_eq!(capacities.len(), 1, "{capacities:?}");
    }

    proptest! {
        #[test]
        fn any_region_gives_finite_values_in_range(
            x in -500.0f32..900.0, y in -500.0f32..900.0, width in -10.0f32..900.0, height in 0.0f32..900.0,
            size in (1u32..70, 1u32..50), input in (1usize..40, 1usize..40),
        ) {
            let picture = picture(size.0, size.1, |x, y| [x as u8, y as u8, 255]);
            let letterbox = Letterbox::fit(&Rect { x, y, width, height }, input.0, input.1);
            let mut tensor = vec![f32::NAN; 3 * input.0 * input.1];
            LetterboxResizer::default().resize(&picture, &letterbox, &plain(input.0, input.1), &mut tensor);
            prop_assert!(tensor.iter().all(|v| (0.0..=255.1).contains(v)));
        }

        #[test]
        fn boxes_survive_the_round_trip(
            x in -50.0f32..600.0, y in -50.0f32..400.0, width in 10.0f32..600.0, height in 10.0f32..400.0,
        ) {
            let region = Rect { x, y, width, height };
            let letterbox = Letterbox::fit(&region, 128, 96);
            let back = letterbox.rect_in_picture(&Rect { x: 0.0, y: 0.0, width: 128.0, height: 96.0 });
            // The whole input shows at least the region, around the same centre.
            prop_assert!(back.width >= width * 0.999 && back.height >= height * 0.999);
            prop_assert!((back.centre().x - region.centre().x).abs() < 0.1);
            prop_assert!((back.centre().y - region.centre().y).abs() < 0.1);
        }
    }
}

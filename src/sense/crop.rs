//! The network's input cut out of a picture: a square fixed by the landmarks alone, so that the boxes of
//! different detectors, which differ, cannot change it.

use super::{face::Landmarks, geometry::Point};
use crate::{
    model::{Align, Colour, Input, Layout},
    picture::Picture,
};

/// Where right eye, left eye, nose and mouth lie in the canonical square, as fractions of its side.
pub const TEMPLATE: [Point; 4] = [
    Point { x: 0.31, y: 0.40 },
    Point { x: 0.69, y: 0.40 },
    Point { x: 0.50, y: 0.60 },
    Point { x: 0.50, y: 0.78 },
];

/// A square of the picture, turned in its plane.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FaceSquare {
    /// Its middle, in pixels of the picture.
    pub centre: Point,
    /// Its side, in pixels of the picture.
    pub side: f32,
    /// Unit vector of its upper edge, from left to right.
    pub right: Point,
    /// How badly the landmarks fit [`TEMPLATE`]: root mean square distance as a fraction of the side.
    pub residual: f32,
}

impl FaceSquare {
    /// The canonical square of a face: the similarity (scale, rotation, shift, no mirroring) that maps
    /// [`TEMPLATE`] to the landmarks with the least sum of squared distances. In the plane it has a closed
    /// form; S. Umeyama, "Least-squares estimation of transformation parameters between two point patterns",
    /// IEEE PAMI 13(4), 1991.
    ///
    /// `None` where the landmarks are not finite or lie closer together than a face of two pixels.
    #[must_use]
    pub fn fit(landmarks: &Landmarks) -> Option<Self> {
        let marks = [
            landmarks.right_eye,
            landmarks.left_eye,
            landmarks.nose,
            landmarks.mouth,
        ];
        let (from, to) = (mean(&TEMPLATE), mean(&marks));
        let (mut dot, mut cross, mut norm, mut spread) = (0.0, 0.0, 0.0, 0.0);
        for (template, mark) in TEMPLATE.iter().zip(&marks) {
            let a = minus(*template, from);
            let b = minus(*mark, to);
            dot += a.x * b.x + a.y * b.y;
            cross += a.x * b.y - a.y * b.x;
            norm += a.x * a.x + a.y * a.y;
            spread += b.x * b.x + b.y * b.y;
        }
        let side = dot.hypot(cross) / norm;
        if !(side >= 2.0 && side.is_finite() && to.x.is_finite() && to.y.is_finite()) {
            return None;
        }
        let right = Point {
            x: dot / norm / side,
            y: cross / norm / side,
        };
        let middle = minus(Point { x: 0.5, y: 0.5 }, from);
        // What the best similarity leaves over of the sum of squares, by Pythagoras.
        let left = (spread - side * side * norm).max(0.0) / marks.len() as f32;
        Some(Self {
            centre: Point {
                x: to.x + side * (right.x * middle.x - right.y * middle.y),
                y: to.y + side * (right.y * middle.x + right.x * middle.y),
            },
            side,
            right,
            residual: left.sqrt() / side,
        })
    }

    /// The same square as a manifest wants it: `margin` adds that fraction to the side about the middle;
    /// without alignment the square stands upright about the same middle.
    fn presented(self, margin: f32, align: Align) -> Region {
        let side = self.side * (1.0 + margin);
        let right = match align {
            Align::Roll => self.right,
            Align::None => Point { x: 1.0, y: 0.0 },
        };
        Region {
            centre: self.centre,
            across: Point {
                x: side * right.x,
                y: side * right.y,
            },
            down: Point {
                x: -side * right.y,
                y: side * right.x,
            },
        }
    }
}

/// A parallelogram of the picture that becomes the network's whole input.
struct Region {
    centre: Point,
    /// From the left edge to the right edge.
    across: Point,
    /// From the upper edge to the lower edge.
    down: Point,
}

/// Cuts crops for one network. Allocates nothing after it was made.
#[derive(Debug, Clone)]
pub struct Cropper {
    width: usize,
    height: usize,
    layout: Layout,
    colour: Colour,
    margin: f32,
    align: Align,
    /// For each channel what 8-bit values are multiplied by, and what is added then.
    scale: [f32; 3],
    offset: [f32; 3],
}

impl Cropper {
    /// For a network's input as its manifest describes it; `margin` and `align` are those of the manifest.
    #[must_use]
    pub fn new(input: &Input, margin: f32, align: Align) -> Self {
        let mut scale = [0.0; 3];
        let mut offset = [0.0; 3];
        for (channel, (mean, std)) in input.mean.iter().zip(&input.std).enumerate().take(3) {
            scale[channel] = 1.0 / (255.0 * std);
            offset[channel] = -mean / std;
        }
        Self {
            width: input.width,
            height: input.height,
            layout: input.layout,
            colour: input.colour,
            margin,
            align,
            scale,
            offset,
        }
    }

    /// Writes the crop of a face into the network's input and returns the crop's quality, 0 to 1: the product
    /// of
    ///
    /// - size: pixels of the picture to one of the input, along the side, at most 1;
    /// - sharpness: mean absolute Laplacian of the input's luma over its standard deviation, which makes it
    ///   blind to light, times the input's side in pixels, which makes it comparable between networks; from 0
    ///   at [`BLURRED`] to 1 at [`SHARP`];
    /// - frontalness: residual of the landmarks against the template, from 1 at [`FRONTAL`] to 0 at
    ///   [`TURNED`];
    /// - presence: how much of the crop lies in the picture.
    pub fn face(&self, picture: &Picture, square: &FaceSquare, input: &mut [f32]) -> f32 {
        let region = square.presented(self.margin, self.align);
        let present = self.sample(picture, &region, input);
        let size = (square.side * (1.0 + self.margin) / self.width.max(self.height) as f32).min(1.0);
        let sharp = ramp(self.sharpness(input), BLURRED, SHARP);
        let frontal = 1.0 - ramp(square.residual, FRONTAL, TURNED);
        size * sharp * frontal * present
    }

    /// Writes a whole picture, stretched to the input's size.
    pub fn whole(&self, picture: &Picture, input: &mut [f32]) {
        let (width, height) = (picture.width() as f32, picture.height() as f32);
        let region = Region {
            centre: Point {
                x: width / 2.0,
                y: height / 2.0,
            },
            across: Point { x: width, y: 0.0 },
            down: Point { x: 0.0, y: height },
        };
        self.sample(picture, &region, input);
    }

    /// Samples the region into the input; returns how much of it lies in the picture, 0 to 1.
    ///
    /// Where the region shrinks, each pixel of the input is the mean of as many bilinear samples as it covers
    /// pixels, because single samples would turn skin texture into false contours. Outside the picture its
    /// edge pixels go on: a border of a fixed colour would be an edge that no face has.
    fn sample(&self, picture: &Picture, region: &Region, input: &mut [f32]) -> f32 {
        let rgb = picture.rgb();
        if rgb.is_empty() {
            input.fill(0.0);
            return 0.0;
        }
        let (width, height) = (picture.width() as f32, picture.height() as f32);
        let stride = picture.width() as usize * 3;
        let steps = |edge: Point, pixels: usize| {
            let covered = edge.x.hypot(edge.y) / pixels as f32;
            // A hair more than one pixel is still one.
            (covered - 0.01).ceil().max(1.0) as usize
        };
        let (nx, ny) = (steps(region.across, self.width), steps(region.down, self.height));
        // From one sample to the next, along the region's upper edge and along its left edge.
        let along = divided(region.across, self.width * nx);
        let below = divided(region.down, self.height * ny);
        let mean = 1.0 / (nx * ny) as f32;
        let mut inside = 0_usize;
        for row in 0..self.height {
            for column in 0..self.width {
                // The pixel's upper left corner.
                let u = column as f32 / self.width as f32 - 0.5;
                let v = row as f32 / self.height as f32 - 0.5;
                let x = region.centre.x + region.across.x * u + region.down.x * v;
                let y = region.centre.y + region.across.y * u + region.down.y * v;
                inside += usize::from((0.0..width).contains(&x) && (0.0..height).contains(&y));
                let mut sum = [0.0; 3];
                for j in 0..ny {
                    for i in 0..nx {
                        let (i, j) = (i as f32 + 0.5, j as f32 + 0.5);
                        // Half a pixel back: pixel k of the picture covers k to k + 1, with its value in the
                        // middle.
                        let x = x + along.x * i + below.x * j - 0.5;
                        let y = y + along.y * i + below.y * j - 0.5;
                        bilinear(
                            rgb,
                            stride,
                            x.clamp(0.0, width - 1.0),
                            y.clamp(0.0, height - 1.0),
                            &mut sum,
                        );
                    }
                }
                self.write(input, row, column, sum.map(|channel| channel * mean));
            }
        }
        inside as f32 / (self.width * self.height) as f32
    }

    /// Puts one pixel (0 to 255) where the network wants it, as it wants it.
    fn write(&self, input: &mut [f32], row: usize, column: usize, [r, g, b]: [f32; 3]) {
        let channels = match self.colour {
            Colour::Rgb => [r, g, b],
            Colour::Bgr => [b, g, r],
            Colour::Gray => [LUMA[0] * r + LUMA[1] * g + LUMA[2] * b, 0.0, 0.0],
        };
        for (channel, value) in channels.into_iter().enumerate().take(self.colour.channels()) {
            if let Some(number) = input.get_mut(self.index(row, column, channel)) {
                *number = value * self.scale[channel] + self.offset[channel];
            }
        }
    }

    fn index(&self, row: usize, column: usize, channel: usize) -> usize {
        match self.layout {
            Layout::Nchw => (channel * self.height + row) * self.width + column,
            Layout::Nhwc => (row * self.width + column) * self.colour.channels() + channel,
        }
    }

    /// Luma (0 to 255) of a pixel that was written.
    fn luma(&self, input: &[f32], row: usize, column: usize) -> f32 {
        let value = |channel: usize| {
            let number = input
                .get(self.index(row, column, channel))
                .copied()
                .unwrap_or_default();
            (number - self.offset[channel]) / self.scale[channel]
        };
        match self.colour {
            Colour::Gray => value(0),
            Colour::Rgb => LUMA[0] * value(0) + LUMA[1] * value(1) + LUMA[2] * value(2),
            Colour::Bgr => LUMA[0] * value(2) + LUMA[1] * value(1) + LUMA[2] * value(0),
        }
    }

    /// Mean absolute Laplacian (four neighbours) over the standard deviation of the luma, times the side; 0
    /// for a flat crop.
    fn sharpness(&self, input: &[f32]) -> f32 {
        let (mut laplacian, mut sum, mut squares) = (0.0_f32, 0.0_f32, 0.0_f32);
        for row in 1..self.height - 1 {
            for column in 1..self.width - 1 {
                let here = self.luma(input, row, column);
                let around = self.luma(input, row - 1, column)
                    + self.luma(input, row + 1, column)
                    + self.luma(input, row, column - 1)
                    + self.luma(input, row, column + 1);
                laplacian += (around - 4.0 * here).abs();
                sum += here;
                squares += here * here;
            }
        }
        let count = ((self.height - 2) * (self.width - 2)) as f32;
        let deviation = (squares / count - (sum / count) * (sum / count)).max(0.0).sqrt();
        // Below one step of 8 bits there is no texture to judge.
        if deviation < 1.0 {
            0.0
        } else {
            self.width.max(self.height) as f32 * laplacian / count / deviation
        }
    }
}

/// Weights of red, green and blue in luma (ITU-R BT.601).
const LUMA: [f32; 3] = [0.299, 0.587, 0.114];

/// Sharpness of a crop without detail: faces of 48 pixels under a Gaussian blur of 2 pixels have 4.
pub const BLURRED: f32 = 3.0;
/// Sharpness of a crop with all the detail it needs: 95 of 100 faces of 48 pixels have more than 16 as they
/// are, and 9 under a Gaussian blur of 1 pixel.
pub const SHARP: f32 = 12.0;
/// Residual of landmarks that lie as on a frontal face.
pub const FRONTAL: f32 = 0.03;
/// Residual of landmarks as on a face seen from the side.
pub const TURNED: f32 = 0.12;

/// From 0 at `low` to 1 at `high`.
fn ramp(value: f32, low: f32, high: f32) -> f32 {
    ((value - low) / (high - low)).clamp(0.0, 1.0)
}

fn mean(points: &[Point; 4]) -> Point {
    let sum = points.iter().fold(Point::default(), |sum, point| Point {
        x: sum.x + point.x,
        y: sum.y + point.y,
    });
    Point {
        x: sum.x / 4.0,
        y: sum.y / 4.0,
    }
}

/// Adds the picture's value at a place, of which neither coordinate lies beyond the last pixel's.
fn bilinear(rgb: &[u8], stride: usize, x: f32, y: f32, sum: &mut [f32; 3]) {
    let (left, top) = (x as usize, y as usize);
    let (fx, fy) = (x - left as f32, y - top as f32);
    // A neighbour without weight may lie outside the picture.
    let right = if fx > 0.0 { 3 } else { 0 };
    let upper = top * stride + left * 3;
    let lower = if fy > 0.0 { upper + stride } else { upper };
    let corners = [
        (upper, (1.0 - fx) * (1.0 - fy)),
        (upper + right, fx * (1.0 - fy)),
        (lower, (1.0 - fx) * fy),
        (lower + right, fx * fy),
    ];
    for (corner, weight) in corners {
        if let Some(pixel) = rgb.get(corner..corner + 3) {
            sum[0] += weight * f32::from(pixel[0]);
            sum[1] += weight * f32::from(pixel[1]);
            sum[2] += weight * f32::from(pixel[2]);
        }
    }
}

fn divided(edge: Point, parts: usize) -> Point {
    Point {
        x: edge.x / parts as f32,
        y: edge.y / parts as f32,
    }
}

fn minus(a: Point, b: Point) -> Point {
    Point {
        x: a.x - b.x,
        y: a.y - b.y,
    }
}

#[cfg(test)]
#[path = "crop_tests.rs"]
mod tests;

//! Resamples a part of a picture.

use super::geometry::Point;
use crate::picture::Picture;

/// A parallelogram of a picture; it may reach beyond the picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Region {
    /// Its centre, in pixels; the picture's first pixel covers 0 to 1.
    pub centre: Point,
    /// From its left edge to its right edge.
    pub across: Point,
    /// From its upper edge to its lower edge.
    pub down: Point,
}

impl Region {
    /// A whole picture.
    #[must_use]
    pub fn whole(picture: &Picture) -> Self {
        let (width, height) = (picture.width() as f32, picture.height() as f32);
        Self {
            centre: Point {
                x: width / 2.0,
                y: height / 2.0,
            },
            across: Point { x: width, y: 0.0 },
            down: Point { x: 0.0, y: height },
        }
    }
}

/// Maximum number of samples along a side of a new pixel; a region that needs more is larger than any
/// picture.
const MAX_SAMPLES: f32 = 64.0;

/// Resamples a region to `width` x `height` pixels and passes each to `put` (row, column, red, green and blue
/// from 0 to 255). Returns how much of the region lies inside the picture, 0 to 1. Allocates nothing.
///
/// If the region is scaled down, each new pixel is the mean of as many samples as it covers pixels, because
/// single samples would alias. Outside the picture its edge pixels are repeated: a border of a fixed colour
/// would add a contour that the scene does not have. A picture without pixels is black.
pub fn resample(
    picture: &Picture,
    region: &Region,
    (width, height): (usize, usize),
    mut put: impl FnMut(usize, usize, [f32; 3]),
) -> f32 {
    let samples = |edge: Point, pixels: usize| {
        // Rounding errors must not cause a second sample.
        let covered = edge.x.hypot(edge.y) / pixels as f32;
        (covered - 0.01).ceil().clamp(1.0, MAX_SAMPLES) as usize
    };
    let grid = Grid {
        columns: samples(region.across, width),
        rows: samples(region.down, height),
        across: divided(region.across, width * samples(region.across, width)),
        down: divided(region.down, height * samples(region.down, height)),
    };
    let source = Source::new(picture);
    if source.rgb.is_empty() {
        (0..width * height).for_each(|index| put(index / width, index % width, [0.0; 3]));
        return 0.0;
    }
    // With three or more samples a side, averaging is smooth enough for nearest-neighbour samples.
    let many = grid.columns >= 3 && grid.rows >= 3;
    let mut inside = 0_usize;
    for row in 0..height {
        let v = row as f32 / height as f32 - 0.5;
        for column in 0..width {
            let u = column as f32 / width as f32 - 0.5;
            let corner = Point {
                x: region.centre.x + region.across.x * u + region.down.x * v,
                y: region.centre.y + region.across.y * u + region.down.y * v,
            };
            inside += usize::from(source.contains(corner));
            let mean = if many {
                grid.nearest(&source, corner)
            } else {
                grid.bilinear(&source, corner)
            };
            put(row, column, mean);
        }
    }
    inside as f32 / (width * height).max(1) as f32
}

/// The samples of one new pixel.
struct Grid {
    columns: usize,
    rows: usize,
    /// From one sample to the next in a row.
    across: Point,
    /// From one row of samples to the next.
    down: Point,
}

impl Grid {
    /// Mean of bilinear samples from `corner`, the new pixel's upper left.
    fn bilinear(&self, source: &Source<'_>, corner: Point) -> [f32; 3] {
        let mut sum = [0.0; 3];
        for row in 0..self.rows {
            for column in 0..self.columns {
                let (i, j) = (column as f32 + 0.5, row as f32 + 0.5);
                source.add(
                    corner.x + self.across.x * i + self.down.x * j,
                    corner.y + self.across.y * i + self.down.y * j,
                    &mut sum,
                );
            }
        }
        let count = (self.rows * self.columns) as f32;
        sum.map(|channel| channel / count)
    }

    /// Mean of the pixels nearest to the samples, in 16.16 fixed point.
    fn nearest(&self, source: &Source<'_>, corner: Point) -> [f32; 3] {
        let (right, below) = (self.columns as f32, self.rows as f32);
        let is_inside = [(0.0, 0.0), (right, 0.0), (0.0, below), (right, below)]
            .iter()
            .all(|(i, j)| {
                source.contains(Point {
                    x: corner.x + self.across.x * i + self.down.x * j,
                    y: corner.y + self.across.y * i + self.down.y * j,
                })
            });
        let sum = if is_inside {
            self.sum_nearest(corner, |x, y| source.pixel(x as usize, y as usize))
        } else {
            self.sum_nearest(corner, |x, y| source.nearest_pixel(x, y))
        };
        let count = (self.rows * self.columns) as f32;
        sum.map(|channel| channel as f32 / count)
    }

    /// Sum of the samples' pixels, from `corner` on. A missing pixel is black.
    #[inline]
    fn sum_nearest<'a>(&self, corner: Point, pixel: impl Fn(i64, i64) -> Option<&'a [u8; 3]>) -> [u32; 3] {
        // The limit is beyond any picture, yet small enough that sums of steps do not overflow.
        let fixed = |number: f32| (number.clamp(-1e9, 1e9) * 65_536.0) as i64;
        let across = [fixed(self.across.x), fixed(self.across.y)];
        let down = [fixed(self.down.x), fixed(self.down.y)];
        // The middle of the first sample.
        let mut start = [
            fixed(corner.x + (self.across.x + self.down.x) / 2.0),
            fixed(corner.y + (self.across.y + self.down.y) / 2.0),
        ];
        let mut sum = [0_u32; 3];
        for _ in 0..self.rows {
            let [mut x, mut y] = start;
            for _ in 0..self.columns {
                if let Some(colours) = pixel(x >> 16, y >> 16) {
                    for (sum, colour) in sum.iter_mut().zip(colours) {
                        *sum = sum.wrapping_add(u32::from(*colour));
                    }
                }
                x = x.wrapping_add(across[0]);
                y = y.wrapping_add(across[1]);
            }
            start = [start[0].wrapping_add(down[0]), start[1].wrapping_add(down[1])];
        }
        sum
    }
}

/// A picture whose edge pixels are repeated outside it.
struct Source<'a> {
    rgb: &'a [u8],
    width: usize,
    height: usize,
}

impl<'a> Source<'a> {
    fn new(picture: &'a Picture) -> Self {
        Self {
            rgb: picture.rgb(),
            width: picture.width() as usize,
            height: picture.height() as usize,
        }
    }

    fn contains(&self, at: Point) -> bool {
        (0.0..self.width as f32).contains(&at.x) && (0.0..self.height as f32).contains(&at.y)
    }

    /// The pixel at these coordinates, which lie inside the picture.
    #[inline]
    fn pixel(&self, x: usize, y: usize) -> Option<&'a [u8; 3]> {
        let start = y.wrapping_mul(self.width).wrapping_add(x).wrapping_mul(3);
        self.rgb.get(start..)?.first_chunk()
    }

    /// The pixel that is nearest to these coordinates.
    fn nearest_pixel(&self, x: i64, y: i64) -> Option<&'a [u8; 3]> {
        let x = x.clamp(0, self.width as i64 - 1) as usize;
        let y = y.clamp(0, self.height as i64 - 1) as usize;
        self.pixel(x, y)
    }

    /// Adds the bilinear interpolation of the four pixels around a point.
    fn add(&self, x: f32, y: f32, sum: &mut [f32; 3]) {
        let x = (x - 0.5).clamp(0.0, (self.width - 1) as f32);
        let y = (y - 0.5).clamp(0.0, (self.height - 1) as f32);
        // The last pixel has no neighbour; a point there is interpolated from the last pair, with all the
        // weight on that pixel.
        let left = (x as usize).min(self.width.saturating_sub(2));
        let top = (y as usize).min(self.height.saturating_sub(2));
        let (fx, fy) = (x - left as f32, y - top as f32);
        let right = if self.width > 1 { 3 } else { 0 };
        let below = if self.height > 1 { self.width * 3 } else { 0 };
        let upper = (top * self.width + left) * 3;
        let corners = [
            (upper, (1.0 - fx) * (1.0 - fy)),
            (upper + right, fx * (1.0 - fy)),
            (upper + below, (1.0 - fx) * fy),
            (upper + below + right, fx * fy),
        ];
        for (start, weight) in corners {
            if let Some([r, g, b]) = self.rgb.get(start..).and_then(<[u8]>::first_chunk) {
                sum[0] += weight * f32::from(*r);
                sum[1] += weight * f32::from(*g);
                sum[2] += weight * f32::from(*b);
            }
        }
    }
}

fn divided(edge: Point, parts: usize) -> Point {
    Point {
        x: edge.x / parts as f32,
        y: edge.y / parts as f32,
    }
}

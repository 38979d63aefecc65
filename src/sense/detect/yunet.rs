//! YuNet (Wu, Peng, Yu: "YuNet: A Tiny Millisecond-level Face Detector", 2023), the layout with twelve
//! outputs: class score, objectness, box and landmarks for each of the strides 8, 16 and 32.

use super::{DetectError, HeadDecoder, nms::Candidates, output};
use crate::sense::{
    detection::{Detection, Landmarks},
    geometry::{Point, Rect},
};
use affectd_infer::{Output, OutputInfo};

const STRIDES: [usize; 3] = [8, 16, 32];

/// Sizes are logarithms; above this value a box is larger than any picture.
const LARGEST_LOG: f32 = 7.0;

/// The index of each output.
#[derive(Debug)]
pub struct YuNet {
    grids: [Grid; 3],
}

#[derive(Debug)]
struct Grid {
    stride: usize,
    columns: usize,
    class: usize,
    object: usize,
    rect: usize,
    landmarks: usize,
}

impl YuNet {
    /// Finds the twelve outputs, for an input of `width` x `height`.
    ///
    /// # Errors
    /// [`DetectError::OutputShape`] if one is missing or has another shape.
    pub fn new(outputs: &[OutputInfo], width: usize, height: usize) -> Result<Self, DetectError> {
        let grid = |stride: usize| -> Result<Grid, DetectError> {
            let columns = width / stride;
            let cells = columns * (height / stride);
            Ok(Grid {
                stride,
                columns,
                class: output(outputs, &format!("cls_{stride}"), &[1, cells, 1])?,
                object: output(outputs, &format!("obj_{stride}"), &[1, cells, 1])?,
                rect: output(outputs, &format!("bbox_{stride}"), &[1, cells, 4])?,
                landmarks: output(outputs, &format!("kps_{stride}"), &[1, cells, 10])?,
            })
        };
        Ok(Self {
            grids: [grid(STRIDES[0])?, grid(STRIDES[1])?, grid(STRIDES[2])?],
        })
    }
}

impl HeadDecoder for YuNet {
    fn decode(&self, outputs: &[Output<'_>], min_score: f32, candidates: &mut Candidates) {
        for grid in &self.grids {
            let cells = Cells {
                stride: grid.stride,
                columns: grid.columns,
                class: outputs[grid.class].data,
                object: outputs[grid.object].data,
                rect: outputs[grid.rect].data,
                landmarks: outputs[grid.landmarks].data,
            };
            decode(&cells, min_score, candidates);
        }
    }
}

/// The outputs for one stride, one row per cell, cells row by row.
#[derive(Debug, Clone, Copy)]
pub struct Cells<'a> {
    /// Input pixels per cell.
    pub stride: usize,
    /// Cells in a row.
    pub columns: usize,
    /// 1 value per cell: probability that it is a face, 0 to 1.
    pub class: &'a [f32],
    /// 1 value per cell: objectness, 0 to 1.
    pub object: &'a [f32],
    /// 4 values per cell: centre relative to the cell, and logarithm of the size, in cells.
    pub rect: &'a [f32],
    /// 10 values per cell, relative to the cell, in cells: right eye, left eye, nose, right and left corner
    /// of the mouth.
    pub landmarks: &'a [f32],
}

/// Adds a candidate, in input pixels, for each cell whose score (the geometric mean of both scores) reaches
/// `min_score`.
pub fn decode(cells: &Cells<'_>, min_score: f32, candidates: &mut Candidates) {
    let stride = cells.stride as f32;
    let rows = cells.rect.chunks_exact(4).zip(cells.landmarks.chunks_exact(10));
    for (cell, ((class, object), (rect, landmarks))) in
        cells.class.iter().zip(cells.object).zip(rows).enumerate()
    {
        let score = (class.clamp(0.0, 1.0) * object.clamp(0.0, 1.0)).sqrt();
        if score.is_nan() || score < min_score {
            continue;
        }
        let (column, row) = ((cell % cells.columns) as f32, (cell / cells.columns) as f32);
        let size = |log: f32| log.min(LARGEST_LOG).exp() * stride;
        let (width, height) = (size(rect[2]), size(rect[3]));
        let place = |x: f32, y: f32| Point {
            x: (column + x) * stride,
            y: (row + y) * stride,
        };
        let landmark = |which: usize| place(landmarks[2 * which], landmarks[2 * which + 1]);
        let centre = place(rect[0], rect[1]);
        candidates.push(Detection {
            rect: Rect {
                x: centre.x - width / 2.0,
                y: centre.y - height / 2.0,
                width,
                height,
            },
            score,
            landmarks: Landmarks {
                right_eye: landmark(0),
                left_eye: landmark(1),
                nose: landmark(2),
                mouth: landmark(3).midpoint(landmark(4)),
            },
        });
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::sense::detect::{Detections, tests::assert_sound};

    const CELLS: usize = 6;

    fn run(numbers: &[f32]) -> Detections {
        let (class, rest) = numbers.split_at(CELLS);
        let (object, rest) = rest.split_at(CELLS);
        let (rect, landmarks) = rest.split_at(4 * CELLS);
        let mut candidates = Candidates::default();
        decode(
            &Cells {
                stride: 8,
                columns: 3,
                class,
                object,
                rect,
                landmarks,
            },
            0.5,
            &mut candidates,
        );
        let mut found = Detections::new();
        candidates.suppress(&mut found);
        found
    }

    #[test]
    fn a_cell_becomes_a_box_and_landmarks_in_pixels() {
        let mut numbers = vec![0.0; 16 * CELLS];
        let cell = 4; // row 1, column 1
        numbers[cell] = 0.9;
        numbers[CELLS + cell] = 0.4;
        numbers[2 * CELLS + 4 * cell..][..4].copy_from_slice(&[0.5, 0.5, 2.0_f32.ln(), 3.0_f32.ln()]);
        let landmarks = [0.0, 0.25, 1.0, 0.25, 0.5, 0.5, 0.25, 1.0, 0.75, 1.0];
        numbers[6 * CELLS + 10 * cell..][..10].copy_from_slice(&landmarks);
        let found = run(&numbers);
        assert_eq!(found.len(), 1);
        assert!((found[0].score - 0.6).abs() < 1e-6);
        assert!(
            found[0].rect.iou(&Rect {
                x: 4.0,
                y: 0.0,
                width: 16.0,
                height: 24.0
            }) > 0.9999
        );
        assert_eq!(found[0].landmarks.right_eye, Point { x: 8.0, y: 10.0 });
        assert_eq!(found[0].landmarks.left_eye, Point { x: 16.0, y: 10.0 });
        assert_eq!(found[0].landmarks.nose, Point { x: 12.0, y: 12.0 });
        assert_eq!(found[0].landmarks.mouth, Point { x: 12.0, y: 16.0 });
    }

    #[test]
    fn garbage_gives_sound_detections_or_none() {
        bolero::check!().with_type::<Vec<u32>>().for_each(|bits| {
            let numbers: Vec<f32> = bits
                .iter()
                .map(|b| f32::from_bits(*b))
                .chain(std::iter::repeat(0.8))
                .take(16 * CELLS)
                .collect();
            assert_sound(&run(&numbers), 0.5);
        });
    }
}
